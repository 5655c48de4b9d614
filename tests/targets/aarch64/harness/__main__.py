"""Random instructions on the IR interpreter and under an emulator: the states after them have to be equal.

    python -m tests.targets.aarch64.harness --files dp_immediate dp_register --count 200
    python -m tests.targets.aarch64.harness --encodings FADD FSUB --floats --emulator build/pyqemu-user
    python -m tests.targets.aarch64.harness --files dp_register --sequences 1000

Prints what was covered, each mismatch with its disassembly, and ends with status 1 if there was one.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from pyqemu.translator.adl.load import load
from tests.targets.aarch64.base.exceptions import ORACLE
from tests.targets.aarch64.harness.generate import NOT_IN_SEQUENCES, NOT_RUN, Generator
from tests.targets.aarch64.harness.interpreter import Interpreter
from tests.targets.aarch64.harness.machine import AARCH64
from tests.targets.harness.command import options, run

TARGET = Path(__file__).parents[4] / "targets/aarch64"


def main() -> int:
    """Exit status 0 if everything agrees."""
    parser = options(__doc__ or "", "qemu-aarch64 -cpu max")
    parser.add_argument("--model", default="max", help="CPU model of the interpreter (default max)")
    parser.add_argument("--floats", action="store_true", help="floating-point values, modes and flags")
    chosen = parser.parse_args()
    target = load(TARGET)
    generator = Generator(target, Interpreter(target, chosen.model), random.Random(chosen.seed), chosen.floats)
    return run(chosen, target, AARCH64, generator, ORACLE, NOT_RUN, NOT_IN_SEQUENCES)


if __name__ == "__main__":
    sys.exit(main())
