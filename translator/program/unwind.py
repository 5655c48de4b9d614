"""Ranges of functions from `.eh_frame`: compilers write one entry for each, and `strip` leaves them.

Follows the Linux Standard Base (core, "Exception Frames") and DWARF 5, 6.4.1; reads no unwind instructions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pyqemu.translator.program.image import Extent

# DW_EH_PE_*: how a pointer is written (low four bits), and what it is relative to.
_ABSOLUTE, _ULEB128, _SLEB128 = 0x00, 0x01, 0x09
_FIXED = {0x02: 2, 0x03: 4, 0x04: 8, 0x0A: 2, 0x0B: 4, 0x0C: 8}
_SIGNED = 0x08
_PC_RELATIVE = 0x10
_RELATIVE_TO = 0x70
_OMITTED = 0xFF


class _Broken(Exception):
    """The section ends too early, or says what nobody writes."""


@dataclass(slots=True)
class Reader:
    """Reads numbers from `data`, which is at `address`; `at` is where it is."""

    data: bytes
    address: int
    order: str
    word_bytes: int
    at: int = 0

    def number(self, size: int, *, signed: bool = False) -> int:
        """An integer of `size` bytes."""
        piece = self.data[self.at : self.at + size]
        if len(piece) != size:
            raise _Broken
        self.at += size
        return int.from_bytes(piece, "little" if self.order == "le" else "big", signed=signed)

    def leb128(self, *, signed: bool = False) -> int:
        """An integer of variable length."""
        value = shift = 0
        while True:
            byte = self.number(1)
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value - (1 << shift) if signed and byte & 0x40 else value
            if shift > 70:
                raise _Broken

    def string(self) -> str:
        """Characters up to a zero byte."""
        end = self.data.find(b"\0", self.at)
        if end < 0:
            raise _Broken
        text = self.data[self.at : end]
        self.at = end + 1
        return text.decode("latin-1")

    def pointer(self, encoding: int, *, relative: bool = True) -> int | None:
        """A pointer in an encoding DW_EH_PE_*; None for one whose base is not the place itself."""
        place = self.address + self.at
        value = self._plain(encoding & 0x0F)
        base = encoding & _RELATIVE_TO
        if not relative or base == 0:
            return value
        if base != _PC_RELATIVE:
            return None
        return (place + value) & ((1 << 8 * self.word_bytes) - 1)

    def _plain(self, form: int) -> int:
        if form == _ABSOLUTE:
            return self.number(self.word_bytes)
        if form in (_ULEB128, _SLEB128):
            return self.leb128(signed=form == _SLEB128)
        if form not in _FIXED:
            raise _Broken
        return self.number(_FIXED[form], signed=bool(form & _SIGNED))


def function_extents(reader: Reader) -> Iterator[Extent]:
    """The ranges of all entries of an `.eh_frame`; ends without a word where the section makes no sense."""
    encodings: dict[int, int] = {}
    try:
        while reader.at < len(reader.data):
            end, at, kind = _record(reader)
            if kind == 0:
                encodings[at] = _pointer_encoding(reader)
            elif (encoding := encodings.get(reader.at - 4 - kind)) is not None:
                start, size = reader.pointer(encoding), reader.pointer(encoding, relative=False)
                if start and size:  # what the linker dropped starts at 0
                    yield Extent(start, start + size)
            reader.at = end
    except _Broken:
        return


def _record(reader: Reader) -> tuple[int, int, int]:
    """A record's end and start, and the distance to its common entry (0 for such an entry itself)."""
    at = reader.at
    length = reader.number(4)
    if length == 0xFFFFFFFF:
        length = reader.number(8)
    if length == 0:
        raise _Broken  # the terminator
    end = reader.at + length
    return end, at, reader.number(4)


def _pointer_encoding(reader: Reader) -> int:
    """How a common entry says that addresses are written."""
    version = reader.number(1)
    augmentation = reader.string()
    if not augmentation.startswith("z"):
        return _ABSOLUTE
    reader.leb128()
    reader.leb128(signed=True)
    if version == 1:
        reader.number(1)
    else:
        reader.leb128()
    reader.leb128()
    for letter in augmentation[1:]:
        match letter:
            case "R":
                return reader.number(1)
            case "L":
                reader.number(1)
            case "P":
                personality = reader.number(1)
                if personality != _OMITTED:
                    reader.pointer(personality)
            case _:
                pass  # letters without data, such as S for signal frames
    return _ABSOLUTE


def frames_address(header: Reader) -> int | None:
    """Where `.eh_frame` is, from the `.eh_frame_hdr` that a program header leads to."""
    try:
        if header.number(1) != 1:
            return None
        encoding = header.number(1)
        header.number(2)
        return header.pointer(encoding)
    except _Broken:
        return None
