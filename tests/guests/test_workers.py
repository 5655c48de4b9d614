"""Guests, workers and pyqemu-aot that are killed, hang, come all at once, or find the program replaced."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pyqemu.hostgen.archive import ArchiveKind
from pyqemu.hostgen.archive_format import ArchiveHeader
from pyqemu.hostgen.archive_read import read_archive
from pyqemu.hostgen.elf import read_sections
from pyqemu.translator.lift.module import read_module
from tests.guests.roots import Emulator
from tests.guests.small import STATUS, Run, build, environment, run
from tests.guests.waiting import wait_until
from tests.guests.ways import script, start_worker
from tests.paths import pyqemu_user


@dataclass(frozen=True, slots=True)
class Program:
    """A program and what it writes."""

    path: Path
    expected: bytes

    def check(self, cache: Path, *options: str, worker: Path | str = "/bin/true") -> None:
        """Runs it, which has to give what it gives without a cache."""
        done = run(self.path, cache, *options, env={"PYQEMU_WORKER": str(worker)})
        assert done == Run(STATUS, self.expected, b"")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The small program."""
    return _program(tmp_path_factory.mktemp("workers") / "program", 40)


def _program(place: Path, rounds: int) -> Program:
    path = build(place, rounds)
    return Program(path, run(path, "none").stdout)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """An empty cache folder."""
    (tmp_path / "cache").mkdir(mode=0o700)
    return tmp_path / "cache"


@contextmanager
def worker(cache: Path) -> Iterator[None]:
    """A worker that serves as long as this lasts."""
    end = start_worker(cache)
    try:
        yield
    finally:
        end()


def valid_regions(archive: Path, program: Path) -> int:
    """Regions of an archive, all of which are as they were written."""
    data, module = archive.read_bytes(), read_module(program.read_bytes())
    header = ArchiveHeader.unpack(read_sections(data)[".pq.archive"])
    digest, features = header["digest"], header["features"]
    assert isinstance(digest, bytes) and isinstance(features, int)
    key = (archive.parents[1] / "key").read_bytes()
    return len(read_archive(data, ArchiveKind(digest, module.key, features, module.extent, key), module))


def left_over(cache: Path) -> list[str]:
    """Files that are neither archives nor what belongs there."""
    kept = (".pqa", ".request")
    files = [path for path in cache.rglob("*") if path.is_file() and path.suffix not in kept]
    return [path.name for path in files if path.name not in ("key", "lock")]


