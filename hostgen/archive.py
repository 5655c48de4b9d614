"""Writes archives (docs/archive.md): compiled regions laid out behind their support code, linked to the table,
recorded and signed.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pyqemu.hostgen.archive_format import (
    ARCHIVE_MAGIC,
    ARCHIVE_VERSION,
    NO_REGION,
    PAGE,
    ArchiveHeader,
    ContextRec,
    EntryRec,
    ExitRec,
    FaultRec,
    IndexRec,
    PatchRec,
    RangeRec,
    RegionFlags,
    RegionRec,
    index_place,
)
from pyqemu.hostgen.elf import ElfObject, Strings
from pyqemu.hostgen.image import Image
from pyqemu.hostgen.mac import mac
from pyqemu.hostgen.module_address import ORIGIN
from pyqemu.hostgen.region_object import CompiledRegion
from pyqemu.hostgen.regions import EXITS
from pyqemu.translator.lift.instructions import GuestCode

_REGION_ALIGN = 64


@dataclass(frozen=True, slots=True)
class ArchiveKind:
    """What an archive is for, besides its regions: see ArchiveHeader. `key` signs it."""

    digest: bytes
    module_key: bytes
    features: int
    extent: int
    key: bytes


@dataclass(slots=True)
class _Tables:
    """The sections that are arrays of records."""

    regions: list[bytes] = field(default_factory=list[bytes])
    index: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    entries: list[bytes] = field(default_factory=list[bytes])
    ranges: list[bytes] = field(default_factory=list[bytes])
    exits: list[bytes] = field(default_factory=list[bytes])
    faults: list[bytes] = field(default_factory=list[bytes])
    patches: list[bytes] = field(default_factory=list[bytes])
    contexts: dict[bytes, int] = field(default_factory=dict[bytes, int])  # numbers by record
    bytes: bytearray = field(default_factory=bytearray)
    strings: Strings = field(default_factory=Strings)


def build_archive(kind: ArchiveKind, regions: Sequence[CompiledRegion], image: Image, code: GuestCode) -> bytes:
    """The file. `image` is linked, and has what the regions call; `code` is the guest's."""
    return _Writer(kind, image, code).write(regions)


