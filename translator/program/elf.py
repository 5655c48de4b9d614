"""Reads ELF programs and shared libraries as an `Image`.

Program headers are taken at their word, and what is wrong with them is an error, as for a kernel. Section headers are
hints that a program runs without: what is wrong there is left out.
"""

from __future__ import annotations

import io
import struct
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

from elftools.common.exceptions import ELFError  # pyright: ignore[reportMissingTypeStubs]
from elftools.common.utils import struct_parse  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]
from elftools.elf.elffile import ELFFile  # pyright: ignore[reportMissingTypeStubs]

from pyqemu.translator.errors import GuestFileError
from pyqemu.translator.program.image import Extent, Image, Segment, Symbol, segment_at
from pyqemu.translator.program.unwind import Reader, frames_address, function_extents

_SHF_ALLOC, _SHF_EXECINSTR = 2, 4
_PF_X, _PF_W = 1, 2
_STT_FUNC, _STT_GNU_IFUNC = 2, 10
#: Linux maps no program with more bytes of program headers.
_MOST_HEADER_BYTES = 1 << 16
#: How many times over a file may be mapped: a few segments share a page, but not all of it.
_MOST_COPIES = 4


@dataclass(frozen=True, slots=True)
class _Formats:
    """`struct` formats of tables of an ELF class, without the byte order, and how `r_info` is divided."""

    symbol: str
    symbol_fields: tuple[int, int, int, int, int]  # where name, info, section, value and size are
    rela: str
    symbol_shift: int


_FORMATS = {
    32: _Formats("IIIBBH", (0, 3, 5, 1, 2), "IIi", 8),
    64: _Formats("IBBHQQ", (0, 1, 3, 4, 5), "QQq", 32),
}


def read_elf(data: bytes, machine: int | None = None) -> Image:
    """The program in `data`; `machine` is the number of the architecture that it has to be for, if that matters.

    Raises GuestFileError.
    """
    try:
        elf = cast(Any, ELFFile(io.BytesIO(data)))
        kind, found = elf.header["e_type"], elf.header["e_machine"]
    except (ELFError, KeyError, ValueError, UnicodeDecodeError) as error:
        raise GuestFileError(f"not an ELF file: {error}") from None
    if kind not in ("ET_EXEC", "ET_DYN"):
        raise GuestFileError(f"not a program or shared library, but {kind}")
    number = struct.unpack_from("<H" if elf.little_endian else ">H", data, 18)[0]
    if machine is not None and number != machine:
        raise GuestFileError(f"for another architecture: e_machine is {found}, {machine} is wanted")
    return _Elf(data, elf, number).image()


