"""Answers requests: hot code to regions, regions into the module's archives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pyqemu.hostgen.archive import ArchiveKind
from pyqemu.hostgen.region_object import CompiledRegion, stored_context
from pyqemu.tools.cache_folder import CacheFolder
from pyqemu.tools.cache_size import make_room
from pyqemu.tools.files import write_whole
from pyqemu.tools.installed import InstalledPack, installed_packs
from pyqemu.tools.pyqemu_worker.archives import ModuleArchives
from pyqemu.tools.pyqemu_worker.modules import Modules
from pyqemu.tools.pyqemu_worker.requests import BadRequest, Request
from pyqemu.tools.workshop import Workshop, settle_memory
from pyqemu.translator.lift.module import Module
from pyqemu.translator.lift.plan import plan_hot


@dataclass(slots=True)
class _Opened:
    """A pack with its workshop."""

    pack: InstalledPack
    workshop: Workshop


class Answers:
    """Keeps workshops open, and what is in archives, from one request to the next."""

    def __init__(self, cache: CacheFolder) -> None:
        self._cache = cache
        self._modules = Modules(cache.spool)
        self._opened: dict[bytes, _Opened] = {}
        self._archives: dict[Path, ModuleArchives] = {}

    def answer(self, request: Request) -> Path | None:
        """Makes what is asked for, and gives the archive that has it; None if there is nothing to be made of it.

        Raises BadRequest, BadCache or NotInstalled for what cannot be answered, OSError if files cannot be read or
        written.
        """
        opened = self._open(request.digest)
        workshop = opened.workshop
        module = self._modules.find(request)
        context = {v.name: n for v, n in zip(workshop.target.context, request.context, strict=False)}
        kind = ArchiveKind(opened.pack.digest, module.key, request.features, module.extent, self._cache.key)
        archives = self._archives_of(kind, module)
        reader, known = workshop.reader(module, context), stored_context(context)
        plans = [plan for plan in plan_hot(reader, request.offsets) if not archives.has(known, plan.entries)]
        made, _ = workshop.compile(reader, plans)

        def write(path: Path, regions: Sequence[CompiledRegion]) -> None:
            archive = workshop.archive(kind, regions, module)
            make_room(self._cache, path, len(archive))
            write_whole(path, archive)

        return archives.add(made, write) if made else None

    def _open(self, digest: bytes) -> _Opened:
        opened = self._opened.get(digest)
        if opened is None:
            pack = next((pack for pack in installed_packs() if pack.digest == digest), None)
            if pack is None:
                raise BadRequest("from a pyqemu-user of another version")
            opened = self._opened[digest] = _Opened(pack, Workshop.open(pack.target, pack.level))
            settle_memory()
        return opened

    def _archives_of(self, kind: ArchiveKind, module: Module) -> ModuleArchives:
        main, recent = (
            self._cache.archive(kind.digest, kind.features, kind.module_key, origin) for origin in ("jit", "recent")
        )
        archives = self._archives.get(main)
        if archives is None or not archives.are_of(kind, module):
            archives = self._archives[main] = ModuleArchives(main, recent, kind, module)
        archives.refresh()
        return archives
