"""The long run: a million random cases of each variant, interpreter = QEMU = pyqemu-user; behind
`tools/run-tests --long`, or by itself for one variant:

    python -P -m pytest -m long tests/targets/riscv/test_long.py -k riscv32 -n 2 -rP
"""

from __future__ import annotations

import random
from functools import partial

from tests.targets.harness.command import encodings_of
from tests.targets.harness.long import Round, each_round
from tests.targets.riscv.harness.generate import NOT_IN_SEQUENCES, NOT_RUN, Generator
from tests.targets.riscv.harness.interpreter import Interpreter
from tests.targets.riscv.harness.ties import TieGenerator
from tests.targets.riscv.test_random import ROUNDING, SEQUENCES, compare

SINGLE = 70_000  # of a round's single instructions
TIES = 1000  # of each encoding that rounds, and round
MORE_SEQUENCES = 8000  # of each of three kinds and round


@each_round
def test_round(interpreter: Interpreter, emulators: dict[str, list[str]], seed: int) -> None:
    """Instructions one by one; sequences of each kind; rounding to nearest, ties away from zero."""
    this, target, rng = Round(), interpreter.target, random.Random(f"long {seed}")
    compared = partial(compare, interpreter, emulators)
    run = [e for e in target.encodings if e.instruction not in NOT_RUN]
    generator = Generator(target, interpreter, rng)
    this.each(generator, compared, run, SINGLE // len(run))
    for files, length, _ in SEQUENCES.values():
        encodings = encodings_of(target, files)
        this.sequences(generator, compared, encodings, NOT_IN_SEQUENCES | NOT_RUN, MORE_SEQUENCES, length)
    rounding = [e for e in run if e.instruction in ROUNDING]
    this.each(TieGenerator(target, interpreter, rng), compared, rounding, TIES)
    this.check(run)
