"""Damages archives: what storage and other people's mistakes do to them, and what whoever has the key could do.

The same seed damages an archive in the same way. Damage that is signed is of what can be told from right records: a
wrong exit target, entry or landing that lies where one might be, or other host code, is not told by anybody.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass

from pyqemu.hostgen.archive_format import (
    ArchiveHeader,
    ContextRec,
    EntryRec,
    ExitRec,
    FaultRec,
    IndexRec,
    RangeRec,
    RegionRec,
)
from pyqemu.hostgen.mac import mac
from pyqemu.hostgen.pack_format import Record

_RECORDS = {
    ".pq.archive": ArchiveHeader, ".pq.context": ContextRec, ".pq.index": IndexRec, ".pq.region": RegionRec,
    ".pq.entry": EntryRec, ".pq.range": RangeRec, ".pq.exit": ExitRec, ".pq.fault": FaultRec,
}  # fmt: skip
#: What a region's MAC is over, besides itself: table, and the members that say which part of it.
_PARTS = (("entry", EntryRec), ("range", RangeRec), ("byte", None), ("exit", ExitRec), ("fault", FaultRec))
_HEADER = ("magic", "version", "features", "extent", "text_bytes", "support", "exit_count")
_REGION = (
    *("code", "code_bytes", "context"),
    *(f"first_{name}" for name, _ in _PARTS),
    *(f"{name}_count" for name, _ in _PARTS),
)


@dataclass(frozen=True, slots=True)
class Damaged:
    """An archive, and what was done to it."""

    data: bytes
    how: str


class Editor:
    """An archive whose tables can be changed, and signed again."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        self.sections: dict[str, tuple[int, int]] = {}
        place, count, names_at = self._table()
        rows = [struct.unpack_from("<IIQQQQ", data, place + 64 * n) for n in range(count)]
        names = rows[names_at][4]
        for row in rows:
            name = data[names + row[0] : data.index(b"\0", names + row[0])].decode()
            self.sections[name] = row[4], row[5]

    def _table(self) -> tuple[int, int, int]:
        header = struct.unpack_from("<16sHHIQQQIHHHHHH", self.data)
        return header[6], header[12], header[13]

    def part(self, name: str) -> bytes:
        """A section."""
        start, size = self.sections[name]
        return bytes(self.data[start : start + size])

    def count(self, name: str) -> int:
        """Records of a section."""
        return self.sections[name][1] // _RECORDS[name].size

    def get(self, name: str, number: int) -> dict[str, int | bytes | tuple[int, ...]]:
        """A record."""
        return _RECORDS[name].unpack(bytes(self.data), self.sections[name][0] + number * _RECORDS[name].size)

    def number(self, name: str, number: int, member: str) -> int:
        """A member of a record that is a number."""
        value = self.get(name, number)[member]
        assert isinstance(value, int)
        return value

    def set(self, name: str, number: int, /, **members: int | bytes | tuple[int, ...]) -> None:
        """Changes members of a record."""
        record = _RECORDS[name]
        place = self.sections[name][0] + number * record.size
        self.data[place : place + record.size] = record.pack(**{**self.get(name, number), **members})

    def sign(self, key: bytes) -> bytes:
        """The file with all MACs made right for what it says now."""
        digest = self.get(".pq.archive", 0)["digest"]
        assert isinstance(digest, bytes)
        for number in range(self.count(".pq.region")):
            self.set(".pq.region", number, mac=bytes(16))
            region = self.get(".pq.region", number)
            record = RegionRec.pack(**region)
            parts = [self._context(region), *(self._covered(region, name, kind) for name, kind in _PARTS)]
            code = self._slice(".text", region["code"], region["code_bytes"])
            self.set(".pq.region", number, mac=mac(key, digest, record, *parts, code))
        support = self._slice(".text", 0, self.number(".pq.archive", 0, "support"))
        self.set(".pq.archive", 0, support_mac=mac(key, support), mac=bytes(16))
        self.set(".pq.archive", 0, mac=mac(key, self.part(".pq.archive")))
        return bytes(self.data)

    def _context(self, region: dict[str, int | bytes | tuple[int, ...]]) -> bytes:
        assert isinstance(region["context"], int)
        return self._slice(".pq.context", region["context"] * ContextRec.size, ContextRec.size)

    def _covered(self, region: dict[str, int | bytes | tuple[int, ...]], name: str, kind: Record | None) -> bytes:
        size = kind.size if kind else 1
        first, count = region[f"first_{name}"], region[f"{name}_count"]
        assert isinstance(first, int) and isinstance(count, int)
        return self._slice(f".pq.{name}" if kind else ".pq.bytes", first * size, count * size)

    def _slice(self, name: str, start: object, size: object) -> bytes:
        assert isinstance(start, int) and isinstance(size, int)
        return self.part(name)[start : start + size]


def _cut(data: bytes, key: bytes, dice: random.Random) -> Damaged:
    """Cut off: at any place, or near where a section begins or ends."""
    edges = [edge for start, size in Editor(data).sections.values() for edge in (start, start + size)]
    at = dice.choice([dice.randrange(len(data)), dice.choice(edges) + dice.randrange(-2, 3)])
    at = min(max(at, 0), len(data) - 1)
    return Damaged(data[:at], f"cut at {at}")


