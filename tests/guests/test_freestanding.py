"""A hundred kernels with checksums, floating point among them, that need no C library.

What they give depends on neither the architecture nor the size of a word, so the oracle is the host.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.guests.architectures import A32, AARCH64, ARMEL, ARMHF, RISCV32, RISCV64, Architecture
from tests.guests.freestanding import PROGRAMS, RUNTIME, build
from tests.guests.ways import WAYS

SOURCES = sorted(path for path in (PROGRAMS / "freestanding").glob("*.c") if path not in RUNTIME)
GUESTS = (RISCV32, RISCV64, AARCH64, ARMHF, A32, ARMEL)
KERNELS = 100


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where programs are built."""
    return tmp_path_factory.mktemp("freestanding")


def kernels(guest: Architecture | None, built: Path) -> str:
    """The program with all kernels."""
    return str(build(guest, SOURCES, built / f"kernels.{guest or 'host'}"))


def checksums(command: list[str], **environment: str) -> dict[str, str]:
    """By kernel."""
    done = subprocess.run(
        command, capture_output=True, timeout=120, check=True, text=True, env=dict(os.environ) | environment
    )
    assert not done.stderr
    return dict(line.split() for line in done.stdout.splitlines())


@pytest.fixture(scope="module")
def expected(built: Path) -> dict[str, str]:
    """What the host gives."""
    found = checksums([kernels(None, built)])
    assert len(found) >= KERNELS and len(set(found.values())) == len(found)
    return found


@pytest.mark.guest
@pytest.mark.parametrize("guest", GUESTS, ids=str)
def test_kernels(guest: Architecture, built: Path, expected: dict[str, str]) -> None:
    """As the host, and as QEMU."""
    program = kernels(guest, built)
    assert checksums([*guest.qemu, program]) == expected
    assert checksums([*guest.pyqemu, program]) == expected


@pytest.mark.guest
@pytest.mark.parametrize(
    "guest", [pytest.param(g, id=str(g), marks=() if g is RISCV32 else pytest.mark.long) for g in GUESTS]
)
def test_optimised_kernels(guest: Architecture, built: Path, expected: dict[str, str], tmp_path: Path) -> None:
    """With optimised code for all that runs."""
    (tmp_path / "cache").mkdir(mode=0o700)
    environment = WAYS["sync"].environment | {"PYQEMU_CACHE": str(tmp_path / "cache")}
    assert checksums([*guest.pyqemu, kernels(guest, built)], **environment) == expected
    (archive,) = (tmp_path / "cache").glob("*/*.jit.pqa")
    assert archive.stat().st_size > 100_000
