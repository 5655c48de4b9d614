"""System calls whose arguments hold words, times, or 64-bit values, from programs without a C library.

The same source runs on the host, which is the oracle: QEMU has not all of these calls, and gets some of them wrong for
32-bit guests (credentials cut off, masks, sizes that are not checked).
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.guests.architectures import AARCH64, ARMHF, RISCV32, RISCV64, Architecture
from tests.guests.freestanding import PROGRAMS, build
from tests.paths import pyqemu_user

SOURCES = {path.stem: path for path in sorted((PROGRAMS / "calls").glob("*.c"))}
GUESTS = (RISCV32, RISCV64, AARCH64, ARMHF)
#: Lines that QEMU gets wrong, or has not, for 32-bit RISC-V; programs that it cannot run are not here.
QEMU = {
    "times": set[str](),
    "files": {"preadv2", "bad size"},
    "signals": {"inside"},
    "polling": {"timeout"},
    "memory": {"hint", "process_vm_readv"},
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where programs are built."""
    return tmp_path_factory.mktemp("calls")


def program(guest: Architecture | None, name: str, built: Path) -> str:
    """A program of the set."""
    return str(build(guest, [SOURCES[name]], built / f"{name}.{guest or 'host'}"))


def lines(command: list[str]) -> list[str]:
    """What it says."""
    done = subprocess.run(command, capture_output=True, timeout=60, check=True, text=True, env=os.environ)
    assert not done.stderr
    return done.stdout.splitlines()


@pytest.mark.guest
@pytest.mark.parametrize("guest", GUESTS, ids=str)
@pytest.mark.parametrize("name", SOURCES)
def test_calls(name: str, guest: Architecture, built: Path) -> None:
    """As on the host."""
    expected = lines([program(None, name, built)])
    assert len(expected) > 15
    assert lines([str(pyqemu_user()), "-cpu", guest.cpu, program(guest, name, built)]) == expected


@pytest.mark.guest
@pytest.mark.parametrize("name", QEMU)
def test_oracle(name: str, built: Path) -> None:
    """QEMU agrees about a 32-bit guest, but for what it gets wrong."""
    host, guest = lines([program(None, name, built)]), lines([*RISCV32.qemu, program(RISCV32, name, built)])
    different = {a.rpartition(" ")[0] for a, b in zip(host, guest, strict=True) if a != b}
    assert different <= QEMU[name]
