"""Random regions: the interpreter, the region before and after its passes, baseline and optimised code agree.

`tools/run-tests --long` runs 50,000 of them; `python -m tests.targets.aarch64.regions --seed N` runs a round again.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable

import pytest

from pyqemu.hostgen.hosts import x86_64
from tests.regions.area import Area
from tests.regions.command import check_round
from tests.regions.workbench import Workbench
from tests.targets.aarch64.regions.subject import workbench

COUNTS = {"v3": 192, "v1": 64}
ROUND = 1000
ROUNDS = range(100, 100 + int(os.environ.get("PYQEMU_LONG_ROUNDS", "50")))


@pytest.fixture(scope="module")
def bench(area: Area) -> Callable[[str], Workbench]:
    """A workbench by host level."""

    @functools.cache
    def make(level: str) -> Workbench:
        if level not in x86_64.supported_levels():
            pytest.skip(f"this machine does not have level {level}")
        return workbench(level, area)

    return make


@pytest.mark.parametrize("level", COUNTS)
def test_random_regions(level: str, bench: Callable[[str], Workbench]) -> None:
    """A few hundred."""
    check_round(bench(level), 1, COUNTS[level])


@pytest.mark.long
@pytest.mark.parametrize("seed", ROUNDS)
def test_many_random_regions(seed: int, bench: Callable[[str], Workbench]) -> None:
    """A round of the long run, on the best level that there is."""
    check_round(bench(max(x86_64.supported_levels())), seed, ROUND)
