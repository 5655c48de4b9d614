"""Random instructions on the IR interpreter and under an emulator: the states after them have to be equal.

    python -m tests.targets.aarch64.harness --files dp_immediate dp_register --count 200
    python -m tests.targets.aarch64.harness --encodings FADD FSUB --floats --emulator build/pyqemu-user
    python -m tests.targets.aarch64.harness --files dp_register --sequences 1000

Prints what was covered, each mismatch with its disassembly, and ends with status 1 if there was one.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from pyqemu.translator.adl.load import load
from tests.targets.aarch64.base.exceptions import ORACLE
from tests.targets.aarch64.harness.compare import Report, compare_cases
from tests.targets.aarch64.harness.generate import NOT_IN_SEQUENCES, NOT_RUN, Generator
from tests.targets.aarch64.harness.interpreter import Interpreter
from tests.targets.aarch64.harness.machine import build_runner

TARGET = Path(__file__).parents[4] / "targets/aarch64"


def main() -> int:
    """Exit status 0 if everything agrees."""
    options = _options()
    target = load(TARGET)
    generator = Generator(target, Interpreter(target), random.Random(options.seed), options.floats)
    chosen = [
        e
        for e in target.encodings
        if (not options.files or target.bound(e).declaration.span.file.stem in options.files)
        and (not options.encodings or e.name in options.encodings or e.instruction in options.encodings)
        and e.name not in NOT_RUN
    ]
    report = Report(target, ORACLE)
    with tempfile.TemporaryDirectory() as folder:
        command = [*options.emulator.split(), str(build_runner(Path(folder)))]
        if options.sequences:
            inside = [e for e in chosen if e.instruction not in NOT_IN_SEQUENCES]
            cases = generator.sequences(inside, options.sequences, options.length)
            compare_cases(report, command, cases)
        else:
            for encoding in chosen:
                compare_cases(report, command, generator.cases(encoding, options.count))
    report.write(sys.stdout, options.show)
    return 1 if report.mismatches else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="harness", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--files", nargs="*", default=[], metavar="NAME", help="encodings of these .arch files only"
    )
    parser.add_argument(
        "--encodings", nargs="*", default=[], metavar="NAME", help="these encodings or instructions only"
    )
    parser.add_argument("--count", type=int, default=200, help="cases for each encoding (default 200)")
    parser.add_argument(
        "--sequences", type=int, default=0, help="run so many sequences instead of single words"
    )
    parser.add_argument("--length", type=int, default=6, help="words of a sequence (default 6)")
    parser.add_argument("--floats", action="store_true", help="floating-point values, modes and flags")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--emulator", default="qemu-aarch64 -cpu cortex-a57", help="command (default: %(default)s)"
    )
    parser.add_argument("--show", type=int, default=3, help="mismatches shown for each encoding")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
