"""Damaged archives and caches: the program does what it does without them, and pyqemu says nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pyqemu.hostgen.archive_format import ARCHIVE_VERSION
from tests.guests.damage import Editor, damaged
from tests.guests.small import STATUS, Run, build, run
from tests.guests.ways import script
from tests.paths import pyqemu_user

_STATS = re.compile(rb"stats: .* (\d+) regions, (\d+) regions refused")
NOBODY = 65534


@dataclass(frozen=True, slots=True)
class Made:
    """A program, what it writes, and a cache folder with its archive."""

    program: Path
    expected: bytes
    cache: Path
    archive: Path

    @property
    def key(self) -> bytes:
        return (self.cache / "key").read_bytes()


def translate(program: Path, cache: Path, *options: str) -> Path:
    """Runs pyqemu-aot; gives the archive."""
    before = set(cache.glob("*/*.pqa"))
    command = [script("pyqemu-aot"), "--cache", cache, "-j", "1", *options, program]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    (archive,) = set(cache.glob("*/*.pqa")) - before
    return archive


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The program and its archive."""
    place = tmp_path_factory.mktemp("damaged")
    program = build(place / "program")
    baseline = run(program, "none")
    assert baseline.status == STATUS and baseline.stderr == b""
    return Made(program, baseline.stdout, place / "cache", translate(program, place / "cache"))


@pytest.fixture
def cache(made: Made, tmp_path: Path) -> Path:
    """A cache folder of the test's own."""
    shutil.copytree(made.cache, tmp_path / "cache")  # with modes
    return tmp_path / "cache"


def regions(made: Made, cache: Path | str, log: Path, *options: str) -> tuple[int, int]:
    """Regions used and refused by a run, which has to be right."""
    log.unlink(missing_ok=True)
    done = run(made.program, cache, "-d", "stats", "-D", str(log), *options)
    assert done == Run(STATUS, made.expected, b"")
    found = _STATS.search(log.read_bytes())
    assert found, log.read_bytes()
    return int(found[1]), int(found[2])


def run_damaged(made: Made, cache: Path, first: int, count: int, *, show: bool = False) -> None:
    """Runs the program with `count` damaged archives. Some must spoil all regions, some a part, some none."""
    archive, log = cache / made.archive.relative_to(made.cache), cache / "log"
    good, key, seen = made.archive.read_bytes(), made.key, Counter[str]()
    for seed in range(first, first + count):
        case = damaged(good, key, seed)
        archive.unlink(missing_ok=True)
        archive.write_bytes(case.data)
        archive.chmod(0o600)
        try:
            used, refused = regions(made, cache, log)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            raise AssertionError(f"seed {seed}, {case.how}") from error
        seen["all" if used and not refused else "part" if used else "none"] += 1
        if show:
            print(f"\r{seen.total()} of {count}, regions used: {dict(seen)}", end="", file=sys.stderr, flush=True)
    for how_many, least in {"all": 50, "part": 30, "none": 300}.items():
        assert seen[how_many] >= least * count // 1000, seen


@pytest.mark.guest
def test_damaged_archives(made: Made, cache: Path) -> None:
    """A hundred and fifty."""
    used, refused = regions(made, made.cache, cache / "log")
    assert used >= 5 and not refused
    run_damaged(made, cache, 0, 150)


