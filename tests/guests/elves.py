"""Writes small ELF programs, right ones and wrong ones, for tests of bad input."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

MACHINE = 183  # AArch64
EXEC, DYN = 2, 3
LOAD, INTERP = 1, 3
X, W, R = 1, 2, 4
BASE = 0x400000
#: Where the code of `Elf` begins in the file: behind the header and room for 17 program headers.
CODE = 0x400

# The few instructions that these programs are made of.
SVC = 0xD4000001
NEG_X0 = 0xCB0003E0  # neg x0, x0


def mov(register: int, value: int) -> int:
    """The word of `mov x<register>, #value`, for values below 65536."""
    return 0xD2800000 | value << 5 | register


def leave(status: int) -> tuple[int, ...]:
    """Words that leave the program with `status`."""
    return mov(0, status), mov(8, 94), SVC


@dataclass(frozen=True, slots=True)
class Segment:
    """One program header; sizes in bytes."""

    kind: int
    flags: int
    offset: int
    address: int
    file_bytes: int
    memory_bytes: int

    def packed(self) -> bytes:
        values = self.offset, self.address, self.address, self.file_bytes, self.memory_bytes, 0x1000
        return struct.pack("<IIQQQQQQ", self.kind, self.flags, *(value & 2**64 - 1 for value in values))


@dataclass(frozen=True, slots=True)
class Elf:
    """A program of `words` at BASE + CODE, mapped by one segment; what is given besides comes after that."""

    words: tuple[int, ...] = leave(42)
    more: tuple[Segment, ...] = ()
    kind: int = EXEC
    #: PT_INTERP's path, with its zero byte.
    interpreter: bytes = b""
    #: Instead of the segment with the code.
    code: Segment | None = None
    #: Fields of the header that are to be wrong: offset, and bytes.
    patches: dict[int, bytes] = field(default_factory=dict)

    def packed(self) -> bytes:
        code = struct.pack(f"<{len(self.words)}I", *self.words)
        end = CODE + len(code)
        segments = [self.code or Segment(LOAD, R | X, 0, BASE, end, end), *self.more]
        if self.interpreter:
            size = len(self.interpreter)
            segments.insert(0, Segment(INTERP, R, end, BASE + end, size, size))
        header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack(
            "<HHIQQQIHHHHHH", self.kind, MACHINE, 1, BASE + CODE, 64, 0, 0, 64, 56, len(segments), 64, 0, 0
        )
        data = bytearray(header + b"".join(segment.packed() for segment in segments))
        data = data.ljust(CODE, b"\0") + code + self.interpreter
        for offset, patch in self.patches.items():
            data[offset : offset + len(patch)] = patch
        return bytes(data)
