"""The architecture as the random regions see it."""

from __future__ import annotations

import random
from collections.abc import Mapping

from pyqemu.tools.installed import packs_folder, read_pack
from pyqemu.translator.adl.keep import load_kept
from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.cpu_models import cpu_model, resets_of
from tests.regions.area import CODE, DATA, PAGE, Area, page_of
from tests.regions.programs import Program
from tests.regions.states import Snapshot
from tests.regions.workbench import Workbench
from tests.targets.arm.harness.generate import Generator
from tests.targets.arm.harness.interpreter import FLAGS, FP_FLAGS, MODES, STICKY, Interpreter
from tests.targets.arm.harness.text import THUMB, text_of
from tests.targets.arm.regions.generate import BASES, COUNTER, INDEX, LABEL, LINK, POLL, ProgramGenerator, nops

_FZ, _RMODE = 24, 22


class Arm:
    """See tests.regions.programs.Subject."""

    resuming: Mapping[str, int] = {}

    def __init__(self, target: DescribedTarget) -> None:
        self.target = target
        self.model = cpu_model(target, "max")
        self._programs = ProgramGenerator(target)
        self._states = Generator(target, Interpreter(target), random.Random())

    def program(self, rng: random.Random, offset: int) -> Program:
        """See Subject."""
        return self._programs.program(rng, offset)

    def nops(self, program: Program) -> Mapping[int, bytes]:
        """See Subject."""
        return nops(program)

    def state(self, rng: random.Random, program: Program, poll: int | None) -> Snapshot:
        """See Subject."""
        self._states.rng = rng
        made = self._states.state(self.target.encodings[0])
        places = self._parts(rng, program, poll)
        fz = program.context["fz"] if rng.random() < 0.95 else 1 - program.context["fz"]
        modes = made.fpscr & MODES & ~(1 << _FZ) | fz << _FZ
        values = {r.name: [0] * r.count for r in self.target.registers}
        for name, index, value in resets_of(self.target, self.model):
            values[name][index or 0] = value
        values["G"] = [places.get(number, value) for number, value in enumerate((*made.r, 0))]
        values["D"], values["FPCR"], values["FPSR"] = list(made.d), [modes], [made.fpscr & STICKY]
        values["TPIDRURW"], values["TPIDRURO"] = [made.tpidrurw], [made.tpidruro]
        for bit, flag in FLAGS:
            values[flag] = [made.cpsr >> bit & 1]
        for bit, flag in FP_FLAGS:
            values[flag] = [made.fpscr >> bit & 1]
        context = tuple(({**program.context, "fz": fz}).values())
        registers = tuple(tuple(value) for value in values.values())
        return Snapshot(registers, made.fpscr & 31, modes >> _RMODE & 3, context, page_of(rng.randbytes(64)))

    def _parts(self, rng: random.Random, program: Program, poll: int | None) -> dict[int, int]:
        """Values of the registers that have a part of their own."""
        parts = {place: DATA + 16 * rng.randrange(40, PAGE // 16 - 72) for place in BASES}
        if rng.random() < 0.2:
            parts[rng.choice(BASES)] = DATA + rng.choice((0, PAGE)) - rng.randrange(-64, 64)
        parts[POLL] = DATA + 4 * rng.randrange(PAGE // 4) if poll is None else poll
        parts[COUNTER], parts[INDEX] = rng.randrange(6), rng.randrange(32)
        for place in (LABEL, LINK):
            mark = program.context["t"] ^ (rng.random() < 0.03)
            parts[place] = CODE + rng.choice(program.instructions)[0] | mark
        return parts

    def text(self, program: Program, code: bytes, address: int) -> str:
        """See Subject."""
        if not program.context["t"]:
            return text_of(self.target, int.from_bytes(code, "little"), address)
        halves = [int.from_bytes(code[at : at + 2], "little") for at in range(0, len(code), 2)]
        return text_of(self.target, THUMB | (halves[0] if len(halves) == 1 else halves[0] << 16 | halves[1]), address)


def workbench(level: str, area: Area) -> Workbench:
    """A workbench of the installed pack for a host level."""
    pack = read_pack(packs_folder() / f"arm.{level}.pack")
    return Workbench(Arm(load_kept(pack.target)), pack, area)