@pytest.mark.guest
@pytest.mark.long
def test_many_damaged_archives(made: Made, cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Two thousand, other ones."""
    with capfd.disabled():
        run_damaged(made, cache, 1000, 2000, show=sys.stderr.isatty())


def _file(path: Path, data: bytes, mode: int = 0o600) -> None:
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    path.chmod(mode)


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir(mode=0o700)


def _link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def _signed(change: Callable[[Editor], None]) -> Callable[[Path, bytes], None]:
    def apply(path: Path, key: bytes) -> None:
        editor = Editor(path.read_bytes())
        change(editor)
        _file(path, editor.sign(key))

    return apply


#: What becomes of the archive, by path and the cache's key.
ARCHIVES: dict[str, Callable[[Path, bytes], None]] = {
    "missing": lambda path, _: path.unlink(),
    "empty": lambda path, _: _file(path, b""),
    "zeros": lambda path, _: _file(path, bytes(20000)),
    "a huge sparse file": lambda path, _: os.truncate(path, 1 << 40),
    "nothing but sparse": lambda path, _: (_file(path, b""), os.truncate(path, 1 << 29))[0],
    "open to others": lambda path, _: path.chmod(0o644),
    "writable for the group": lambda path, _: path.chmod(0o660),
    "a symbolic link": lambda path, _: _link(path),
    "a pipe": lambda path, _: _fifo(path),
    "a folder": lambda path, _: _folder(path),
    "a newer version": _signed(lambda e: e.set(".pq.archive", 0, version=ARCHIVE_VERSION + 1)),
    "an older version": _signed(lambda e: e.set(".pq.archive", 0, version=ARCHIVE_VERSION - 1)),
    "another description": _signed(lambda e: e.set(".pq.archive", 0, digest=bytes(range(32)))),
    "other features": _signed(lambda e: e.set(".pq.archive", 0, features=0)),
    "another context": _signed(lambda e: e.set(".pq.context", 0, values=(1, 0, 0, 0))),
    "another host": lambda path, _: _file(path, path.read_bytes()[:18] + b"\xf3\0" + path.read_bytes()[20:]),
    "another key": lambda path, _: _file(path, Editor(path.read_bytes()).sign(bytes(32))),
}


@pytest.mark.guest
@pytest.mark.parametrize("name", ARCHIVES)
def test_archive_that_is_not_used(name: str, made: Made, cache: Path) -> None:
    """What is there in place of the archive is not touched, nor waited for."""
    ARCHIVES[name](cache / made.archive.relative_to(made.cache), made.key)
    assert regions(made, cache, cache / "log")[0] == 0


@pytest.mark.guest
def test_archive_of_another_user(made: Made, cache: Path) -> None:
    """Though it is signed."""
    if os.geteuid():
        pytest.skip("needs root")
    archive = cache / made.archive.relative_to(made.cache)
    for path in (archive, archive.parent, cache / "key", cache):
        os.chown(path, NOBODY, NOBODY)
        assert regions(made, cache, cache / "log")[0] == 0
        os.chown(path, 0, 0)
    assert regions(made, cache, cache / "log")[0] > 0


@pytest.mark.guest
def test_swapped_archives(made: Made, cache: Path, tmp_path: Path) -> None:
    """An archive of another program under this one's name: what both have in common is used, the rest is not."""
    other = shutil.copytree(cache, tmp_path / "other cache")
    (other / made.archive.relative_to(made.cache)).unlink()
    shutil.copy(translate(build(tmp_path / "other", 41), other), cache / made.archive.relative_to(made.cache))
    assert regions(made, cache, cache / "log") == (4, 1)


def _key(data: bytes, mode: int = 0o600) -> Callable[[Path], None]:
    return lambda cache: _file(cache / "key", data, mode)


def _replace_archives(cache: Path, what: Callable[[Path], None]) -> None:
    (archives,) = (path.parent for path in cache.glob("*/*.pqa"))
    shutil.rmtree(archives)
    what(archives)


#: What becomes of the folder.
FOLDERS: dict[str, Callable[[Path], None]] = {
    "no key": lambda cache: (cache / "key").unlink(),
    "a short key": _key(bytes(31)),
    "a long key": _key(bytes(33)),
    "an empty key": _key(b""),
    "another key": _key(bytes(32)),
    "a key open to others": lambda cache: (cache / "key").chmod(0o640),
    "a key that is a pipe": lambda cache: _fifo(cache / "key"),
    "a key that is a folder": lambda cache: _folder(cache / "key"),
    "a key that is a link": lambda cache: _link(cache / "key"),
    "open to others": lambda cache: cache.chmod(0o711),
    "archives open to others": lambda cache: next(cache.glob("*/*.pqa")).parent.chmod(0o755),
    "a file for archives": lambda cache: _replace_archives(cache, lambda path: path.write_bytes(b"")),  # type: ignore
    "a pipe for archives": lambda cache: _replace_archives(cache, os.mkfifo),
    "a loop for archives": lambda cache: _replace_archives(cache, lambda path: path.symlink_to(path.name)),
    "removed": shutil.rmtree,
}


@pytest.mark.guest
@pytest.mark.parametrize("name", FOLDERS)
def test_folder_that_is_not_used(name: str, made: Made, cache: Path, tmp_path: Path) -> None:
    """Not a word, nor a wait."""
    FOLDERS[name](cache)
    assert regions(made, cache, tmp_path / "log", "--jit-threshold", "20")[0] == 0


#: What is in the way of requests.
SPOOLS: dict[str, Callable[[Path], object]] = {
    "a file": lambda spool: spool.write_bytes(b""),
    "a pipe": os.mkfifo,
    "a loop": lambda spool: spool.symlink_to("spool"),
    "a lock that is a folder": lambda spool: (spool / "lock").mkdir(parents=True),
    "a lock that is a pipe": lambda spool: (spool.mkdir(), os.mkfifo(spool / "lock")),
    "a full spool": lambda spool: (spool.mkdir(), [(spool / f"{n}.request").touch() for n in range(1000)]),
}


@pytest.mark.guest
@pytest.mark.parametrize("name", SPOOLS)
def test_spool(name: str, made: Made, cache: Path, tmp_path: Path) -> None:
    """Archives are used all the same, and nobody waits."""
    SPOOLS[name](cache / "spool")
    assert regions(made, cache, tmp_path / "log")[0] >= 5
    next(cache.glob("*/*.pqa")).unlink()
    assert regions(made, cache, tmp_path / "log", "--jit", "sync", "--jit-threshold", "1", "--jit-wait", "1")[0] == 0


#: For a root of its own: mounts a small file system at $1 with the cache in it, prepares it as $2 says, and runs.
_MOUNTED = """
mount -t tmpfs -o size=256k,mode=0700 tmpfs "$1" && cp -a "$3/." "$1" && eval "$2" && shift 3 && exec "$@"
"""


@pytest.mark.guest
@pytest.mark.parametrize("prepare", ['mount -o remount,ro "$1"', 'cat /dev/zero > "$1/rest" 2>/dev/null; true'])
def test_read_only_or_full(prepare: str, made: Made, tmp_path: Path) -> None:
    """Archives are used; requests are not written."""
    place, log = tmp_path / "mounted", tmp_path / "log"
    place.mkdir()
    for archives in (True, False):
        if not archives:
            shutil.copytree(made.cache, tmp_path / "bare", ignore=shutil.ignore_patterns("*.pqa"))
        words = ["-d", "stats", "-D", log, "--jit", "sync", "--jit-threshold", "1", "--jit-wait", "1"]
        command = ["unshare", "-Urm", "sh", "-c", _MOUNTED, "sh", place, prepare]
        command += [made.cache if archives else tmp_path / "bare", pyqemu_user(), *words, "--cache", place]
        environment = os.environ | {"PYQEMU_WORKER": "/bin/true"}
        done = subprocess.run([*command, made.program], capture_output=True, timeout=60, check=False, env=environment)
        assert Run(done.returncode, done.stdout, done.stderr) == Run(STATUS, made.expected, b"")
        found = _STATS.search(log.read_bytes())
        assert found and (int(found[1]) >= 5) == archives
        log.unlink()
