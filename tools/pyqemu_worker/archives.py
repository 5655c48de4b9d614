"""What the worker has made of a module, in two archives: so that an answer does not write all of it anew.

New regions go into the recent archive; where that has grown large it becomes a part of the main one. (With one archive
the thousandth answer about a program takes ten times as long as it takes to make what it is about.)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pyqemu.hostgen.archive import ArchiveKind
from pyqemu.hostgen.archive_read import BadArchive, read_archive
from pyqemu.hostgen.region_object import CompiledRegion
from pyqemu.tools.files import read_regular
from pyqemu.translator.lift.module import Module

#: Regions of the main archive at most; the oldest go first.
_MOST_REGIONS = 4000
#: Regions of the recent archive at most.
_MOST_RECENT = 200
#: Bytes of an archive that is read.
_MOST_BYTES = 1 << 30
#: Puts an archive of these regions at a path.
Write = Callable[[Path, Sequence[CompiledRegion]], None]


@dataclass(slots=True)
class _Archive:
    """An archive as it was read or left. A file that is not `identity` is another one. `entries` are by context."""

    path: Path
    identity: tuple[int, ...] = ()
    regions: list[CompiledRegion] = field(default_factory=list[CompiledRegion])
    entries: set[tuple[tuple[int, ...], int]] = field(default_factory=set[tuple[tuple[int, ...], int]])

    def refresh(self, kind: ArchiveKind, module: Module) -> None:
        """Reads it, if somebody else has written it; no regions if it is damaged, for it is made anew then."""
        identity = _identity(self.path)
        if identity == self.identity:
            return
        regions: list[CompiledRegion] = []
        if identity:
            with suppress(OSError, BadArchive):
                regions = read_archive(read_regular(self.path, _MOST_BYTES, follow=False), kind, module)
        self._hold(regions)

    def write(self, regions: list[CompiledRegion], write: Write) -> None:
        """Raises what `write` does."""
        write(self.path, regions)
        self._hold(regions)

    def remove(self) -> None:
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
        self._hold([])

    def _hold(self, regions: list[CompiledRegion]) -> None:
        self.identity, self.regions = _identity(self.path), regions
        self.entries = {(region.context, offset) for region in regions for offset, _ in region.entries}


class ModuleArchives:
    """Both archives of one module."""

    def __init__(self, main: Path, recent: Path, kind: ArchiveKind, module: Module) -> None:
        self._main, self._recent = _Archive(main), _Archive(recent)
        self._kind, self._module = kind, module

    def are_of(self, kind: ArchiveKind, module: Module) -> bool:
        """Whether they are for just this: a program may be replaced by one with its module key."""
        return (self._kind, self._module) == (kind, module)

    def refresh(self) -> None:
        """Reads what somebody else has written."""
        self._main.refresh(self._kind, self._module)
        self._recent.refresh(self._kind, self._module)

    def has(self, context: tuple[int, ...], entries: Sequence[int]) -> bool:
        """Whether there is a region for each entry in a context (see `stored_context`)."""
        places = [(context, entry) for entry in entries]
        return all(place in self._main.entries or place in self._recent.entries for place in places)

    def add(self, made: Sequence[CompiledRegion], write: Write) -> Path:
        """Gives the archive that has them. Raises what `write` does."""
        recent = [*made, *self._recent.regions]
        if len(self._main.regions) >= _MOST_RECENT >= len(recent):
            self._recent.write(recent, write)
            return self._recent.path
        self._main.write([*recent, *self._main.regions][:_MOST_REGIONS], write)
        self._recent.remove()
        return self._main.path


def _identity(path: Path) -> tuple[int, ...]:
    """() if it is not there."""
    try:
        status = os.lstat(path)
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
