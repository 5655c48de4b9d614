"""A few instructions of the toy architecture, and ELF programs made of them."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

from pyqemu.translator.adl.load import load
from pyqemu.translator.program.discover import discover
from pyqemu.translator.program.elf import read_elf
from pyqemu.translator.program.flow import FlowReader
from pyqemu.translator.program.program import Program

TOY = load(Path(__file__).parents[2] / "targets/toy")
READER = FlowReader(TOY, {"syscall"})
#: As if bit 0 of pointers to code told the context variable `lane`.
MARKED = FlowReader(TOY, {"syscall"}, "lane")
MACHINE = 0xFEED
BASE = 0x1000
ZERO, LINK = 15, 14
NOP, RETURN, UNDEFINED = 0x31000000, 0x2B0E0000, 0xFFFFFFFF
HIGHER_OR_SAME, ALWAYS = 3, 7


def movi(rd: int, value: int) -> int:
    """rd = value (16 bits)."""
    return 0x03000000 | rd << 20 | value


def add(rd: int, rn: int, rm: int) -> int:
    """rd = rn + rm."""
    return rd << 20 | rn << 16 | rm << 12 | 1 << 11


def add_imm(rd: int, rn: int, imm: int) -> int:
    """rd = rn + imm."""
    return 0x02000000 | rd << 20 | rn << 16 | imm & 0xFFFF


def compare(rn: int, rm: int) -> int:
    """Sets the flags by rn - rm."""
    return 0x01000000 | ZERO << 20 | rn << 16 | rm << 12 | 1 << 11 | 1 << 10


def shift_left(rd: int, rm: int, amount: int) -> int:
    """rd = rm << amount."""
    return 0x05000000 | rd << 20 | ZERO << 16 | rm << 12 | amount << 6 | 1 << 2


def and_(rd: int, rn: int, rm: int) -> int:
    """rd = rn & rm."""
    return 0x05000000 | rd << 20 | rn << 16 | rm << 12


def load_from(rd: int, rn: int, size: int, signed: bool = False) -> int:
    """rd = the `size` bytes at rn."""
    return 0x10000000 | signed << 27 | (size.bit_length() - 1) << 24 | rd << 20 | rn << 16


def branch(condition: int, words: int) -> int:
    """Goes `words` words on if the condition holds."""
    return 0x20000000 | condition << 24 | words & 0xFFFFFF


def branch_zero(rd: int, words: int) -> int:
    """Goes `words` words on if rd is 0."""
    return 0x28000000 | rd << 20 | (words & 0xFFFF) << 4 | words >> 16 & 0xF


def call(words: int) -> int:
    """Calls what is `words` words on."""
    return 0x2A000000 | words & 0xFFFFFF


def call_lane(lane: int, words: int) -> int:
    """Calls what is `words` words on, where the context variable `lane` has another value."""
    return 0x3F000000 | ALWAYS << 21 | lane << 19 | words & 0x7FFFF


def jump(rn: int, link: bool = False) -> int:
    """Goes to rn."""
    return 0x2B000000 | rn << 16 | link << 3


def code(*words: int) -> bytes:
    """Words as they stand in memory."""
    return struct.pack(f">{len(words)}I", *words)


# --- programs ------------------------------------------------------------------------------------

TEXT, RODATA, FRAMES, DATA = 0x1400, 0x1800, 0x1C00, 0x3000
_DATA_OFFSET, _SECTIONS = 0x1000, 0x1800
_PROGBITS, _SYMTAB, _STRTAB, _RELA, _INIT_ARRAY = 1, 2, 3, 4, 14
_ALLOC, _EXEC = 2, 4


@dataclass(frozen=True, slots=True)
class Toy:
    """An ELF program: `text` at TEXT, `rodata` at RODATA, `data` at DATA; the rest is what points at code."""

    text: bytes
    rodata: bytes = b""
    data: bytes = b""
    entry: int = TEXT
    symbols: tuple[tuple[str, int, int], ...] = ()  # name, address, size
    frames: tuple[tuple[int, int], ...] = ()  # address, size
    relocations: tuple[tuple[int, int], ...] = ()  # place, addend
    initialisers: tuple[int, ...] = ()
    sections: bool = True
    #: Where `text` is divided into two sections.
    divided_at: int = 0
    #: Bytes of the file that are to be others.
    patches: dict[int, bytes] = field(default_factory=dict[int, bytes])

    def packed(self) -> bytes:
        """The file."""
        data = bytearray(_SECTIONS)
        frames = _frames(self.frames)
        for address, piece in ((TEXT, self.text), (RODATA, self.rodata), (FRAMES, frames)):
            data[address - BASE : address - BASE + len(piece)] = piece
        initialisers = struct.pack(f"<{len(self.initialisers)}Q", *self.initialisers)
        data[_DATA_OFFSET : _DATA_OFFSET + len(self.data)] = self.data
        at = _DATA_OFFSET + len(self.data)
        data[at : at + len(initialisers)] = initialisers
        sections = self._sections(data, frames, len(initialisers))
        segments = _segment(5, 0, BASE, 0xF00) + _segment(6, _DATA_OFFSET, DATA, len(self.data) + len(initialisers))
        start, count = (len(data), len(sections)) if self.sections else (0, 0)
        header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack(
            "<HHIQQQIHHHHHH", 2, MACHINE, 1, self.entry, 64, start, 0, 64, 56, 2, 64, count, 1 if count else 0
        )
        data[: len(header) + len(segments)] = header + segments
        data += b"".join(sections)
        for offset, patch in self.patches.items():
            data[offset : offset + len(patch)] = patch
        return bytes(data)

    def _sections(self, data: bytearray, frames: bytes, initialisers: int) -> list[bytes]:
        """Section headers; tables that are not mapped go to the end of `data`."""
        names = b"\0.eh_frame\0"
        strings, entries = b"\0", bytes(24)
        for name, address, size in self.symbols:
            entries += struct.pack("<IBBHQQ", len(strings), 2, 0, 2, address, size)
            strings += name.encode() + b"\0"
        relocations = b"".join(struct.pack("<QQq", place, 1027, addend) for place, addend in self.relocations)
        offsets: list[int] = []
        for table in (names, strings, entries, relocations):
            offsets.append(len(data))
            data += table + bytes(-len(table) % 8)
        cut = self.divided_at
        return [
            bytes(64),
            _section(0, _STRTAB, 0, 0, offsets[0], len(names)),
            _section(0, _PROGBITS, _ALLOC | _EXEC, TEXT, TEXT - BASE, self.divided_at),
            _section(0, _PROGBITS, _ALLOC | _EXEC, TEXT + cut, TEXT - BASE + cut, len(self.text) - cut),
            _section(1, _PROGBITS, _ALLOC, FRAMES, FRAMES - BASE, len(frames)),
            _section(0, _INIT_ARRAY, _ALLOC, DATA + len(self.data), _DATA_OFFSET + len(self.data), initialisers),
            _section(0, _STRTAB, 0, 0, offsets[1], len(strings)),
            _section(0, _SYMTAB, 0, 0, offsets[2], len(entries), link=6, entry=24),
            _section(0, _RELA, _ALLOC, 0, offsets[3], len(relocations), entry=24),
        ]

    def program(self, reader: FlowReader = READER) -> Program:
        """What is found of it."""
        return discover(read_elf(self.packed(), MACHINE), reader)


def _segment(flags: int, offset: int, address: int, size: int) -> bytes:
    return struct.pack("<IIQQQQQQ", 1, flags, offset, address, address, size, size, 0x1000)


def _section(
    name: int, kind: int, flags: int, address: int, offset: int, size: int, link: int = 0, entry: int = 0
) -> bytes:
    return struct.pack("<IIQQQQIIQQ", name, kind, flags, address, offset, size, link, 0, 8, entry)


def _frames(ranges: tuple[tuple[int, int], ...]) -> bytes:
    """An `.eh_frame` with one common entry, and addresses relative to their places in 4 bytes."""
    if not ranges:
        return b""
    common = struct.pack("<I", 0) + b"\x01zR\0\x04\x78\x1e\x01\x1b"
    common += bytes(-len(common) % 4)
    result = struct.pack("<I", len(common)) + common
    for start, size in ranges:
        here = len(result)
        result += struct.pack("<IIiIB3x", 16, here + 4, start - (FRAMES + here + 8), size, 0)
    return result + bytes(4)
