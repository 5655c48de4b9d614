"""Random regions: the interpreter, the region before and after its passes, baseline and optimised code agree.

`tools/run-tests --long` runs 50,000 of them; `python -m tests.targets.riscv.regions --seed N` runs a round again.
"""

from __future__ import annotations

import pytest

from tests.regions.area import Area
from tests.regions.rounds import COUNTS, ROUNDS, Workbenches, check_long_round, check_round, workbenches
from tests.targets.riscv.regions.subject import workbench


@pytest.fixture(scope="module")
def bench(area: Area) -> Workbenches:
    """A workbench by host level."""
    return workbenches(workbench, area)


@pytest.mark.parametrize("level", COUNTS)
def test_random_regions(level: str, bench: Workbenches) -> None:
    """A few hundred."""
    check_round(bench(level), 1, COUNTS[level])


@pytest.mark.long
@pytest.mark.parametrize("seed", ROUNDS)
def test_many_random_regions(seed: int, bench: Workbenches) -> None:
    """A round of the long run."""
    check_long_round(bench, seed)