class _Writer:
    """One archive in the making."""

    def __init__(self, kind: ArchiveKind, image: Image, code: GuestCode) -> None:
        self._kind = kind
        self._image = image
        self._code = code
        self._elf = ElfObject(image.host.elf_machine, text_align=PAGE)
        self._tables = _Tables()

    def write(self, regions: Sequence[CompiledRegion]) -> bytes:
        support = self._image.data
        if support:
            self._elf.add_function("support", support, _REGION_ALIGN)
        places = [self._elf.add_function(r.name, r.code, _REGION_ALIGN) for r in regions]
        self._elf.text += bytes(-len(self._elf.text) % PAGE)
        first_exit = 0
        for region, place in zip(regions, places, strict=True):
            self._link(region, place, first_exit)
            self._record(region, place, first_exit)
            first_exit += len(region.exits)
        self._add_sections(len(support), first_exit)
        return self._elf.write()

    def _link(self, region: CompiledRegion, place: int, first_exit: int) -> None:
        """Fills the fields that lead out of the region's own code."""
        table = len(self._elf.text)
        for patch in region.patches:
            match patch.symbol:
                case _ if patch.symbol == ORIGIN:
                    target = table
                case _ if patch.symbol == EXITS:
                    target = table + 8 * (1 + first_exit)
                case symbol:
                    target = self._image.offset(symbol)
            at = place + patch.offset
            struct.pack_into("<i", self._elf.text, at, target + patch.addend - at)

    def _record(self, region: CompiledRegion, place: int, first_exit: int) -> None:
        t = self._tables
        entries = [EntryRec.row(guest, place + at) for guest, at in region.entries]
        ranges = [RangeRec.row(guest, size) for guest, size in region.ranges]
        exits = [ExitRec.row(exit_.target, exit_.kind, 0) for exit_ in region.exits]
        faults = [FaultRec.row(place + a.access, place + a.landing, a.guest) for a in region.accesses]
        context = ContextRec.pack(values=region.context)
        guest = b"".join(self._guest_bytes(offset, size) for offset, size in region.ranges)
        members: dict[str, int] = {
            "name": t.strings.add(region.name),
            "flags": RegionFlags.USES_SUPPORT if self._uses_support(region) else RegionFlags.NONE,
            "code": place, "code_bytes": len(region.code),
            "first_entry": len(t.entries), "entry_count": len(entries),
            "first_range": len(t.ranges), "range_count": len(ranges),
            "first_byte": len(t.bytes), "byte_count": len(guest),
            "first_exit": first_exit, "exit_count": len(exits),
            "first_fault": len(t.faults), "fault_count": len(faults),
            "insn_count": region.instructions, "context": t.contexts.setdefault(context, len(t.contexts)),
        }  # fmt: skip
        host = bytes(self._elf.text[place : place + len(region.code)])
        parts = (RegionRec.pack(**members), context, *entries, *ranges, guest, *exits, *faults, host)
        t.patches += [
            PatchRec.row(len(t.regions), patch.offset, t.strings.add(patch.symbol), patch.addend)
            for patch in region.patches
        ]
        t.index += [(offset, len(t.regions)) for offset, _ in region.entries]
        t.regions.append(RegionRec.pack(**members, mac=mac(self._kind.key, self._kind.digest, *parts)))
        t.entries += entries
        t.ranges += ranges
        t.exits += exits
        t.faults += faults
        t.bytes += guest

    def _guest_bytes(self, offset: int, size: int) -> bytes:
        data = self._code.fetch(offset, size)
        assert data is not None, "a region's own code is there"
        return data

    def _uses_support(self, region: CompiledRegion) -> bool:
        return any(patch.symbol not in (ORIGIN, EXITS) for patch in region.patches)

    def _add_sections(self, support: int, exits: int) -> None:
        t, kind = self._tables, self._kind
        header: Mapping[str, int | bytes | tuple[int, ...]] = {
            "magic": ARCHIVE_MAGIC, "version": ARCHIVE_VERSION, "digest": kind.digest,
            "module_key": kind.module_key, "features": kind.features, "extent": kind.extent,
            "text_bytes": len(self._elf.text), "support": support, "exit_count": exits,
            "support_mac": mac(kind.key, bytes(self._elf.text[:support])),
        }  # fmt: skip
        signed = ArchiveHeader.pack(**header, mac=mac(kind.key, ArchiveHeader.pack(**header)))
        patches = b"".join(t.patches)
        for name, data in (
            ("archive", signed), ("context", b"".join(t.contexts)), ("index", _index(t.index)),
            ("region", b"".join(t.regions)),
            ("entry", b"".join(t.entries)), ("range", b"".join(t.ranges)), ("bytes", bytes(t.bytes)),
            ("exit", b"".join(t.exits)), ("fault", b"".join(t.faults)), ("str", t.strings.data),
            ("patch", patches + mac(kind.key, patches, t.strings.data)),
        ):  # fmt: skip
            self._elf.add_section(f".pq.{name}", data)


def _index(entries: Sequence[tuple[int, int]]) -> bytes:
    """Offsets and regions as a table that is at most half full. Of regions with one entry in one context the first is
    found.
    """
    bits = max(1, (2 * len(entries) - 1).bit_length())
    records = [IndexRec.row(0, NO_REGION)] * (1 << bits)
    free = [True] * (1 << bits)
    for guest, region in sorted(entries):
        place = index_place(guest, bits)
        while not free[place]:
            place = (place + 1) % len(free)
        records[place] = IndexRec.row(guest, region)
        free[place] = False
    return b"".join(records)


def support_for(regions: Sequence[CompiledRegion]) -> list[str]:
    """Symbols of the support code that regions call."""
    found = (p.symbol for r in regions for p in r.patches if p.symbol not in (ORIGIN, EXITS))
    return list(dict.fromkeys(found))
