"""The targets under test, RV64 and RV32, loaded once, and the interpreters that keep their shapes."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyqemu.translator.adl.load import DescribedTarget, load
from tests.targets.harness import emulators as commands
from tests.targets.riscv.harness.interpreter import Interpreter
from tests.targets.riscv.harness.machine import RISCV

TARGET = Path(__file__).parents[3] / "targets/riscv"
QEMU_FEATURES = "zba=true,zbb=true,zbc=true,zbs=true,zicond=true,zcb=true,zfa=true,zfh=true"


@pytest.fixture(scope="session", params=["riscv64", "riscv32"])
def target(request: pytest.FixtureRequest) -> DescribedTarget:
    """A variant of targets/riscv."""
    return load(TARGET, request.param)


@pytest.fixture(scope="session")
def interpreter(target: DescribedTarget) -> Interpreter:
    """An interpreter of cases."""
    return Interpreter(target)


@pytest.fixture(scope="session")
def emulators(target: DescribedTarget, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Commands that run cases, by name: QEMU, and pyqemu-user if it is there."""
    xlen = target.address_width
    place = tmp_path_factory.mktemp("runner")
    return commands.emulators(RISCV[xlen], place, target.name, f"rv{xlen},{QEMU_FEATURES}", "max")
