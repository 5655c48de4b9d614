"""Random regions of the toy architecture; see tests/regions."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pyqemu.hostgen.hosts import x86_64
from tests.regions.run import check, failures
from tests.regions.workbench import Workbench

COUNT = 32


@pytest.mark.parametrize("level", sorted(x86_64.LEVELS))
def test_random_regions(benches: Callable[[str], Workbench], level: str) -> None:
    bench = benches(level)
    report = check(bench, 1, COUNT)
    print(f"level {level}: {report}")
    assert not report.failures, "\n".join(failures(bench, report))
    assert report.regions > 0.9 * COUNT and report.installed > 0.8 * COUNT
    assert report.stopped and all(report.ends[how] for how in ("exception", "fault"))
