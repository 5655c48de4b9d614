"""What programs see of the CPU model: a program is run under QEMU and under pyqemu-user, and prints alike."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.guests.architectures import Architecture
from tests.paths import pyqemu_user


def compile_static(guest: Architecture, source: Path, folder: Path) -> Path:
    """The program of one C file, linked statically. Skips the test without a cross compiler."""
    compiler = f"{guest.compiler}gcc"
    if shutil.which(compiler) is None:
        pytest.skip(f"needs {compiler}")
    program = folder / source.stem
    subprocess.run([compiler, "-O1", "-static", "-o", program, source], check=True)
    return program


def output(command: list[str | Path], program: Path) -> str:
    """What the program writes."""
    return subprocess.run([*command, program], check=True, capture_output=True, text=True).stdout


def check_alike(guest: Architecture, program: Path, model: str, qemu_model: str) -> None:
    """AssertionError if the two outputs differ."""
    ours = output([pyqemu_user(), "-cpu", model], program)
    assert ours == output([str(guest.qemu_program), "-cpu", qemu_model], program)
    assert ours
