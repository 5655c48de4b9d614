"""Random programs, what makes them for an architecture, and how they become regions."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.lift.plan import RegionPlan
from pyqemu.translator.target import CpuModel
from tests.regions.states import Snapshot


@dataclass(frozen=True, slots=True)
class Program:
    """Code at module offset `offset`. `instructions` are (module offset, size); the region may use what lies in
    `ranges`, and has to have `entries`, which are entered in `context`. `polls`: it may write the word at which a
    start's `poll` points.
    """

    offset: int
    code: bytes
    instructions: tuple[tuple[int, int], ...]
    ranges: tuple[tuple[int, int], ...]
    entries: tuple[int, ...]
    context: Mapping[str, int]
    polls: bool = False

    @property
    def plan(self) -> RegionPlan:
        """The region to be made of it."""
        return RegionPlan(f"p{self.offset:x}", self.entries, self.ranges, self.context)

    def without(self, dropped: Sequence[tuple[int, int]], nops: Mapping[int, bytes]) -> Program:
        """With instructions replaced by ones of the same size that do nothing."""
        code = bytearray(self.code)
        for at, size in dropped:
            code[at - self.offset : at - self.offset + size] = nops[size]
        return replace(self, code=bytes(code))


class Subject(Protocol):
    """An architecture under test."""

    target: DescribedTarget
    model: CpuModel
    resuming: Mapping[str, int]  # exceptions that instructions raise to have something done, and their sizes

    def program(self, rng: random.Random, offset: int) -> Program:
        """A random program for module offset `offset`, of at most SLOT bytes."""
        ...

    def state(self, rng: random.Random, program: Program, poll: int | None) -> Snapshot:
        """A random state to start it in. `poll`: what a register that the program polls by has to point at."""
        ...

    def nops(self, program: Program) -> Mapping[int, bytes]:
        """What does nothing in a program, by size in bytes."""
        ...

    def text(self, program: Program, code: bytes, address: int) -> str:
        """The assembly of an instruction of a program."""
        ...


#: Bytes of the module that a program has for itself.
SLOT = 1024


def listing(subject: Subject, program: Program, base: int) -> str:
    """A program's assembly, its entries and the edges of its ranges marked; what does nothing is left out."""
    lines: list[str] = []
    for at, size in program.instructions:
        code = program.code[at - program.offset : at - program.offset + size]
        marks = ("E" if at in program.entries else " ") + (" " if program.plan.allows(at) else "-")
        if code != subject.nops(program)[size] or marks != "  ":
            lines.append(f"  {marks} {base + at:#x} {code.hex()} {subject.text(program, code, base + at)}")
    return "\n".join(lines)
