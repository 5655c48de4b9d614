"""Random regions by the hundred or by the ten thousand, in batches that follow from a seed alone."""

from __future__ import annotations

import random
from collections.abc import Iterator

from pyqemu.tools.progress import Progress
from tests.regions.check import Report, check_batch, describe
from tests.regions.programs import SLOT
from tests.regions.shrink import shrunk
from tests.regions.workbench import Workbench

#: Programs of one module: enough that LLVM's start does not count.
BATCH = 32
_MOST_SHRUNK = 3  # failures of a round; what comes after the first is often the same
_ENOUGH = 20  # failures, to go no further


def check(bench: Workbench, seed: int, count: int, *, first: int = 0, on_host: bool = True) -> Report:
    """Makes and runs programs `first` … `count` - 1 of a seed (`first` is rounded down to whole batches)."""
    report = Report()
    with Progress(f"random regions, seed {seed}", count) as progress:
        progress.advance(first // BATCH * BATCH)
        for start in range(first // BATCH * BATCH, count, BATCH):
            some = min(BATCH, count - start)
            rng = random.Random(f"regions {seed} {start}")
            programs = [bench.subject.program(rng, SLOT * place) for place in range(some)]
            check_batch(bench, programs, f"{seed} {start}", report, on_host=on_host)
            progress.advance(some)
            if len(report.failures) >= _ENOUGH:
                break
    return report


def failures(bench: Workbench, report: Report) -> Iterator[str]:
    """The first few failures, made small."""
    for failure in report.failures[:_MOST_SHRUNK]:
        yield describe(bench, shrunk(bench, failure))
