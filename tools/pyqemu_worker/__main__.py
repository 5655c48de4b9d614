"""pyqemu-worker: makes optimised code of what running guests find hot.

pyqemu-user starts it, with a cache folder as its only argument; there is one for each folder. It ends when nothing has
been asked for some time. Run by hand with --verbose, it tells what it does.

    pyqemu-worker --verbose ~/.cache/pyqemu
"""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
import time
import traceback
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from pyqemu.tools.cache_folder import BadCache, CacheFolder, open_cache
from pyqemu.tools.cache_size import HELP, bound
from pyqemu.tools.files import remove_old, remove_stale, scan
from pyqemu.tools.installed import NotInstalled
from pyqemu.tools.pyqemu_worker.answers import Answers
from pyqemu.tools.pyqemu_worker.requests import SUFFIX, UNFOUND, BadRequest, Unfound, read_request
from pyqemu.translator.errors import GuestFileError

_MISTAKE = 1
_INTERRUPTED = 130
_IDLE_SECONDS = 10.0
_LOOK_EVERY, _LOOK_SOON = 0.02, 0.002
_BUSY_SECONDS = 0.5  # since the last request: there may be somebody who waits for each answer
_STALE_SECONDS = 60.0  # until a request that was begun, and not finished, is taken for abandoned


@contextmanager
def spool_lock(spool: Path) -> Generator[BinaryIO | None, None, None]:
    """Holds the spool's lock; gives its file, or None if somebody else has the lock."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with open(os.open(spool / "lock", flags, 0o600), "r+b", buffering=0) as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield None
            return
        yield file


def waiting(spool: Path) -> list[Path]:
    """Requests, oldest first."""
    found: list[tuple[int, str]] = []
    for entry in scan(spool):
        with suppress(OSError):  # removed by somebody else
            if entry.name.endswith(SUFFIX) and entry.is_file(follow_symlinks=False):
                found.append((entry.stat(follow_symlinks=False).st_mtime_ns, entry.path))
    return [Path(path) for _, path in sorted(found)]


class Worker:
    """The worker of one cache folder."""

    def __init__(self, cache: CacheFolder, idle: float, *, verbose: bool) -> None:
        self._spool = cache.spool
        self._cache = cache
        self._idle = idle
        self._verbose = verbose

    def run(self) -> None:
        """Serves until nothing has been asked for some time. What comes just then is served as well: whoever leaves a
        request looks whether somebody has the lock. Raises OSError if the spool cannot be used.
        """
        self._spool.mkdir(mode=0o700, exist_ok=True)
        current = True
        while current:
            with spool_lock(self._spool) as lock:
                if lock is None:
                    return
                self._clear(lock)
                current = self._serve(lock) and bool(waiting(self._spool))

    def _clear(self, lock: BinaryIO) -> None:
        """Removes the request that the worker before this one died of, so that the next one does not, and what guests
        that were killed have left.
        """
        name = os.path.basename(lock.read(200).decode(errors="replace"))
        if name.endswith(SUFFIX):
            (self._spool / name).unlink(missing_ok=True)
        remove_old(self._spool, ("lock", SUFFIX), _STALE_SECONDS)
        remove_stale(self._cache.path)

    def _serve(self, lock: BinaryIO) -> bool:
        """False if the folder is not what it was."""
        answers = Answers(self._cache)
        last = time.monotonic()
        while time.monotonic() - last < self._idle:
            for path in waiting(self._spool):
                if not self._is_current(lock):
                    return False
                self._answer(answers, path, lock)
                last = time.monotonic()
            time.sleep(_LOOK_SOON if time.monotonic() - last < _BUSY_SECONDS else _LOOK_EVERY)
        return self._is_current(lock)

    def _is_current(self, lock: BinaryIO) -> bool:
        """Whether lock and key are those of the folder: it may have been removed, and made again."""
        try:
            same_lock = os.path.samestat(os.fstat(lock.fileno()), os.lstat(self._spool / "lock"))
            return same_lock and open_cache(self._cache.path).key == self._cache.key
        except (OSError, BadCache):
            return False

    def _answer(self, answers: Answers, path: Path, lock: BinaryIO) -> None:
        """A request that cannot be answered is removed all the same, or it would be asked for ever. While it is worked
        on, the lock's file has its name.
        """
        start = time.monotonic()
        with suppress(OSError):
            os.pwrite(lock.fileno(), path.name.encode(errors="surrogateescape"), 0)
        try:
            made = answers.answer(read_request(path))
            self._say(f"{path.name}: {made or 'nothing'}, {time.monotonic() - start:.2f} s")
        except Unfound as error:
            self._say(f"{path.name}: {error}")
            with suppress(OSError):
                path.rename(path.with_suffix(UNFOUND))
        except (BadRequest, BadCache, GuestFileError, NotInstalled, OSError) as error:
            self._say(f"{path.name}: {error}")
        except Exception:  # a bug, which must not keep others from getting their answers
            self._say(f"{path.name}: a bug of pyqemu, please report it\n{traceback.format_exc()}")
        finally:
            path.unlink(missing_ok=True)
            os.ftruncate(lock.fileno(), 0)

    def _say(self, text: str) -> None:
        if self._verbose:
            print(f"pyqemu-worker: {text}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; gives its exit status."""
    parser = argparse.ArgumentParser(
        prog="pyqemu-worker",
        description=__doc__,
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="the cache folder")
    parser.add_argument("--idle", type=float, default=_IDLE_SECONDS, metavar="SECONDS", help="end after so long (10)")
    parser.add_argument("--verbose", action="store_true", help="say what is done")
    options = parser.parse_args(arguments)
    os.nice(5)
    try:
        bound()
        Worker(open_cache(options.folder), options.idle, verbose=options.verbose).run()
    except BadCache as error:
        print(f"pyqemu-worker: {error}", file=sys.stderr)
        return _MISTAKE
    except OSError as error:
        print(f"pyqemu-worker: {error.filename or options.folder}: {error.strerror}", file=sys.stderr)
        return _MISTAKE
    except KeyboardInterrupt:
        return _INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
