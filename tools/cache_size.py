"""Keeps the cache folder below its bound: whoever writes an archive removes those that were not used for longest."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pyqemu.tools.cache_folder import BadCache, CacheFolder, folder_of_pack
from pyqemu.tools.files import scan
from pyqemu.tools.installed import NotInstalled, installed_packs

_VARIABLE = "PYQEMU_CACHE_SIZE"
_DEFAULT = 1 << 30
_UNITS = {"K": 10, "M": 20, "": 20, "G": 30}

HELP = f"""environment:
  {_VARIABLE}  what all archives of the cache may take: MiB, or with K, M or G behind it (default: 1G);
                     what was not used for longest is removed when an archive is written"""


@dataclass(frozen=True, slots=True)
class _Kept:
    """An archive; `order` sorts those that shall go first to the front."""

    path: Path
    order: tuple[bool, float]
    size: int


def bound() -> int:
    """Bytes that all archives of a cache folder may take. Raises BadCache for a setting that says nothing."""
    setting = os.environ.get(_VARIABLE, "")
    if not setting:
        return _DEFAULT
    found = re.fullmatch(r"(\d{1,9})([KMG]?)", setting, re.IGNORECASE)
    if not found:
        raise BadCache(f"{_VARIABLE}={setting}: not a size; 500, 500M, 2G are")
    return int(found[1]) << _UNITS[found[2].upper()]


def make_room(cache: CacheFolder, coming: Path, size: int) -> None:
    """Makes room for an archive of `size` bytes at `coming`, where an older one of it is replaced.

    Raises BadCache if it will not fit. Two who do this at once may remove more than is needed, or a little less.
    """
    most = bound()
    if size > most:
        raise BadCache(f"an archive of {size} bytes, where the cache may have {most} ({_VARIABLE})")
    others = sorted((kept for kept in _archives(cache) if kept.path != coming), key=lambda kept: kept.order)
    total = size + sum(kept.size for kept in others)
    for kept in others:
        if total <= most:
            return
        with suppress(OSError):
            kept.path.unlink()
            total -= kept.size
        if not kept.order[0]:
            with suppress(OSError):  # others are in it
                kept.path.parent.rmdir()


def _archives(cache: CacheFolder) -> list[_Kept]:
    """All archives, those of packs that are not installed included."""
    try:
        installed = tuple(folder_of_pack(pack.digest) for pack in installed_packs())
    except NotInstalled:
        installed = ()
    found: list[_Kept] = []
    for folder in scan(cache.path):
        if not folder.is_dir(follow_symlinks=False):
            continue
        for entry in scan(Path(folder.path)):
            with suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                if entry.name.endswith(".pqa") and entry.is_file(follow_symlinks=False):
                    order = folder.name.startswith(installed), max(status.st_atime, status.st_mtime)
                    found.append(_Kept(Path(entry.path), order, status.st_blocks * 512))
    return found
