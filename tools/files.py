"""Files that other processes read, write and replace at the same time: whole ones, or none."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

TEMPORARY = ".tmp"


def read_regular(path: Path, most: int, *, follow: bool = True) -> bytes:
    """The contents of a regular file of at most `most` bytes; nothing else is waited for. Raises OSError."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags)
    except ValueError as error:  # a zero byte
        raise OSError(errno.EINVAL, str(error), str(path)) from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    with os.fdopen(descriptor, "rb") as file:
        if status.st_size > most or len(data := file.read(most + 1)) > most:
            raise OSError(errno.EFBIG, f"larger than {most} bytes", str(path))
        return data


@contextmanager
def replacing(path: Path) -> Generator[BinaryIO, None, None]:
    """A file that takes the place of `path` when all of it is written: synced and renamed, so that nobody ever sees
    half of it. If something is raised, nothing is left. Raises OSError.

    The temporary file is locked while somebody writes it: one that is not was left by a process that was killed.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    remove_stale(path.parent)
    with temporary_beside(path) as (temporary, file):
        yield file
        file.flush()
        os.fsync(file.fileno())
        temporary.replace(path)


@contextmanager
def temporary_beside(path: Path) -> Generator[tuple[Path, BinaryIO], None, None]:
    """A new, locked file beside `path`; it is gone at the end if it was not renamed. Raises OSError.

    Between making and locking it another process may have found it stale. An interrupt may come at any moment, so its
    name is known before it is made.
    """
    while True:
        temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}{TEMPORARY}")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if os.fstat(file.fileno()).st_nlink:
                    yield temporary, file
                    return
        finally:
            temporary.unlink(missing_ok=True)


def remove_stale(folder: Path) -> None:
    """Removes temporary files that nobody writes any more."""
    for entry in scan(folder):
        if entry.name.endswith(TEMPORARY) and entry.is_file(follow_symlinks=False):
            with suppress(OSError), open(os.open(entry.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)) as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(entry.path)


def remove_old(folder: Path, kept: tuple[str, ...], seconds: float) -> None:
    """Removes files that nobody has written to for so long, but those whose names end like one of `kept`."""
    for entry in scan(folder):
        with suppress(OSError):
            old = time.time() - entry.stat(follow_symlinks=False).st_mtime > seconds
            if old and not entry.name.endswith(kept) and not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)


def scan(folder: Path) -> list[os.DirEntry[str]]:
    """The entries of a folder; none if it is not there."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def write_whole(path: Path, data: bytes) -> None:
    """A file with just these bytes, in place of what was there. Raises OSError."""
    with replacing(path) as file:
        file.write(data)
