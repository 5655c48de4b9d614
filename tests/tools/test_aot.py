"""pyqemu-aot and its user's mistakes: one line on stderr, status 1, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.guests.elves import LOAD, Elf, R, Segment, W
from tests.guests.ways import script

HELLO = Path(__file__).parents[2] / "examples/aarch64/hello"


@dataclass(frozen=True, slots=True)
class Run:
    """What a run gave."""

    status: int
    stdout: str
    stderr: str


def aot(*words: str | Path, **environment: str) -> Run:
    """Runs pyqemu-aot."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PYQEMU_CACHE")}
    command = [script("pyqemu-aot"), "-j", "1", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=ours | environment)
    return Run(done.returncode, done.stdout, done.stderr)


def refused(run: Run, *says: str) -> None:
    """`run` ended with one line that has all of `says`."""
    assert (run.status, run.stdout) == (1, ""), run
    assert run.stderr.startswith("pyqemu-aot: ") and run.stderr.count("\n") == 1, run.stderr
    for text in says:
        assert text in run.stderr, run.stderr


def files(folder: Path) -> list[str]:
    """Names of all that is in a cache folder but its key."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.name != "key")


def _patched(offset: int, data: bytes) -> bytes:
    whole = HELLO.read_bytes()
    return whole[:offset] + data + whole[offset + len(data) :]


FAR = Segment(LOAD, R | W, 0, 1 << 40, 64, 64)
#: What is wrong with a program: its bytes, and what is said about it.
PROGRAMS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not an ELF file"),
    "text": (b"#!/bin/sh\n" * 100, "not an ELF file"),
    "cut off in the header": (HELLO.read_bytes()[:40], ""),
    "cut off in the headers": (HELLO.read_bytes()[:100], ""),
    "cut off in the code": (HELLO.read_bytes()[: HELLO.stat().st_size // 4], ""),
    "an object file": (_patched(16, b"\1"), "not a program"),
    "an unknown architecture": (_patched(18, b"\xfe\xca"), "no pack for 64-bit programs of ELF machine 51966"),
    "the host's": (Path("/bin/true").read_bytes(), "no pack"),
    "wide": (Elf(more=(FAR,)).packed(), "4 GiB"),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str, tmp_path: Path) -> None:
    """What is no program for pyqemu."""
    data, says = PROGRAMS[name]
    (tmp_path / "program").write_bytes(data)
    refused(aot("--cache", tmp_path / "cache", tmp_path / "program"), says)
    assert not files(tmp_path / "cache")


PATHS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "No such file"),
    "a folder": (lambda path: path.mkdir(), "not a regular file"),
    "a pipe": (os.mkfifo, "not a regular file"),
    "a loop": (lambda path: path.symlink_to(path), "symbolic links"),
    "huge": (lambda path: (path.touch(), os.truncate(path, 1 << 40)), "larger"),
}


@pytest.mark.parametrize("name", PATHS)
def test_program_that_cannot_be_read(name: str, tmp_path: Path) -> None:
    """The line names it."""
    make, says = PATHS[name]
    make(tmp_path / "program")
    refused(aot("--cache", tmp_path / "cache", tmp_path / "program"), str(tmp_path / "program"), says)


def test_output_that_cannot_be_written(tmp_path: Path) -> None:
    """A folder, one that is not there and cannot be made, and one that can be written and is full."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    cache = tmp_path / "cache"
    for output in (tmp_path / "folder", tmp_path / "file/archive", Path("/proc/archive")):
        refused(aot("--cache", cache, "-o", output, HELLO), str(output.parent))
    assert not list((tmp_path / "folder").iterdir()) and not files(cache)
    script_text = 'mount -t tmpfs -o size=4k tmpfs "$1" && shift && exec "$@"'
    command = ["unshare", "-Urm", "sh", "-c", script_text, "sh", tmp_path / "folder", script("pyqemu-aot"), "-j", "1"]
    command += ["--cache", cache, "-o", tmp_path / "folder/archive", HELLO]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    refused(Run(done.returncode, done.stdout, done.stderr), "No space left")


def test_cache_that_cannot_be_used(tmp_path: Path) -> None:
    """None, a file, one that is open to others, one with a damaged key, and too small a one."""
    refused(aot(HELLO, PYQEMU_CACHE="none"), "PYQEMU_CACHE")
    (tmp_path / "file").touch()
    refused(aot("--cache", tmp_path / "file", HELLO), "file")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o755)
    refused(aot("--cache", tmp_path / "open", HELLO), "open to other users")
    (tmp_path / "damaged").mkdir(mode=0o700)
    (tmp_path / "damaged/key").touch(mode=0o600)
    refused(aot("--cache", tmp_path / "damaged", HELLO), "not a key")
    refused(aot("--cache", tmp_path / "cache", HELLO, PYQEMU_CACHE_SIZE="1K"), "PYQEMU_CACHE_SIZE")
    refused(aot("--cache", tmp_path / "cache", HELLO, PYQEMU_CACHE_SIZE="x"), "PYQEMU_CACHE_SIZE=x")
    assert not files(tmp_path / "cache")


def test_other_mistakes(tmp_path: Path) -> None:
    """A model that is not known, and no packs."""
    refused(aot("--cache", tmp_path / "cache", "-cpu", "imaginary", HELLO), "imaginary", "cortex-a57")
    refused(aot("--cache", tmp_path / "cache", HELLO, PYQEMU_PACKS=str(tmp_path)), "no packs")


def test_help() -> None:
    """Examples, options and environment."""
    run = aot("--help")
    assert (run.status, run.stderr) == (0, "")
    for text in ("pyqemu-aot ./program", "--output", "PYQEMU_CACHE_SIZE"):
        assert text in run.stdout


def _interrupted(cache: Path, jobs: int, number: int) -> tuple[int, bytes]:
    """A run that a signal ends, as a terminal would send it: to all its processes."""
    command = [script("pyqemu-aot"), "-j", str(jobs), "--cache", cache, HELLO]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as process:
        deadline = time.monotonic() + 30
        while not files(cache) and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.005)
        os.killpg(process.pid, number)
        _, errors = process.communicate(timeout=60)
        return process.returncode, errors


@pytest.mark.parametrize("jobs", [1, 2])
def test_interrupt(jobs: int, tmp_path: Path) -> None:
    """Ctrl-C: not a word, and nothing is left."""
    assert _interrupted(tmp_path / "cache", jobs, signal.SIGINT) == (130, b"")
    assert not files(tmp_path / "cache")


def test_killed_with_its_processes_running(tmp_path: Path) -> None:
    """Those that it started end with it, and the next run removes what it has left."""
    cache = tmp_path / "cache"
    command = [script("pyqemu-aot"), "-j", "2", "--cache", cache, HELLO]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        while not files(cache):
            time.sleep(0.005)
        time.sleep(0.3)
        process.kill()
    deadline = time.monotonic() + 30
    while _group_lives(process.pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    run = aot("--json", "--cache", cache, HELLO)
    assert run.status == 0 and files(cache) == [Path(json.loads(run.stdout)["archive"]).name]


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
