"""The command that runs an architecture's random regions, and the check that its tests make."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from pyqemu.hostgen.hosts import x86_64
from tests.regions.area import Area
from tests.regions.run import check, failures
from tests.regions.workbench import Workbench


def run(about: str, workbench: Callable[[str, Area], Workbench]) -> int:
    """Runs what the options want, with a workbench of a host level; exit status 0 if everything agrees."""
    options = _options(about)
    bench = workbench(options.level, Area())
    report = check(bench, options.seed, options.count, first=options.first)
    print(f"seed {options.seed}, level {options.level}: {report}")
    for text in failures(bench, report):
        print(text)
    return 1 if report.failures else 0


def _options(about: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="regions", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=1000, help="programs (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="leave out so many programs of the seed")
    parser.add_argument("--level", choices=sorted(x86_64.LEVELS), default="v3", help="host level (default %(default)s)")
    return parser.parse_args()


def check_round(bench: Workbench, seed: int, count: int) -> None:
    """AssertionError with the least programs that fail, or if too little was run to mean anything."""
    report = check(bench, seed, count)
    print(f"seed {seed}, level {bench.level}: {report}")
    assert not report.failures, "\n".join([f"seed {seed}:", *failures(bench, report)])
    assert report.regions > 0.95 * count and report.installed > 0.9 * count
    assert report.stopped > count // 10 and report.endless < report.starts // 2
    assert all(report.ends[how] > count // 8 for how in ("exception", "fault")) and report.ends["bad fetch"]
