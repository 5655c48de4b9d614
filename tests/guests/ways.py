"""The ways in which guest programs can be run: baseline code alone, or with optimised code from here or there.

`pytest --way sync` runs all tests of guests that way (tools/run-ways runs them all five ways); without it they run
without a cache. A way is a matter of environment variables, which every run of pyqemu-user inherits.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.guests.debian import CACHE

FOLDERS = CACHE / "ways"
_entered: Way | None = None  # what all tests of this process run in


@dataclass(frozen=True, slots=True)
class Way:
    """`jit` and `threshold` as pyqemu-user's options; `folder` names the cache, '' for none; `fresh`: it is emptied
    first.
    """

    name: str
    jit: str = "off"
    threshold: int = 0
    folder: str = ""
    fresh: bool = False
    ahead: bool = False  # programs are translated ahead of time

    @property
    def environment(self) -> dict[str, str]:
        """What runs of pyqemu-user inherit."""
        found = {"PYQEMU_JIT": self.jit, "PYQEMU_CACHE": str(self.cache) if self.folder else "none"}
        found["PYQEMU_WORKER"] = str(script("pyqemu-worker"))
        if self.threshold:
            found["PYQEMU_JIT_THRESHOLD"] = str(self.threshold)
        return found

    @property
    def cache(self) -> Path:
        """The cache folder."""
        return FOLDERS / self.folder


#: In an order in which `warm` finds what `sync` has left.
WAYS = {
    way.name: way
    for way in (
        Way("off"),
        Way("sync", "sync", 1, "sync", fresh=True),
        Way("cold", "async", 50, "cold", fresh=True),
        Way("warm", "async", 50, "sync"),
        Way("aot", "async", 1_000_000, "aot", fresh=True, ahead=True),
    )
}


def script(name: str) -> Path:
    """A program that is installed beside this Python."""
    return Path(sys.executable).with_name(name)


def start_worker(cache: Path) -> Callable[[], None]:
    """Starts a translation worker for a cache folder, for guests that cannot start one, as they see nothing but their
    root; gives what ends it.
    """
    command = [script("pyqemu-worker"), "--idle", "100000", cache]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def end() -> None:
        process.terminate()
        process.wait()

    return end


def enter(way: Way, *, first: bool) -> None:
    """Makes a way this process's and its children's. `first`: no other process of the same test run was before."""
    global _entered
    _entered = way
    if way.folder:
        if way.fresh and first:
            shutil.rmtree(way.cache, ignore_errors=True)
        way.cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ.update(way.environment)


def translate(program: Path, way: Way, cpu: str) -> None:
    """Translates a program ahead of time into the way's cache, if that is what the way is about."""
    if way.ahead:
        command = [script("pyqemu-aot"), "--cache", way.cache, "-cpu", cpu, program]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def prepared(program: Path, cpu: str) -> Path:
    """A program that a test is going to run; in the way that is about it, it is translated ahead of time, by whoever
    of several test processes asks first. That takes minutes for a static program.
    """
    if _entered is None or not _entered.ahead:
        return program
    done = _entered.cache / f"{hashlib.sha256(program.read_bytes()).hexdigest()}-{cpu}.translated"
    with open(_entered.cache / "translating", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            translate(program, _entered, cpu)
            done.touch(mode=0o600)
    return program
