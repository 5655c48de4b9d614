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
from tests.targets.aarch64.fp.values import FZ, FloatGenerator
from tests.targets.aarch64.harness.generate import Generator
from tests.targets.aarch64.harness.interpreter import Interpreter
from tests.targets.aarch64.harness.machine import State
from tests.targets.aarch64.harness.text import text_of
from tests.targets.aarch64.regions.generate import COUNTER, INDEX, LABEL, LINK, POINTERS, POLL, ProgramGenerator

_FLAG_BITS = {"NF": 31, "ZF": 30, "CF": 29, "VF": 28}
_FPSR_HERE = 0xF8000080  # the rest is in the host's sticky flags


class Aarch64:
    """See tests.regions.programs.Subject."""

    resuming: Mapping[str, int] = {"svc": 4}

    def __init__(self, target: DescribedTarget) -> None:
        self.target = target
        self.model = cpu_model(target, "max")
        self._programs = ProgramGenerator(target)
        interpreter = Interpreter(target)
        rng = random.Random()
        self._generators = (Generator(target, interpreter, rng), FloatGenerator(target, interpreter, rng))

    def program(self, rng: random.Random, offset: int) -> Program:
        """See Subject."""
        return self._programs.program(rng, offset)

    def state(self, rng: random.Random, program: Program, poll: int | None) -> Snapshot:
        """See Subject."""
        generator = rng.choice(self._generators)
        generator.rng = rng
        made = generator.state()
        places = self._parts(rng, program, poll)
        x = [places.get(number, value) for number, value in enumerate((*made.x, made.sp))]
        fpcr = made.fpcr if rng.random() < 0.05 else made.fpcr & ~(1 << FZ)
        data = page_of(rng.randbytes(64))
        registers = self._registers(made, x, fpcr)
        context = tuple(fpcr >> FZ & 1 if variable.name == "fz" else 0 for variable in self.target.context)
        return Snapshot(registers, made.fpsr & 31, fpcr >> 22 & 3, context, data)

    def _parts(self, rng: random.Random, program: Program, poll: int | None) -> dict[int, int]:
        """Values of the registers that have a part of their own."""
        parts = {place: DATA + 16 * rng.randrange(32, PAGE // 16 - 32) for place in POINTERS}
        if rng.random() < 0.2:
            parts[rng.choice(POINTERS)] = DATA + rng.choice((0, PAGE)) - rng.randrange(-64, 64)
        parts[POLL] = DATA + 4 * rng.randrange(PAGE // 4) if poll is None else poll
        parts[COUNTER] = rng.randrange(6)
        parts[INDEX] = rng.randrange(32)
        for place in (LABEL, LINK):
            parts[place] = CODE + rng.choice(program.instructions)[0] + (2 if rng.random() < 0.03 else 0)
        return parts

    def _registers(self, made: State, x: list[int], fpcr: int) -> tuple[tuple[int, ...], ...]:
        values = {r.name: [0] * r.count for r in self.target.registers}
        for name, index, value in resets_of(self.target, self.model):
            values[name][index or 0] = value
        values["GPR"], values["V"] = x, list(made.v)
        values["TPIDR_EL0"], values["FPCR"], values["FPSR"] = [made.tpidr], [fpcr], [made.fpsr & _FPSR_HERE]
        for name, bit in _FLAG_BITS.items():
            values[name] = [made.nzcv >> bit & 1]
        return tuple(tuple(value) for value in values.values())

    def nops(self, program: Program) -> Mapping[int, bytes]:
        """See Subject."""
        return {4: bytes.fromhex("1f2003d5")}

    def text(self, program: Program, code: bytes, address: int) -> str:
        """See Subject."""
        return text_of(self.target, int.from_bytes(code, "little"), address)


def workbench(level: str, area: Area) -> Workbench:
    """A workbench of the installed pack for a host level."""
    pack = read_pack(packs_folder() / f"aarch64.{level}.pack")
    return Workbench(Aarch64(load_kept(pack.target)), pack, area)
