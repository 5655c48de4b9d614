"""Random instructions on the IR interpreter and under an emulator: the states after them have to be equal.

    python -m tests.targets.arm.harness --files dataproc media --count 200
    python -m tests.targets.arm.harness --files dataproc multiply --sequences 1000

Prints what was covered, each mismatch with its disassembly, and ends with status 1 if there was one.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from pyqemu.translator.adl.load import load
from tests.targets.arm.exceptions import ORACLE
from tests.targets.arm.harness.generate import NOT_IN_SEQUENCES, NOT_RUN, Generator
from tests.targets.arm.harness.interpreter import Interpreter
from tests.targets.arm.harness.machine import ARM
from tests.targets.harness.command import options, run

TARGET = Path(__file__).parents[4] / "targets/arm"


def main() -> int:
    """Exit status 0 if everything agrees."""
    chosen = options(__doc__ or "", "qemu-arm -cpu max").parse_args()
    target = load(TARGET)
    generator = Generator(target, Interpreter(target), random.Random(chosen.seed))
    return run(chosen, target, ARM, generator, ORACLE, NOT_RUN, NOT_IN_SEQUENCES)


if __name__ == "__main__":
    sys.exit(main())
