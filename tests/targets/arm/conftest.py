"""The target under test, loaded once, and the interpreter that keeps its shapes."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyqemu.translator.adl.load import DescribedTarget, load
from tests.targets.arm.harness.interpreter import Interpreter
from tests.targets.arm.harness.machine import ARM
from tests.targets.harness import emulators as commands

TARGET = Path(__file__).parents[3] / "targets/arm"


@pytest.fixture(scope="session")
def target() -> DescribedTarget:
    """targets/arm."""
    return load(TARGET)


@pytest.fixture(scope="session")
def interpreter(target: DescribedTarget) -> Interpreter:
    """An interpreter of cases."""
    return Interpreter(target)


@pytest.fixture(scope="session")
def emulators(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Commands that run cases, by name: QEMU, and pyqemu-user if it is there."""
    return commands.emulators(ARM, tmp_path_factory.mktemp("runner"), "arm", "max", "max")
