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
from tests.targets.riscv.harness.generate import BASES, Generator
from tests.targets.riscv.harness.interpreter import Interpreter, host_mode, mode_kind, reversed_flags
from tests.targets.riscv.harness.text import text_of
from tests.targets.riscv.regions.generate import COUNTER, LABEL, LINK, POLL, ProgramGenerator


class RiscV:
    """See tests.regions.programs.Subject."""

    resuming: Mapping[str, int] = {"ecall": 4}

    def __init__(self, target: DescribedTarget) -> None:
        self.target = target
        self.model = cpu_model(target, "max")
        self._programs = ProgramGenerator(target)
        self._states = Generator(target, Interpreter(target), random.Random())

    def program(self, rng: random.Random, offset: int) -> Program:
        """See Subject."""
        return self._programs.program(rng, offset)

    def state(self, rng: random.Random, program: Program, poll: int | None) -> Snapshot:
        """See Subject."""
        self._states.rng = rng
        made = self._states.state()
        places = self._parts(rng, program, poll)
        x = [places.get(number, value) for number, value in enumerate(made.x)]
        frm = made.fcsr >> 5
        if frm > 3 and rng.random() < 0.9:  # regions are for the first CPU's context
            frm &= 3
        values = {r.name: [0] * r.count for r in self.target.registers}
        widths = {r.name: r.width for r in self.target.registers}
        for name, index, value in resets_of(self.target, self.model):
            values[name][index or 0] = value & (1 << widths[name]) - 1
        values["GPR"], values["FPR"], values["FCSR"] = x, list(made.f), [frm << 5]
        registers = tuple(tuple(value) for value in values.values())
        context = tuple(mode_kind(frm) if c.name == "frm_kind" else 0 for c in self.target.context)
        data = page_of(rng.randbytes(64))
        return Snapshot(registers, reversed_flags(made.fcsr), host_mode(frm), context, data)

    def _parts(self, rng: random.Random, program: Program, poll: int | None) -> dict[int, int]:
        """Values of the registers that have a part of their own."""
        parts = {place: DATA + 16 * rng.randrange(32, PAGE // 16 - 32) for place in BASES}
        if rng.random() < 0.2:
            parts[rng.choice(BASES)] = DATA + rng.choice((0, PAGE)) - rng.randrange(-64, 64)
        parts[POLL] = DATA + 4 * rng.randrange(PAGE // 4) if poll is None else poll
        parts[COUNTER] = rng.randrange(6)
        for place in (LABEL, LINK):
            parts[place] = CODE + rng.choice(program.instructions)[0] + (1 if rng.random() < 0.03 else 0)
        return parts

    def nops(self, program: Program) -> Mapping[int, bytes]:
        """See Subject."""
        return {4: bytes.fromhex("13000000"), 2: bytes.fromhex("0100")}

    def text(self, program: Program, code: bytes, address: int) -> str:
        """See Subject."""
        return text_of(self.target, int.from_bytes(code, "little"), address)


def workbench(level: str, area: Area) -> Workbench:
    """A workbench of the installed pack for a host level; of RV32 where guest memory is in the low 4 GiB."""
    name = "riscv64" if CODE >> 32 else "riscv32"
    pack = read_pack(packs_folder() / f"{name}.{level}.pack")
    return Workbench(RiscV(load_kept(pack.target)), pack, area)
