"""The target under test, loaded once, and the interpreter that keeps its shapes."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyqemu.translator.adl.load import DescribedTarget, load
from tests.targets.aarch64.harness.interpreter import Interpreter
from tests.targets.aarch64.harness.machine import AARCH64
from tests.targets.harness import emulators as commands

TARGET = Path(__file__).parents[3] / "targets/aarch64"
BASE_MODEL = "neoverse-n1"


@pytest.fixture(scope="session")
def target() -> DescribedTarget:
    """targets/aarch64."""
    return load(TARGET)


@pytest.fixture(scope="session")
def interpreter(target: DescribedTarget) -> Interpreter:
    """An interpreter of cases."""
    return Interpreter(target)


@pytest.fixture(scope="session")
def base_interpreter(target: DescribedTarget) -> Interpreter:
    """The same for base instructions: QEMU's model that has everything lets atomic accesses be misaligned (LSE2)."""
    return Interpreter(target, BASE_MODEL)


@pytest.fixture(scope="session")
def base_emulators(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Commands for that model."""
    return commands.emulators(AARCH64, tmp_path_factory.mktemp("runner"), "aarch64", BASE_MODEL, BASE_MODEL)


@pytest.fixture(scope="session")
def emulators(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Commands that run cases, by name: QEMU, and pyqemu-user if it is there."""
    return commands.emulators(AARCH64, tmp_path_factory.mktemp("runner"), "aarch64", "max", "max")
