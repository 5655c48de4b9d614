"""What is compared: all that a guest can see of its machine, where a run starts, and how it ends."""

from __future__ import annotations

import marshal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from pyqemu.translator.target import Register


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Elements of all registers in the target's order, the floating-point environment, the context, the data page."""

    registers: tuple[tuple[int, ...], ...]
    fp_flags: int
    fp_mode: int
    context: tuple[int, ...]
    data: bytes = field(repr=False)

    def digest(self) -> int:
        """A number that tells it from others. (Python's hash of integers does not: it is modulo 2^61 - 1.)"""
        return hash(marshal.dumps((self.registers, self.fp_flags, self.fp_mode, self.context, self.data), 2))


@dataclass(frozen=True, slots=True)
class Start:
    """Where a run starts. `poll`: the address of the poll word that the guest may write, so that it is stopped."""

    pc: int
    state: Snapshot
    poll: int | None = None

    def polling(self, poll: int) -> Start:
        """For another CPU, with its poll word at `poll`."""
        if self.poll is None:
            return self
        registers = tuple(
            tuple(poll if value == self.poll else value for value in values) for values in self.state.registers
        )
        return Start(self.pc, replace(self.state, registers=registers), poll)


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended: `how` is exception, fault, bad fetch or interrupted; `detail` are an exception's name and
    arguments, or a fault's address.
    """

    how: str
    pc: int
    detail: tuple[object, ...]
    state: Snapshot


def differences(registers: Sequence[Register], expected: End, found: End) -> Iterator[str]:
    """What is not the same, a line each."""
    for name in ("how", "pc", "detail"):
        ours, theirs = getattr(expected, name), getattr(found, name)
        if ours != theirs:
            yield f"{name}: {_shown(theirs)} for {_shown(ours)}"
    for register, ours, theirs in zip(registers, expected.state.registers, found.state.registers, strict=True):
        for index, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            if a != b:
                yield f"{register.name}[{index}]: {b:#x} for {a:#x}"
    for name in ("fp_flags", "fp_mode", "context"):
        ours, theirs = getattr(expected.state, name), getattr(found.state, name)
        if ours != theirs:
            yield f"{name}: {theirs} for {ours}"
    for place, (a, b) in enumerate(zip(expected.state.data, found.state.data, strict=True)):
        if a != b:
            yield f"data page at {place:#x}: {b:#x} for {a:#x}"


def _shown(value: object) -> str:
    return hex(value) if isinstance(value, int) else str(value)
