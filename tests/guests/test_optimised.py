"""Optimised code as users meet it: translated ahead, damaged, switched off, asked for while a guest runs.

What it computes is compared with the same program in baseline code.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guests.waiting import wait_until
from tests.paths import pyqemu_user

SIEVE = Path(__file__).parents[2] / "examples/aarch64/sieve"
SAYS = b"148933 primes below 2000000\n"
_COUNT = re.compile(rb"count: (\d+) guest instructions retired in baseline code, (\d+) regions installed")


def counts(cache: Path | str, *options: str, **environment: str) -> tuple[int, int]:
    """Guest instructions in baseline code, and regions installed, of a run of the sieve, which has to be right."""
    command = [str(pyqemu_user()), "-d", "count", f"--cache={cache}", "--jit=async", *options, str(SIEVE)]
    done = subprocess.run(command, capture_output=True, timeout=120, check=True, env=dict(os.environ) | environment)
    assert done.stdout == SAYS
    found = _COUNT.search(done.stderr)
    assert found, done.stderr
    return int(found[1]), int(found[2])


def translate_ahead(cache: Path) -> Path:
    """Runs pyqemu-aot on the sieve; gives its archive."""
    command = [sys.executable, "-P", "-m", "pyqemu.tools.pyqemu_aot", str(SIEVE)]
    subprocess.run(command, check=True, capture_output=True, timeout=300, env=dict(os.environ, PYQEMU_CACHE=str(cache)))
    (archive,) = cache.glob("*/*.aot.pqa")
    return archive


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder with the sieve's archive."""
    folder = tmp_path_factory.mktemp("ahead") / "cache"
    translate_ahead(folder)
    return folder


@pytest.mark.guest
def test_translated_ahead(cache: Path) -> None:
    """All of it runs in regions; none where that is switched off, or where each instruction is to be seen."""
    everything, none = counts("none")
    assert none == 0
    assert everything > 1_000_000
    baseline, regions = counts(cache)
    assert regions > 0
    assert baseline < everything / 1000
    assert counts(cache, "--jit=off") == (everything, 0)
    assert counts(cache, "-one-insn-per-tb") == (everything, 0)


@pytest.mark.guest
def test_other_folder_is_not_trusted(cache: Path) -> None:
    """A folder that others can read is left alone."""
    cache.chmod(0o755)
    try:
        assert counts(cache)[1] == 0
    finally:
        cache.chmod(0o700)


@pytest.mark.guest
def test_damaged_archive(cache: Path, tmp_path: Path) -> None:
    """Whatever happened to an archive, the program does what it does."""
    (archive,) = cache.glob("*/*.aot.pqa")
    good = archive.read_bytes()
    damaged = tmp_path / "damaged"
    damaged.mkdir(mode=0o700)
    (damaged / "key").write_bytes((cache / "key").read_bytes())
    (damaged / "key").chmod(0o600)
    place = damaged / archive.parent.name
    place.mkdir(mode=0o700)
    used = 0
    for at in range(0, len(good), len(good) // 40):
        for data in (good[:at], good[:at] + bytes([good[at] ^ 0x10]) + good[at + 1 :]):
            (place / archive.name).unlink(missing_ok=True)
            (place / archive.name).write_bytes(data)
            (place / archive.name).chmod(0o600)
            used += counts(damaged)[1] > 0
    assert used > 10


@pytest.mark.guest
def test_request(tmp_path: Path) -> None:
    """Hot code is asked for, once, from the worker that is named; its end goes unseen."""
    worker = tmp_path / "worker"
    worker.write_text('#!/bin/sh\necho "$@" >> "$1/started"\n')
    worker.chmod(0o755)
    folder = tmp_path / "made/cache"
    command = [str(pyqemu_user()), f"--cache={folder}", "--jit=async", "--jit-threshold=100", str(SIEVE)]
    done = subprocess.run(
        command, capture_output=True, timeout=120, check=True, env=dict(os.environ, PYQEMU_WORKER=str(worker))
    )
    assert (done.stdout, done.stderr) == (SAYS, b"")
    wait_until((folder / "started").exists)
    assert folder.stat().st_mode & 0o777 == 0o700
    requests = list((folder / "spool").glob("*.request"))
    assert requests
    first = min(requests, key=lambda path: path.stat().st_mtime_ns).read_text().splitlines()
    assert first[0] == "pyqemu-request 1"
    assert any(line.startswith("module ") and line.endswith(str(SIEVE)) for line in first)
    assert any(line.startswith("hot ") for line in first)
    assert set((folder / "started").read_text().split()) == {str(folder)}
