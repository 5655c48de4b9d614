"""Random regions: the interpreter, the region before and after its passes, baseline and optimised code agree.

In processes of their own, whose guest memory is in the low 4 GiB. `tools/run-tests --long` runs 50,000 of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pyqemu.hostgen.hosts import x86_64
from tests.regions.rounds import ROUND, ROUNDS

ROOT = Path(__file__).parents[4]
COUNT = 96


def check(count: int, *options: str) -> None:
    """Runs a round; the output says what failed."""
    command = [sys.executable, "-m", "tests.targets.arm.regions", "--count", str(count), *options]
    environment = os.environ | {"PYQEMU_TEST_CODE": "0x50000000"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and f"{count} programs, " in done.stdout, done.stdout + done.stderr


def test_random_regions() -> None:
    """A fair part."""
    check(COUNT)


@pytest.mark.long
@pytest.mark.parametrize("seed", ROUNDS)
def test_many_random_regions(seed: int) -> None:
    """A round of the long run, on the best level that there is."""
    check(ROUND, "--seed", str(seed), "--level", max(x86_64.supported_levels()))
