"""Random regions: the interpreter, baseline code and optimised code have to agree on all that a guest can see.

    python -m tests.targets.aarch64.regions --count 1000 --seed 7
    python -m tests.targets.aarch64.regions --count 50000 --seed 1 --level v1

Prints what was run and each failure as the least program that has it; ends with status 1 if there was one.
`--first N` goes on where an earlier run of the same seed ended.
"""

from __future__ import annotations

import argparse
import sys

from pyqemu.hostgen.hosts import x86_64
from tests.regions.area import Area
from tests.regions.run import check, failures
from tests.targets.aarch64.regions.subject import workbench


def main() -> int:
    """Exit status 0 if everything agrees."""
    options = _options()
    bench = workbench(options.level, Area())
    report = check(bench, options.seed, options.count, first=options.first)
    print(f"seed {options.seed}, level {options.level}: {report}")
    for text in failures(bench, report):
        print(text)
    return 1 if report.failures else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="regions", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=1000, help="programs (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="leave out so many programs of the seed")
    parser.add_argument("--level", choices=sorted(x86_64.LEVELS), default="v3", help="host level (default %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
