"""Reads archives back into compiled regions, so that they can be written anew with others."""

from __future__ import annotations

import hmac
import io
from collections.abc import Iterator
from typing import Any

from elftools.common.exceptions import ELFError  # pyright: ignore[reportMissingTypeStubs]
from elftools.elf.elffile import ELFFile  # pyright: ignore[reportMissingTypeStubs]

from pyqemu.hostgen.archive import mac
from pyqemu.hostgen.archive_format import (
    ARCHIVE_MAGIC,
    ARCHIVE_VERSION,
    MAC_BYTES,
    ArchiveHeader,
    EntryRec,
    ExitRec,
    FaultRec,
    PatchRec,
    RangeRec,
    RegionRec,
)
from pyqemu.hostgen.objects import Patch
from pyqemu.hostgen.pack_format import Record
from pyqemu.hostgen.region_object import Access, CompiledRegion
from pyqemu.hostgen.regions import Exit

_RELATIVE = 2  # the type of all patches: a field relative to itself


class BadArchive(Exception):
    """An archive that is damaged or not ours; says how."""


def read_archive(data: bytes, key: bytes, digest: bytes) -> list[CompiledRegion]:
    """The regions of an archive made for the pack of `digest` and signed with `key`. Raises BadArchive."""
    try:
        return list(_Archive(data, key, digest).regions())
    except (ELFError, ValueError, KeyError, IndexError, AttributeError) as error:
        raise BadArchive(f"not an archive: {error}") from error


class _Archive:
    """One archive while it is read."""

    def __init__(self, data: bytes, key: bytes, digest: bytes) -> None:
        elf: Any = ELFFile(io.BytesIO(data))
        self._sections: dict[str, bytes] = {section.name: section.data() for section in elf.iter_sections()}
        self._key = key
        self._digest = digest
        header = ArchiveHeader.unpack(self._sections[".pq.archive"])
        if (header["magic"], header["version"], header["digest"]) != (ARCHIVE_MAGIC, ARCHIVE_VERSION, digest):
            raise BadArchive("for another pack or of another version")
        self._patches = self._sections[".pq.patch"][:-MAC_BYTES]
        if not hmac.compare_digest(mac(key, self._patches), self._sections[".pq.patch"][-MAC_BYTES:]):
            raise BadArchive("its patches are damaged")

    def regions(self) -> Iterator[CompiledRegion]:
        """All regions that are as they were written."""
        patches: dict[int, list[Patch]] = {}
        for record in _records(PatchRec, self._patches, 0, len(self._patches) // PatchRec.size):
            patch = Patch(record["offset"], _RELATIVE, self._text(record["symbol"]), record["addend"])
            patches.setdefault(record["region"], []).append(patch)
        table = self._sections[".pq.region"]
        for number in range(len(table) // RegionRec.size):
            yield self._region(RegionRec.unpack(table, number * RegionRec.size), tuple(patches.get(number, ())))

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
        )

    def _part(self, record: Record, name: str, region: dict[str, Any]) -> bytes:
        """A region's records in one of the sections."""
        first = region[f"first_{name}"] * record.size
        return self._sections[f".pq.{name}"][first : first + region[f"{name}_count"] * record.size]

    def _check(self, record: dict[str, Any], code: bytes) -> None:
        first = record["first_byte"]
        parts = [
            self._part(EntryRec, "entry", record), self._part(RangeRec, "range", record),
            self._sections[".pq.bytes"][first : first + record["byte_count"]],
            self._part(ExitRec, "exit", record), self._part(FaultRec, "fault", record), code,
        ]  # fmt: skip
        unsigned = RegionRec.pack(**{**record, "mac": bytes(MAC_BYTES)})
        if not hmac.compare_digest(mac(self._key, self._digest, unsigned, *parts), record["mac"]):
            raise BadArchive("a region is damaged")


def _records(record: Record, data: bytes, first: int, count: int) -> Iterator[dict[str, Any]]:
    return (record.unpack(data, number * record.size) for number in range(first, first + count))
