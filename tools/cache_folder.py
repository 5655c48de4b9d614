"""The folder in which optimised code is kept (docs/archive.md, "The cache folder")."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from pyqemu.tools.files import read_regular, remove_stale, temporary_beside

_KEY_BYTES = 32


class BadCache(Exception):
    """A cache folder that cannot be used; says why."""


@dataclass(frozen=True, slots=True)
class CacheFolder:
    """A folder that belongs to its user, and the key that its archives are signed with."""

    path: Path
    key: bytes

    @property
    def spool(self) -> Path:
        """The folder of requests."""
        return self.path / "spool"

    def archive(self, digest: bytes, features: int, module_key: bytes, origin: str) -> Path:
        """Where a module's archive is; `origin` is aot, jit or recent (docs/archive.md)."""
        return self.path / f"{folder_of_pack(digest)}-{features:x}" / f"{module_key.hex()}.{origin}.pqa"


def folder_of_pack(digest: bytes) -> str:
    """What the names of folders for archives of a pack begin with."""
    return digest[:8].hex()


def default_path() -> Path:
    """The user's cache folder. Raises BadCache if there shall be none."""
    named = os.environ.get("PYQEMU_CACHE")
    if named == "none":
        raise BadCache("there is no cache: PYQEMU_CACHE is none")
    if named:
        return Path(named)
    for variable, below in (("XDG_CACHE_HOME", ""), ("HOME", ".cache")):
        if os.environ.get(variable, "").startswith("/"):
            return Path(os.environ[variable], below, "pyqemu")
    raise BadCache("there is no cache: HOME is not set")


def open_cache(path: Path) -> CacheFolder:
    """The cache folder at `path`, made if it is not there. Raises BadCache."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check(path, path.stat())
        return CacheFolder(path, _key(path / "key"))
    except OSError as error:
        raise BadCache(f"{error.filename or path}: {error.strerror}") from error


def _check(path: Path, found: os.stat_result) -> None:
    """Nobody else may have written what is in there."""
    if found.st_uid != os.geteuid():
        raise BadCache(f"{path} belongs to another user")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise BadCache(f"{path} is open to other users; chmod go= {path}")


def _key(path: Path) -> bytes:
    """The key; two who make it at once agree, as a link is made by one of them only."""
    if not os.path.lexists(path):
        _make_key(path)
    _check(path, path.lstat())
    key = read_regular(path, _KEY_BYTES, follow=False)
    if len(key) != _KEY_BYTES:
        raise BadCache(f"{path} is not a key; remove it, and the archives that were signed with it are made anew")
    return key


def _make_key(path: Path) -> None:
    remove_stale(path.parent)
    with temporary_beside(path) as (temporary, file):
        file.write(secrets.token_bytes(_KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
