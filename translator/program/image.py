"""A guest program as its file describes it: what is mapped where, and what points at code.

Addresses are as linked: a position-independent program is at the file's own addresses, and `Image.base` is the
lowest one. Nothing here knows an architecture, or decodes an instruction.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Segment:
    """What is mapped at `address` from `offset` on in the file; `data` leaves out what has no bytes in the file."""

    address: int
    offset: int
    data: bytes
    executable: bool
    writable: bool

    @property
    def end(self) -> int:
        """The address behind the last byte that is in the file."""
        return self.address + len(self.data)

    @property
    def bounds(self) -> tuple[int, int]:
        """Start and end."""
        return self.address, self.end


@dataclass(frozen=True, slots=True)
class Symbol:
    """A function's name; `size` is 0 if it is not known."""

    name: str
    address: int
    size: int


@dataclass(frozen=True, slots=True, order=True)
class Extent:
    """Addresses `start` … `end`-1 of a function, from unwind tables or a symbol with a size."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Image:
    """A program file. `segments`, `code` (where instructions can be) and `extents` are sorted and do not overlap.

    `roots` are addresses that are called from outside (entry point, initialisers); `pointers` come from relocations,
    and may be anything's. `relocated` has the words that the dynamic linker writes, as for a program that is not moved.
    """

    order: str
    word_bytes: int
    machine: int
    segments: tuple[Segment, ...]
    code: tuple[Segment, ...]
    roots: tuple[int, ...] = ()
    symbols: tuple[Symbol, ...] = ()
    extents: tuple[Extent, ...] = ()
    pointers: frozenset[int] = frozenset()
    relocated: Mapping[int, int] = field(default_factory=dict[int, int])

    @property
    def base(self) -> int:
        """The lowest address."""
        return self.segments[0].address

    def segment_at(self, address: int) -> Segment | None:
        """The segment with file bytes at `address`."""
        return segment_at(self.segments, address)

    def code_at(self, address: int) -> Segment | None:
        """The piece of code that `address` is in."""
        return segment_at(self.code, address)

    def file_offset(self, address: int) -> int | None:
        """Where in the file the byte at `address` is; None if it is not there."""
        segment = self.segment_at(address)
        return None if segment is None else segment.offset + address - segment.address

    def load(self, address: int, size: int, order: str) -> int | None:
        """`size` bytes at `address`, unsigned, in byte order 'le' or 'be'; None if they are not in the file."""
        if size == self.word_bytes and address in self.relocated:
            return self.relocated[address]
        segment = self.segment_at(address)
        if segment is None or address + size > segment.end:
            return None
        start = address - segment.address
        return int.from_bytes(segment.data[start : start + size], "little" if order == "le" else "big")

    def words(self) -> Iterator[int]:
        """The values of all aligned words in segments that hold no code, relocated words among them."""
        yield from sorted(self.pointers)
        order = "little" if self.order == "le" else "big"
        for segment in self.segments:
            if segment.executable:
                continue
            first = -segment.address % self.word_bytes
            for start in range(first, len(segment.data) - self.word_bytes + 1, self.word_bytes):
                yield int.from_bytes(segment.data[start : start + self.word_bytes], order)

    def extent_at(self, address: int) -> Extent | None:
        """The function that `address` is in, if a table or a symbol says so."""
        place = bisect_right(self.extents, address, key=lambda extent: extent.start) - 1
        if place >= 0 and address < self.extents[place].end:
            return self.extents[place]
        return None


def segment_at(segments: tuple[Segment, ...], address: int) -> Segment | None:
    """The one of some sorted segments that has a byte at `address`."""
    place = bisect_right(segments, address, key=lambda segment: segment.address) - 1
    if place >= 0 and address < segments[place].end:
        return segments[place]
    return None