def _flip(data: bytes, key: bytes, dice: random.Random) -> Damaged:
    """A few bits flipped: in one section, in the ELF header, or in the table of sections."""
    editor = Editor(data)
    areas = [area for area in editor.sections.items() if area[1][1]]
    table = struct.unpack_from("<Q", data, 40)[0]
    name, (start, size) = dice.choice([*areas, ("header", (0, 64)), ("sections", (table, len(data) - table))])
    for _ in range(dice.choice([1, 1, 2, 8])):
        editor.data[start + dice.randrange(size)] ^= 1 << dice.randrange(8)
    return Damaged(bytes(editor.data), f"flipped in {name}")


def _sow(data: bytes, key: bytes, dice: random.Random) -> Damaged:
    """A block of zeros, of ones, or of what stands elsewhere: as a disk may give it."""
    size = dice.choice([16, 512, 4096])
    at, other = dice.randrange(len(data)), dice.randrange(len(data))
    block = dice.choice([bytes(size), b"\xff" * size, data[other : other + size]])
    return Damaged((data[:at] + block + data[at + size :])[: len(data)], f"{size} bytes at {at} overwritten")


def _signed(data: bytes, key: bytes, dice: random.Random) -> Damaged:
    """Damaged, and then signed."""
    editor = Editor(data)
    how = dice.choice(_SIGNED)(editor, dice)
    return Damaged(editor.sign(key), f"signed: {how}")


def _nasty(dice: random.Random, now: int, size: int) -> int:
    """Another number for a member of 32 bits; `size` is what it might be held against."""
    near = [now + 1, now - 1, now + 16, now - 64, 2 * now, size, size - 1, size + 1]
    found = dice.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, dice.randrange(1 << 32), *near]) & 0xFFFFFFFF
    return found if found != now else now ^ 0x10000


def _header(editor: Editor, dice: random.Random) -> str:
    member = dice.choice(_HEADER)
    now = editor.number(".pq.archive", 0, member)
    value = _nasty(dice, now, editor.sections[".text"][1])
    editor.set(".pq.archive", 0, **{member: value})
    return f"header.{member}: {now:#x} → {value:#x}"


def _region(editor: Editor, dice: random.Random) -> str:
    number, member = dice.randrange(editor.count(".pq.region")), dice.choice(_REGION)
    now = editor.number(".pq.region", number, member)
    value = _nasty(dice, now, editor.sections[".text"][1])
    editor.set(".pq.region", number, **{member: value})
    return f"region {number}.{member}: {now:#x} → {value:#x}"


def _outside(name: str, *members: str) -> Callable[[Editor, random.Random], str]:
    """Damage of members that are offsets of text, or of guest code, to such as no region has."""

    def damage(editor: Editor, dice: random.Random) -> str:
        number, member = dice.randrange(editor.count(name)), dice.choice(members)
        end = editor.number(".pq.archive", 0, "extent" if member == "guest" else "text_bytes")
        value = dice.choice([end, end + 64, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFC])
        editor.set(name, number, **{member: value})
        return f"{name} {number}.{member}: {value:#x}"

    return damage


def _range(editor: Editor, dice: random.Random) -> str:
    number, member = dice.randrange(editor.count(".pq.range")), dice.choice(["guest", "bytes"])
    now = editor.number(".pq.range", number, member)
    value = _nasty(dice, now, editor.number(".pq.archive", 0, "extent"))
    editor.set(".pq.range", number, **{member: value})
    return f"range {number}.{member}: {now:#x} → {value:#x}"


def _index(editor: Editor, dice: random.Random) -> str:
    number, regions = dice.randrange(editor.count(".pq.index")), editor.count(".pq.region")
    editor.set(".pq.index", number, region=dice.choice([dice.randrange(regions), regions, 0xFFFFFFFF]))
    if dice.random() < 0.3:
        editor.set(".pq.index", number, guest=dice.randrange(1 << 32))
    return f"index {number}"


def _swap(editor: Editor, dice: random.Random) -> str:
    """Two records change places: each region then has another one's."""
    name = dice.choice([".pq.region", ".pq.range", ".pq.entry", ".pq.index"])
    first, second = dice.sample(range(editor.count(name)), 2)
    one, other = editor.get(name, first), editor.get(name, second)
    editor.set(name, first, **other)
    editor.set(name, second, **one)
    return f"{name} {first} and {second} swapped"


def _guest_bytes(editor: Editor, dice: random.Random) -> str:
    start, size = editor.sections[".pq.bytes"]
    at = dice.randrange(size)
    editor.data[start + at] ^= 1 << dice.randrange(8)
    return f"byte {at} of the guest's code"


_SIGNED: tuple[Callable[[Editor, random.Random], str], ...] = (
    _header, _region, _region, _region, _outside(".pq.entry", "guest", "code"), _range, _index, _swap, _guest_bytes,
    _outside(".pq.fault", "access", "landing", "guest"),
)  # fmt: skip
_KINDS = (_cut, _flip, _flip, _flip, _sow, _signed, _signed, _signed)


def damaged(archive: bytes, key: bytes, seed: int) -> Damaged:
    """An archive, damaged in one of all ways."""
    dice = random.Random(seed)
    return dice.choice(_KINDS)(archive, key, dice)