@pytest.mark.guest
@pytest.mark.parametrize("jit", ["async", "sync"])
def test_four_at_once(jit: str, program: Program, cache: Path) -> None:
    """Four processes and one worker on one fresh cache."""
    command = [pyqemu_user(), "--jit", jit, "--jit-threshold", "2", program.path]
    with worker(cache):
        for _ in range(3):
            runs = [
                subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(cache))
                for _ in range(4)
            ]
            for process in runs:
                assert process.communicate(timeout=60) == (program.expected, b"")
                assert process.returncode == STATUS
        deadline = time.monotonic() + 60
        while not list(cache.glob("*/*.jit.pqa")) or list(cache.glob("spool/*.request")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    (archive,) = cache.glob("*/*.jit.pqa")
    assert valid_regions(archive, program.path) > 0
    program.check(cache)
    assert not left_over(cache)


@pytest.mark.guest
def test_half_made_key(program: Program, cache: Path) -> None:
    """What a guest leaves that is killed while it makes the key."""
    program.check(cache, "--jit-threshold", "2")
    wait_until(lambda: bool(list(cache.glob("spool/*.request"))))
    (cache / "key.1.tmp").write_bytes(b"half")
    subprocess.run([script("pyqemu-worker"), "--idle", "0.1", cache], check=True)
    assert not left_over(cache)


def _after(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Kills a process after so long."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    process.wait(60)


def _kill_guest(program: Program, cache: Path, dice: random.Random) -> None:
    command = [pyqemu_user(), "--jit-threshold", "2", program.path]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment(cache))
    _after(process, dice.random() * 0.02)


def _kill_worker(program: Program, cache: Path, dice: random.Random) -> None:
    """Somewhere between its start, half a second of imports, and the archive."""
    for archive in cache.glob("*/*.jit.pqa"):
        archive.unlink()
    program.check(cache, "--jit-threshold", "2")
    process = subprocess.Popen([script("pyqemu-worker"), "--idle", "0.1", cache])
    _after(process, 0.3 + dice.random() * 1.2)


def _kill_aot(program: Program, cache: Path, dice: random.Random) -> None:
    command = [script("pyqemu-aot"), "--cache", cache, "-j", "1", program.path]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _after(process, 0.5 + dice.random() * 1.2)


def _kill(program: Program, cache: Path, count: int, *, show: bool = False) -> None:
    """Kills `count` times, now this and now that; then everything still works, and is cleared up."""
    dice = random.Random(count)
    for done in range(count):
        dice.choice([_kill_guest, _kill_guest, _kill_worker, _kill_aot])(program, cache, dice)
        assert len(left_over(cache)) <= 4
        if show:
            print(f"\r{done + 1} of {count} killed", end="", file=sys.stderr, flush=True)
    program.check(cache)
    subprocess.run([script("pyqemu-aot"), "--cache", cache, program.path], check=True, stdout=subprocess.DEVNULL)
    (archive,) = cache.glob("*/*.aot.pqa")
    assert valid_regions(archive, program.path) == 5
    for path in cache.glob("spool/*.new"):
        os.utime(path, (0, 0))
    program.check(cache, "--jit", "sync", "--jit-threshold", "1", worker=script("pyqemu-worker"))
    subprocess.run([script("pyqemu-worker"), "--idle", "0.1", cache], check=True)
    assert not [name for name in left_over(cache) if not name.endswith(".new")], left_over(cache)


@pytest.mark.guest
def test_kills(program: Program, cache: Path) -> None:
    """Eight kills."""
    _kill(program, cache, 8)


@pytest.mark.guest
@pytest.mark.long
def test_many_kills(program: Program, cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A hundred."""
    with capfd.disabled():
        _kill(program, cache, 100, show=sys.stderr.isatty())


_HANGS = """#!{python}
import fcntl, sys, time
file = open(sys.argv[1] + "/spool/lock", "r+b")
fcntl.lockf(file, fcntl.LOCK_EX)
time.sleep(20)
"""
_NONSENSE = """#!{python}
import glob, os, sys
os.umask(0o077)
for path in glob.glob(sys.argv[1] + "/spool/*.request"):
    lines = dict(line.split(" ", 1) for line in open(path) if " " in line)
    folder = lines["digest"][:16] + "-" + lines["features"].strip()
    archive = sys.argv[1] + "/" + folder + "/" + lines["module"].split()[0] + ".jit.pqa"
    with open(archive + ".new", "wb") as file:
        file.write(os.urandom(9000))
    os.rename(archive + ".new", archive)
    os.unlink(path)
"""


def _stub(place: Path, text: str) -> Path:
    place.write_text(text.format(python=sys.executable))
    place.chmod(0o755)
    return place


@pytest.mark.guest
def test_worker_that_hangs(program: Program, cache: Path, tmp_path: Path) -> None:
    """It has the lock and does nothing: guests that wait do so once, others never."""
    stub, start = _stub(tmp_path / "stub", _HANGS), time.monotonic()
    program.check(cache, "--jit-threshold", "2", worker=stub)
    assert time.monotonic() - start < 5
    start = time.monotonic()
    program.check(cache, "--jit", "sync", "--jit-threshold", "1", "--jit-wait", "2", worker=stub)
    assert 2 <= time.monotonic() - start < 7


@pytest.mark.guest
def test_worker_that_leaves_nonsense(program: Program, cache: Path, tmp_path: Path) -> None:
    """Requests are gone at once, and archives are none."""
    stub = _stub(tmp_path / "stub", _NONSENSE)
    for jit in ("sync", "async", "sync"):
        program.check(cache, "--jit", jit, "--jit-threshold", "1", "--jit-wait", "1", worker=stub)
    wait_until(lambda: [archive.stat().st_size for archive in cache.glob("*/*.jit.pqa")] == [9000])


@pytest.mark.guest
def test_guest_in_a_root_of_its_own(program: Program, cache: Path, tmp_path: Path) -> None:
    """The worker does not see the program's file, and is given it: once, as it remembers it."""
    root = tmp_path / "root"
    for folder in ("bin", "proc", "dev"):
        (root / folder).mkdir(parents=True)
    shutil.copy(program.path, root / "bin/busybox")
    guest = Emulator(pyqemu_user(), ("--jit", "sync", "--jit-threshold", "1"))
    with worker(cache), pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYQEMU_CACHE", str(cache))
        for _ in range(2):
            done = guest.run(root, ["/bin/busybox"])
            assert (done.status, done.stdout, done.stderr) == (STATUS, program.expected, b"")
    (archive,) = cache.glob("*/*.jit.pqa")
    assert valid_regions(archive, program.path) > 0
    assert not left_over(cache)


@pytest.mark.guest
def test_program_replaced_between_runs(cache: Path, tmp_path: Path) -> None:
    """By one with the same module key and other code, whose old regions the worker must not take over as its."""
    first = _program(tmp_path / "program", 40)
    sync = ["--jit", "sync", "--jit-threshold", "1"]
    with worker(cache):
        first.check(cache, *sync)
        (archive,) = cache.glob("*/*.jit.pqa")
        assert valid_regions(archive, first.path) > 0
        second = _program(tmp_path / "program", 41)
        assert read_module(second.path.read_bytes()).key.hex() in archive.name
        assert second.expected != first.expected
        for _ in range(3):
            second.check(cache, *sync)
        assert valid_regions(archive, second.path) > 0


@pytest.mark.guest
def test_program_replaced_while_it_runs(cache: Path, tmp_path: Path) -> None:
    """The old one goes on as it was; what the worker makes is of the new one, and is told apart."""
    long = _program(tmp_path / "program", 20000)
    other = build(tmp_path / "other", 20001)
    command = [pyqemu_user(), "--jit-threshold", "2", long.path]
    with worker(cache):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(cache))
        wait_until(lambda: str(long.path) in Path(f"/proc/{process.pid}/maps").read_text())
        other.replace(long.path)
        output, _ = process.communicate(timeout=60)
        assert (process.returncode, output) == (STATUS, long.expected)
        expected = run(long.path, "none").stdout
        Program(long.path, expected).check(cache, "--jit", "sync", "--jit-threshold", "1")
        assert expected != long.expected


@pytest.mark.guest
def test_program_overwritten_while_it_runs(cache: Path, tmp_path: Path) -> None:
    """In place, with what was there: its pages change under the guest, and are what they were."""
    long = _program(tmp_path / "program", 20000)
    data, command = long.path.read_bytes(), [pyqemu_user(), "--jit-threshold", "2", long.path]
    with worker(cache):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(cache))
        with long.path.open("r+b") as file:
            file.write(data)
        output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (STATUS, long.expected)


@pytest.mark.guest
def test_full_spool(program: Program, cache: Path) -> None:
    """Requests that nobody has answered: a guest that finds no room for its own starts a worker, which makes some."""
    program.check(cache, "--jit-threshold", "2")
    wait_until(lambda: bool(list(cache.glob("spool/*.request"))))
    for number in range(1000):
        (cache / f"spool/{number}.request").write_text("nonsense")
    program.check(cache, "--jit-threshold", "2", worker=script("pyqemu-worker"))
    wait_until(lambda: not list(cache.glob("spool/*.request")))
