"""Rounds of random regions, for the tests of an architecture: a few hundred always, 50,000 in the long run."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable

import pytest

from pyqemu.hostgen.hosts import x86_64
from tests.regions.area import Area
from tests.regions.run import check, failures
from tests.regions.workbench import Workbench

#: Programs of the ordinary run, by host level.
COUNTS = {"v3": 192, "v1": 64}
#: Programs of a round of the long run, and the rounds' seeds.
ROUND = 1000
ROUNDS = range(100, 100 + int(os.environ.get("PYQEMU_LONG_ROUNDS", "50")))

Workbenches = Callable[[str], Workbench]


def workbenches(make: Callable[[str, Area], Workbench], area: Area) -> Workbenches:
    """Workbenches by host level, each made once; the test is skipped if this machine does not have the level."""

    @functools.cache
    def of(level: str) -> Workbench:
        if level not in x86_64.supported_levels():
            pytest.skip(f"this machine does not have level {level}")
        return make(level, area)

    return of


def check_long_round(bench: Workbenches, seed: int) -> None:
    """A round of the long run, on the best level that there is."""
    check_round(bench(max(x86_64.supported_levels())), seed, ROUND)


def check_round(bench: Workbench, seed: int, count: int) -> None:
    """AssertionError with the least programs that fail, or if too little was run to mean anything."""
    report = check(bench, seed, count)
    print(f"seed {seed}, level {bench.level}: {report}")
    assert not report.failures, "\n".join([f"seed {seed}:", *failures(bench, report)])
    assert report.regions > 0.95 * count and report.installed > 0.9 * count
    assert report.stopped > count // 10 and report.endless < report.starts // 2
    assert all(report.ends[how] > count // 8 for how in ("exception", "fault")) and report.ends["bad fetch"]
