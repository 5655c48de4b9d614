"""Random regions: the interpreter, the region before and after its passes, baseline and optimised code agree.

`tools/run-tests --long` runs 50,000 of them; `python -m tests.targets.riscv.regions --seed N` runs a round again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.regions.area import Area
from tests.regions.rounds import COUNTS, ROUNDS, Workbenches, check_long_round, check_round, workbenches
from tests.targets.riscv.regions.subject import workbench

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def bench(area: Area) -> Workbenches:
    """A workbench by host level."""
    return workbenches(workbench, area)


@pytest.mark.parametrize("level", COUNTS)
def test_random_regions(level: str, bench: Workbenches) -> None:
    """A few hundred."""
    check_round(bench(level), 1, COUNTS[level])


def test_random_rv32_regions() -> None:
    """In a process of its own, whose guest memory is in the low 4 GiB."""
    command = [sys.executable, "-m", "tests.targets.riscv.regions", "--count", "60"]
    environment = os.environ | {"PYQEMU_TEST_CODE": "0x50000000"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "60 programs, " in done.stdout, done.stdout + done.stderr


@pytest.mark.long
@pytest.mark.parametrize("seed", ROUNDS)
def test_many_random_regions(seed: int, bench: Workbenches) -> None:
    """A round of the long run."""
    check_long_round(bench, seed)
