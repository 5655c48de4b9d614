"""The folder in which optimised code is kept (docs/archive.md, "The cache folder")."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

_KEY_BYTES = 32


class BadCache(Exception):
    """A cache folder that cannot be used; says why."""


@dataclass(frozen=True, slots=True)
class CacheFolder:
    """A folder that belongs to its user, and the key that its archives are signed with."""

    path: Path
    key: bytes

    def archive(self, digest: bytes, features: int, module_key: bytes, origin: str) -> Path:
        """Where a module's archive is; `origin` is who makes it, aot or jit."""
        return self.path / f"{digest[:8].hex()}-{features:x}" / f"{module_key.hex()}.{origin}.pqa"


def default_path() -> Path:
    """The user's cache folder."""
    named = os.environ.get("PYQEMU_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.environ.get("HOME", ""), ".cache")
    return Path(base) / "pyqemu"


def open_cache(path: Path) -> CacheFolder:
    """The cache folder at `path`, made if it is not there. Raises BadCache."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check(path, path.stat(), 0o077)
        return CacheFolder(path, _key(path / "key"))
    except OSError as error:
        raise BadCache(f"{path}: {error.strerror}") from error


def _check(path: Path, found: os.stat_result, forbidden: int) -> None:
    """Nobody else may have written what is in there."""
    if found.st_uid != os.geteuid():
        raise BadCache(f"{path} belongs to another user")
    if stat.S_IMODE(found.st_mode) & forbidden:
        raise BadCache(f"{path} is open to other users; chmod go= {path}")


def _key(path: Path) -> bytes:
    """The key; two who make it at once agree, as a link is made by one of them only."""
    if not path.exists():
        temporary = path.with_name(f"key.{os.getpid()}.tmp")
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
        temporary.unlink()
    _check(path, path.stat(), 0o077)
    key = path.read_bytes()
    if len(key) != _KEY_BYTES:
        raise BadCache(f"{path} is not a key")
    return key


def write_whole(path: Path, data: bytes) -> None:
    """Written to a temporary name, synced and renamed, so that nobody ever sees half of it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
