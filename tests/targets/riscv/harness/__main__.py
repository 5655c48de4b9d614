"""Random instructions on the IR interpreter and under an emulator: the states after them have to be equal.

    python -m tests.targets.riscv.harness --files integer bitmanip --count 200
    python -m tests.targets.riscv.harness --encodings FARITH FMADD --emulator 'pyqemu-user -cpu max'
    python -m tests.targets.riscv.harness --files integer memory control --sequences 1000

Prints what was covered, each mismatch with its disassembly, and ends with status 1 if there was one.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from pyqemu.translator.adl.load import load
from tests.targets.harness.command import options, run
from tests.targets.riscv.exceptions import ORACLE
from tests.targets.riscv.harness.generate import NOT_IN_SEQUENCES, NOT_RUN, Generator
from tests.targets.riscv.harness.interpreter import Interpreter
from tests.targets.riscv.harness.machine import RISCV
from tests.targets.riscv.harness.ties import TieGenerator

TARGET = Path(__file__).parents[4] / "targets/riscv"
EMULATOR = "qemu-riscv64 -cpu rv64,zicond=true,zcb=true"


def main() -> int:
    """Exit status 0 if everything agrees."""
    parser = options(__doc__ or "", EMULATOR)
    parser.add_argument("--ties", action="store_true", help="rounding to nearest, ties away, of ties")
    parser.add_argument("--variant", choices=["riscv64", "riscv32"], default="riscv64")
    chosen = parser.parse_args()
    target = load(TARGET, chosen.variant)
    generator = (TieGenerator if chosen.ties else Generator)(target, Interpreter(target), random.Random(chosen.seed))
    return run(chosen, target, RISCV[target.address_width], generator, ORACLE, NOT_RUN, NOT_IN_SEQUENCES)


if __name__ == "__main__":
    sys.exit(main())
