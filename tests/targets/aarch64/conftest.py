"""The target under test, loaded once, and the interpreter that keeps its shapes."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest
from pyqemu.translator.adl.load import DescribedTarget, load

from tests.paths import pyqemu_user
from tests.targets.aarch64.harness.interpreter import Interpreter
from tests.targets.aarch64.harness.machine import build_runner

TARGET = Path(__file__).parents[3] / "targets/aarch64"


@pytest.fixture(scope="session")
def target() -> DescribedTarget:
    """targets/aarch64."""
    return load(TARGET)


@pytest.fixture(scope="session")
def interpreter(target: DescribedTarget) -> Interpreter:
    """An interpreter of cases."""
    return Interpreter(target)


@pytest.fixture(scope="session")
def emulators(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Commands that run cases, by name: QEMU and pyqemu-user, as far as they are there; skips without any."""
    if shutil.which("aarch64-linux-gnu-gcc") is None:
        pytest.skip("needs aarch64-linux-gnu-gcc")
    found: dict[str, list[str]] = {}
    runner = str(build_runner(tmp_path_factory.mktemp("runner")))
    qemu = shutil.which("qemu-aarch64")
    if qemu is not None:
        found["QEMU"] = [qemu, "-cpu", "cortex-a57", runner]
    with contextlib.suppress(FileNotFoundError):
        found["pyqemu-user"] = [str(pyqemu_user()), "-cpu", "cortex-a57", runner]
    if not found:
        pytest.skip("needs qemu-aarch64 or pyqemu-user")
    return found
