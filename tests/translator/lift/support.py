"""Code of the toy architecture as a module, for the lifter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pyqemu.translator.lift.instructions import Reader
from pyqemu.translator.lift.region import Region, lift
from pyqemu.translator.lift.trace import Trace, trace
from tests.translator.program.toy import TOY, code

SYSCALL, FENCE_I = 0x30000001, 0x35000001


@dataclass(frozen=True, slots=True)
class Module:
    """Code from offset 0 on; see translator.lift.instructions.GuestCode."""

    data: bytes

    def fetch(self, offset: int, size: int) -> bytes | None:
        """`size` bytes at `offset`; None if they are not all there."""
        found = self.data[offset : offset + size] if offset >= 0 else b""
        return found if len(found) == size else None


def reader(*words: int) -> Reader:
    """A reader of words from offset 0 on."""
    return Reader(TOY, TOY, Module(code(*words)), {"trap_div": 0, "lane": 0, "it": 0})


def traced(*words: int, entries: Iterable[int] = (0,), limit: int = 2000, below: int = 1 << 20) -> Trace:
    """The trace of words; the region may have those below an offset."""
    return trace(reader(*words), entries, lambda offset: 0 <= offset < below, limit)


def lifted(*words: int, entries: Iterable[int] = (0,)) -> Region:
    """The region of words."""
    source = reader(*words)
    return lift(trace(source, entries, lambda offset: offset >= 0), source, "region", TOY.functions())
