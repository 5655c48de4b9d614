"""The target under test, loaded once, and the interpreter that keeps its shapes."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest

from pyqemu.translator.adl.load import DescribedTarget, load
from tests.guests import debian
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
    """Commands that run cases, by name: QEMU, and pyqemu-user if it is there."""
    if shutil.which("aarch64-linux-gnu-gcc") is None:
        pytest.skip("needs aarch64-linux-gnu-gcc")
    runner = str(build_runner(tmp_path_factory.mktemp("runner")))
    found = {"QEMU": [str(debian.qemu("aarch64")), "-cpu", "cortex-a57", runner]}
    with contextlib.suppress(FileNotFoundError):
        found["pyqemu-user"] = [str(pyqemu_user()), "-cpu", "cortex-a57", runner]
    return found
