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
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pyqemu.tools.cache_folder import BadCache, CacheFolder, open_cache
from pyqemu.tools.pyqemu_worker.answers import Answers
from pyqemu.tools.pyqemu_worker.requests import SUFFIX, BadRequest, read_request
from pyqemu.translator.errors import GuestFileError

_MISTAKE = 1
_IDLE_SECONDS = 10.0
_LOOK_EVERY = 0.02


@contextmanager
def spool_lock(spool: Path) -> Generator[bool]:
    """Holds the spool's lock; gives whether it was free."""
    with open(os.open(spool / "lock", os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True


def waiting(spool: Path) -> list[Path]:
    """Requests, oldest first."""
    found = [entry for entry in os.scandir(spool) if entry.name.endswith(SUFFIX)]
    return [Path(entry.path) for entry in sorted(found, key=lambda entry: (entry.stat().st_mtime_ns, entry.name))]


class Worker:
    """The worker of one cache folder."""

    def __init__(self, cache: CacheFolder, idle: float, *, verbose: bool) -> None:
        self._spool = cache.path / "spool"
        self._cache = cache
        self._idle = idle
        self._verbose = verbose

    def run(self) -> None:
        """Serves until nothing has been asked for some time. What comes just then is served as well: whoever leaves a
        request looks whether somebody has the lock.
        """
        self._spool.mkdir(mode=0o700, exist_ok=True)
        while True:
            with spool_lock(self._spool) as mine:
                if not mine:
                    return
                self._serve()
            if not waiting(self._spool):
                return

    def _serve(self) -> None:
        answers = Answers(self._cache)
        last = time.monotonic()
        while time.monotonic() - last < self._idle:
            for path in waiting(self._spool):
                self._answer(answers, path)
                last = time.monotonic()
            time.sleep(_LOOK_EVERY)

    def _answer(self, answers: Answers, path: Path) -> None:
        """A request that cannot be answered is removed all the same, or it would be asked for ever."""
        start = time.monotonic()
        try:
            made = answers.answer(read_request(path))
            self._say(f"{path.name}: {made or 'nothing'}, {time.monotonic() - start:.2f} s")
        except (BadRequest, GuestFileError, OSError) as error:
            self._say(f"{path.name}: {error}")
        finally:
            path.unlink(missing_ok=True)

    def _say(self, text: str) -> None:
        if self._verbose:
            print(f"pyqemu-worker: {text}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; gives its exit status."""
    parser = argparse.ArgumentParser(
        prog="pyqemu-worker", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="the cache folder")
    parser.add_argument("--idle", type=float, default=_IDLE_SECONDS, metavar="SECONDS", help="end after so long (10)")
    parser.add_argument("--verbose", action="store_true", help="say what is done")
    options = parser.parse_args(arguments)
    os.nice(5)
    try:
        Worker(open_cache(options.folder), options.idle, verbose=options.verbose).run()
    except BadCache as error:
        print(f"pyqemu-worker: {error}", file=sys.stderr)
        return _MISTAKE
    return 0


if __name__ == "__main__":
    sys.exit(main())
