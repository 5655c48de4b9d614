"""The target under test, loaded once, and the interpreter that keeps its shapes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pyqemu.translator.adl.load import DescribedTarget, load

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
def qemu_runner(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that runs cases under QEMU; skips without QEMU or a cross compiler."""
    qemu = shutil.which("qemu-aarch64")
    if qemu is None or shutil.which("aarch64-linux-gnu-gcc") is None:
        pytest.skip("needs qemu-aarch64 and aarch64-linux-gnu-gcc")
    return [qemu, "-cpu", "cortex-a57", str(build_runner(tmp_path_factory.mktemp("runner")))]
