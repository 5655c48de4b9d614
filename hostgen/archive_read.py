"""Reads archives back into compiled regions, so that they can be written anew with others."""

from __future__ import annotations

import hmac
import struct
from collections.abc import Iterator
from typing import Any

from pyqemu.hostgen.archive import ArchiveKind
from pyqemu.hostgen.archive_format import (
    ARCHIVE_MAGIC,
    ARCHIVE_VERSION,
    MAC_BYTES,
    ArchiveHeader,
    ContextRec,
    EntryRec,
    ExitRec,
    FaultRec,
    PatchRec,
    RangeRec,
    RegionRec,
)
from pyqemu.hostgen.elf import read_sections
from pyqemu.hostgen.mac import mac
from pyqemu.hostgen.objects import Patch
from pyqemu.hostgen.pack_format import Record
from pyqemu.hostgen.region_object import Access, CompiledRegion
from pyqemu.hostgen.regions import Exit
from pyqemu.translator.lift.instructions import GuestCode

_RELATIVE = 2  # the type of all patches: a field relative to itself


class BadArchive(Exception):
    """An archive that is damaged or not ours; says how."""


def read_archive(data: bytes, kind: ArchiveKind, code: GuestCode) -> list[CompiledRegion]:
    """The regions of an archive of this kind that were made from what `code` has now: a file that was replaced can have
    the same module key as before. Raises BadArchive.
    """
    try:
        return list(_Archive(data, kind, code).regions())
    except (ValueError, KeyError, IndexError, struct.error) as error:
        raise BadArchive(f"not an archive: {error}") from error


def _is_header(data: bytes, kind: ArchiveKind) -> bool:
    """Whether it is the header of an archive that `build_archive` made of this kind."""
    header: dict[str, Any] = ArchiveHeader.unpack(data)
    unsigned = ArchiveHeader.pack(**{**header, "mac": bytes(MAC_BYTES)})
    found = header["magic"], header["version"], header["digest"], header["module_key"], header["features"]
    wanted = ARCHIVE_MAGIC, ARCHIVE_VERSION, kind.digest, kind.module_key, kind.features
    same = (*found, header["extent"]) == (*wanted, kind.extent)
    return same and hmac.compare_digest(mac(kind.key, unsigned), header["mac"])


class _Archive:
    """One archive while it is read."""

    def __init__(self, data: bytes, kind: ArchiveKind, code: GuestCode) -> None:
        self._sections = read_sections(data)
        self._key = kind.key
        self._digest = kind.digest
        self._code = code
        if not _is_header(self._sections[".pq.archive"], kind):
            raise BadArchive("for something else, of another version, or damaged")
        self._patches, signature = self._sections[".pq.patch"][:-MAC_BYTES], self._sections[".pq.patch"][-MAC_BYTES:]
        if not hmac.compare_digest(mac(kind.key, self._patches, self._sections[".pq.str"]), signature):
            raise BadArchive("its patches are damaged")

    def regions(self) -> Iterator[CompiledRegion]:
        """Those whose guest code is still there. A single one that is not as it was written spoils the archive."""
        patches: dict[int, list[Patch]] = {}
        for record in _records(PatchRec, self._patches, 0, len(self._patches) // PatchRec.size):
            patch = Patch(record["offset"], _RELATIVE, self._text(record["symbol"]), record["addend"])
            patches.setdefault(record["region"], []).append(patch)
        table = self._sections[".pq.region"]
        for number in range(len(table) // RegionRec.size):
            record = RegionRec.unpack(table, number * RegionRec.size)
            region = self._region(record, tuple(patches.get(number, ())))
            if self._is_current(region, self._guest_bytes(record)):
                yield region

    def _text(self, offset: int) -> str:
        strings = self._sections[".pq.str"]
        return strings[offset : strings.index(b"\0", offset)].decode()

    def _region(self, record: dict[str, Any], patches: tuple[Patch, ...]) -> CompiledRegion:
        start, size = record["code"], record["code_bytes"]
        code = self._sections[".text"][start : start + size]
        entries = list(_records(EntryRec, self._part(EntryRec, "entry", record), 0, record["entry_count"]))
        ranges = list(_records(RangeRec, self._part(RangeRec, "range", record), 0, record["range_count"]))
        exits = list(_records(ExitRec, self._part(ExitRec, "exit", record), 0, record["exit_count"]))
        faults = list(_records(FaultRec, self._part(FaultRec, "fault", record), 0, record["fault_count"]))
        self._check(record, code)
        return CompiledRegion(
            self._text(record["name"]),
            tuple((r["guest"], r["bytes"]) for r in ranges),
            record["insn_count"],
            code,
            patches,
            tuple((e["guest"], e["code"] - start) for e in entries),
            tuple(Access(f["access"] - start, f["landing"] - start, f["guest"]) for f in faults),
            tuple(Exit(e["target"], e["kind"]) for e in exits),
            self._context(record),
        )

    def _context(self, record: dict[str, Any]) -> tuple[int, ...]:
        values: Any = ContextRec.unpack(self._context_record(record))["values"]
        return values

    def _context_record(self, record: dict[str, Any]) -> bytes:
        first = record["context"] * ContextRec.size
        return self._sections[".pq.context"][first : first + ContextRec.size]

    def _guest_bytes(self, record: dict[str, Any]) -> bytes:
        first = record["first_byte"]
        return self._sections[".pq.bytes"][first : first + record["byte_count"]]

    def _is_current(self, region: CompiledRegion, guest: bytes) -> bool:
        now = [self._code.fetch(offset, size) for offset, size in region.ranges]
        return b"".join(data or b"" for data in now) == guest

    def _part(self, record: Record, name: str, region: dict[str, Any]) -> bytes:
        """A region's records in one of the sections."""
        first = region[f"first_{name}"] * record.size
        return self._sections[f".pq.{name}"][first : first + region[f"{name}_count"] * record.size]

    def _check(self, record: dict[str, Any], code: bytes) -> None:
        parts = [
            self._context_record(record),
            self._part(EntryRec, "entry", record), self._part(RangeRec, "range", record), self._guest_bytes(record),
            self._part(ExitRec, "exit", record), self._part(FaultRec, "fault", record), code,
        ]  # fmt: skip
        unsigned = RegionRec.pack(**{**record, "mac": bytes(MAC_BYTES)})
        if not hmac.compare_digest(mac(self._key, self._digest, unsigned, *parts), record["mac"]):
            raise BadArchive("a region is damaged")


def _records(record: Record, data: bytes, first: int, count: int) -> Iterator[dict[str, Any]]:
    return (record.unpack(data, number * record.size) for number in range(first, first + count))
