"""Answers requests: hot code to regions, regions into the module's archive."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pyqemu.hostgen.archive import ArchiveKind
from pyqemu.hostgen.archive_read import BadArchive, read_archive
from pyqemu.hostgen.region_object import CompiledRegion
from pyqemu.tools.cache_folder import CacheFolder
from pyqemu.tools.cache_size import make_room
from pyqemu.tools.files import read_regular, write_whole
from pyqemu.tools.installed import InstalledPack, installed_packs
from pyqemu.tools.pyqemu_worker.modules import Modules
from pyqemu.tools.pyqemu_worker.requests import BadRequest, Request
from pyqemu.tools.workshop import Workshop, settle_memory
from pyqemu.translator.lift.module import Module
from pyqemu.translator.lift.plan import RegionPlan, plan_hot

#: Regions of an archive at most; the oldest go first.
_MOST_REGIONS = 4000
#: Bytes of an archive that is read.
_MOST_BYTES = 1 << 30


@dataclass(slots=True)
class _Opened:
    """A pack with its workshop."""

    pack: InstalledPack
    workshop: Workshop


@dataclass(frozen=True, slots=True)
class _Written:
    """An archive as it was left: what it is for, and its regions. A file that is not `identity` is another one."""

    identity: tuple[int, ...]
    kind: ArchiveKind
    module: Module
    regions: list[CompiledRegion]


def _identity(path: Path) -> tuple[int, ...]:
    status = os.lstat(path)
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size


class Answers:
    """Keeps workshops open, and what is in archives, from one request to the next."""

    def __init__(self, cache: CacheFolder) -> None:
        self._cache = cache
        self._modules = Modules(cache.spool)
        self._opened: dict[bytes, _Opened] = {}
        self._written: dict[Path, _Written] = {}

    def answer(self, request: Request) -> Path | None:
        """Makes what is asked for, and gives the archive that has it; None if there is nothing to be made of it.

        Raises BadRequest, GuestFileError, BadCache or NotInstalled for what cannot be answered, OSError if files cannot
        be read or written.
        """
        opened = self._open(request.digest)
        module = self._modules.find(request)
        workshop = opened.workshop
        context = {v.name: n for v, n in zip(workshop.target.context, request.context, strict=False)}
        kind = ArchiveKind(
            opened.pack.digest, module.key, request.features, tuple(context.values()), module.extent, self._cache.key
        )
        path = self._cache.archive(opened.pack.digest, request.features, module.key, "jit")
        known = self._known(path, kind, module)
        reader = workshop.reader(module, context)
        made, _ = workshop.compile(reader, self._new(known, plan_hot(reader, request.offsets)))
        if not made:
            return None
        regions = [*made, *known][:_MOST_REGIONS]
        archive = workshop.archive(kind, regions, module)
        make_room(self._cache, path, len(archive))
        write_whole(path, archive)
        self._written[path] = _Written(_identity(path), kind, module, regions)
        return path

    def _open(self, digest: bytes) -> _Opened:
        opened = self._opened.get(digest)
        if opened is None:
            pack = next((pack for pack in installed_packs() if pack.digest == digest), None)
            if pack is None:
                raise BadRequest("from a pyqemu-user of another version")
            opened = self._opened[digest] = _Opened(pack, Workshop.open(pack.target, pack.level))
            settle_memory()
        return opened

    def _known(self, path: Path, kind: ArchiveKind, module: Module) -> list[CompiledRegion]:
        """The regions that the archive has already; none if it is damaged, for it is made anew then."""
        written = self._written.get(path)
        try:
            if written and (written.identity, written.kind, written.module) == (_identity(path), kind, module):
                return written.regions
            return read_archive(read_regular(path, _MOST_BYTES, follow=False), kind, module)
        except (OSError, BadArchive):
            return []

    def _new(self, known: Iterable[CompiledRegion], plans: Iterable[RegionPlan]) -> list[RegionPlan]:
        """Plans with an entry that no region has yet."""
        entries = {offset for region in known for offset, _ in region.entries}
        return [plan for plan in plans if not entries.issuperset(plan.entries)]