class _Elf:
    """One file while it is read."""

    def __init__(self, data: bytes, elf: Any, machine: int) -> None:
        self.data = data
        self.elf = elf
        self.machine = machine
        self.order = "le" if elf.little_endian else "be"
        self.word_bytes: int = elf.elfclass // 8
        self.formats = _FORMATS[elf.elfclass]
        self.headers = self._headers("program", elf.structs.Elf_Phdr, "ph")
        if len(self.headers) * elf.structs.Elf_Phdr.sizeof() > _MOST_HEADER_BYTES:
            raise GuestFileError(f"{len(self.headers)} program headers are too many")
        self.segments = _segments(self.headers, data)
        try:
            self.sections = self._headers("section", elf.structs.Elf_Shdr, "sh")
        except GuestFileError:
            self.sections = []

    def image(self) -> Image:
        """All that the file tells of its code."""
        symbols = tuple(sorted(self._symbols(), key=lambda symbol: (symbol.address, -symbol.size)))
        relocated, pointers = self._relocations()
        code = self._code()
        inside = _Inside(piece.bounds for piece in code)
        unwound = [extent for extent in self._extents() if inside(extent.start) and inside(extent.end - 1)]
        sized = [Extent(s.address, s.address + s.size) for s in symbols if s.size and inside(s.address + s.size - 1)]
        roots = [self.elf.header["e_entry"], *self._initialisers(relocated)]
        return Image(
            order=self.order, word_bytes=self.word_bytes, machine=self.machine,
            segments=self.segments, code=code,
            roots=tuple(filter(inside, roots)),
            symbols=tuple(symbol for symbol in symbols if inside(symbol.address)),
            extents=_disjoint(unwound, sized),
            pointers=frozenset(filter(inside, pointers)),
            relocated=relocated,
        )  # fmt: skip

    def _headers(self, what: str, shape: Any, prefix: str) -> list[Any]:
        """Parses all program or section headers."""
        header = self.elf.header
        offset, count, size = (header[f"e_{prefix}{field}"] for field in ("off", "num", "entsize"))
        if not count:
            return []
        if size < shape.sizeof() or offset + count * size > len(self.data):
            raise GuestFileError(f"the {what} headers are not in the file")
        stream = io.BytesIO(self.data)
        return [struct_parse(shape, stream, offset + number * size) for number in range(count)]

    def _code(self) -> tuple[Segment, ...]:
        """Executable sections, or whole executable segments of a file without sections."""
        executable = [segment for segment in self.segments if segment.executable]
        wanted = _SHF_ALLOC | _SHF_EXECINSTR
        ranges = sorted(
            (section["sh_addr"], section["sh_addr"] + section["sh_size"])
            for section in self.sections
            if section["sh_flags"] & wanted == wanted
        )
        pieces: list[Segment] = []
        for start, end in ranges:
            start = max(start, pieces[-1].end) if pieces else start
            pieces += [piece for segment in executable if (piece := _part(segment, start, end))]
        return tuple(pieces or executable)

    def _contents(self, section: Any) -> bytes:
        """A section's bytes, as far as the file has them."""
        return b"" if section["sh_type"] == "SHT_NOBITS" else self._bytes(section["sh_offset"], section["sh_size"])

    def _bytes(self, offset: int, size: int) -> bytes:
        return self.data[offset : offset + size] if offset < len(self.data) else b""

    def _records(self, section: Any, format: str) -> Iterator[tuple[int, ...]]:
        """The entries of a table."""
        layout = struct.Struct(("<" if self.order == "le" else ">") + format)
        contents = self._contents(section)
        return layout.iter_unpack(contents[: len(contents) // layout.size * layout.size])

    def _of_type(self, *types: str) -> Iterator[Any]:
        return (section for section in self.sections if section["sh_type"] in types)

    # --- what points at code ---

    def _symbols(self) -> Iterator[Symbol]:
        """Functions that are defined here, from both symbol tables, each place once."""
        seen: set[tuple[int, int]] = set()
        name, info, section, value, size = self.formats.symbol_fields
        for table in self._of_type("SHT_SYMTAB", "SHT_DYNSYM"):
            names = self._names(table)
            for entry in self._records(table, self.formats.symbol):
                if entry[info] & 15 not in (_STT_FUNC, _STT_GNU_IFUNC) or not entry[section]:
                    continue
                if (entry[value], entry[size]) not in seen:
                    seen.add((entry[value], entry[size]))
                    yield Symbol(_string(names, entry[name]), entry[value], entry[size])

    def _names(self, table: Any) -> bytes:
        link = table["sh_link"]
        return self._contents(self.sections[link]) if link < len(self.sections) else b""

    def _relocations(self) -> tuple[dict[int, int], set[int]]:
        """Words that get a value when the program is loaded as linked, and all values that relocations have.

        A relocation without a symbol whose addend lies in the program is taken for a relative one: that needs no
        architecture's numbers, and a word too many in `relocated` is one that nobody would read as code.
        """
        relocated: dict[int, int] = {}
        pointers: set[int] = set()
        mapped = _Inside(segment.bounds for segment in self.segments)
        for section in self._of_type("SHT_RELA"):
            for place, info, addend in self._records(section, self.formats.rela):
                if info >> self.formats.symbol_shift == 0 and addend > 0 and mapped(addend):
                    relocated[place] = addend
                    pointers.add(addend)
        return relocated, pointers

    def _initialisers(self, relocated: dict[int, int]) -> Iterator[int]:
        """Functions that are called before and after the program."""
        for section in self._of_type("SHT_INIT_ARRAY", "SHT_FINI_ARRAY", "SHT_PREINIT_ARRAY"):
            words = self._records(section, "I" if self.word_bytes == 4 else "Q")
            for number, (word,) in enumerate(words):
                yield relocated.get(section["sh_addr"] + number * self.word_bytes, word)

    def _extents(self) -> Iterator[Extent]:
        """Ranges of functions from the unwind tables."""
        for header in self.headers:
            if header["p_type"] == "PT_GNU_EH_FRAME":
                contents = self._bytes(header["p_offset"], header["p_filesz"])
                address = frames_address(self._reader(contents, header["p_vaddr"]))
                segment = None if address is None else segment_at(self.segments, address)
                if segment is not None and address is not None:
                    yield from function_extents(self._reader(segment.data[address - segment.address :], address))
                    return
        yield from self._frame_sections()

    def _frame_sections(self) -> Iterator[Extent]:
        """Static programs have `.eh_frame` without a program header that leads to it."""
        index = self.elf.header["e_shstrndx"]
        names = self._contents(self.sections[index]) if index < len(self.sections) else b""
        for section in self.sections:
            if _string(names, section["sh_name"]) == ".eh_frame":
                yield from function_extents(self._reader(self._contents(section), section["sh_addr"]))

    def _reader(self, contents: bytes, address: int) -> Reader:
        return Reader(contents, address, self.order, self.word_bytes)


class _Inside:
    """Tells whether an address is in one of some ranges, given by start and end and sorted by start."""

    def __init__(self, ranges: Iterable[tuple[int, int]]) -> None:
        self._bounds = list(ranges)
        self._starts = [start for start, _ in self._bounds]

    def __call__(self, address: int) -> bool:
        place = bisect_right(self._starts, address) - 1
        return place >= 0 and address < self._bounds[place][1]


def _segments(headers: Sequence[Any], data: bytes) -> tuple[Segment, ...]:
    """What is mapped, by address. Raises GuestFileError if that cannot be."""
    result: list[Segment] = []
    for header in headers:
        if header["p_type"] != "PT_LOAD" or not header["p_filesz"]:
            continue
        offset, size, address = header["p_offset"], header["p_filesz"], header["p_vaddr"]
        if offset + size > len(data):
            raise GuestFileError("a segment is not in the file")
        if size > header["p_memsz"]:
            raise GuestFileError("a segment is larger in the file than in memory")
        flags = header["p_flags"]
        contents = memoryview(data)[offset : offset + size]
        result.append(Segment(address, offset, cast(bytes, contents), bool(flags & _PF_X), bool(flags & _PF_W)))
    return _checked(sorted(result, key=lambda segment: segment.address), len(data))


def _checked(segments: list[Segment], size: int) -> tuple[Segment, ...]:
    """The segments with copies of their contents, if they make sense together."""
    if not any(segment.executable for segment in segments):
        raise GuestFileError("nothing in it is executable")
    if sum(len(segment.data) for segment in segments) > _MOST_COPIES * size:
        raise GuestFileError(f"its segments are more than {_MOST_COPIES} times the file")
    for one, other in pairwise(segments):
        if other.address < one.end:
            raise GuestFileError("two segments overlap")
    if segments[-1].end > 1 << 64:
        raise GuestFileError("a segment goes beyond the last address")
    return tuple(Segment(s.address, s.offset, bytes(s.data), s.executable, s.writable) for s in segments)


def _part(segment: Segment, start: int, end: int) -> Segment | None:
    """What of a segment lies in start … end-1."""
    start, end = max(start, segment.address), min(end, segment.end)
    if start >= end:
        return None
    at = start - segment.address
    data = segment.data[at : end - segment.address]
    return Segment(start, segment.offset + at, data, segment.executable, segment.writable)


def _disjoint(unwound: Sequence[Extent], sized: Sequence[Extent]) -> tuple[Extent, ...]:
    """Sorted, each start once with its longest range, none reaching into the next.

    Symbols count only where unwind tables say nothing: a label in assembly may have a size too.
    """
    longest: dict[int, int] = {}
    for extent in unwound:
        longest[extent.start] = max(longest.get(extent.start, 0), extent.end)
    covered = _Inside(sorted(longest.items()))
    for extent in sized:
        if not covered(extent.start):
            longest[extent.start] = max(longest.get(extent.start, 0), extent.end)
    starts = sorted(longest)
    bounds = [*starts, 1 << 64][1:]
    return tuple(Extent(s, min(longest[s], bound)) for s, bound in zip(starts, bounds, strict=True))


def _string(table: bytes, offset: int) -> str:
    """A name in a string table."""
    end = table.find(b"\0", offset)
    return table[offset : end if end >= 0 else len(table)].decode("utf-8", "replace")
