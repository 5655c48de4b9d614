"""The long run: a million random cases of A32, and of T32 with T16, interpreter = QEMU = pyqemu-user; behind
`tools/run-tests --long`, or by itself for one of the two:

    python -P -m pytest -m long tests/targets/arm/test_long.py -k A32 -n 2 -rP
"""

from __future__ import annotations

import random
from functools import partial

import pytest

from tests.targets.arm.harness.generate import NOT_IN_SEQUENCES, NOT_RUN, Generator
from tests.targets.arm.harness.interpreter import Interpreter
from tests.targets.arm.test_random import IT_BLOCKS, SEQUENCES, compare
from tests.targets.harness.command import encodings_of
from tests.targets.harness.long import Round, each_round

#: Units by instruction set.
SETS = {"A32": ("A32",), "T32": ("T16", "T32")}
SINGLE = 75_000  # of a round's single instructions
MORE_SEQUENCES = 7500  # of each of four kinds and round


@each_round
@pytest.mark.parametrize("isa", SETS)
def test_round(interpreter: Interpreter, emulators: dict[str, list[str]], seed: int, isa: str) -> None:
    """Instructions one by one, and sequences of each kind; most of those of T32 have an IT block."""
    this, generator = Round(), Generator(interpreter.target, interpreter, random.Random(f"long {isa} {seed}"))
    compared = partial(compare, interpreter, emulators)
    chosen = [e for e in interpreter.target.encodings if e.unit.name in SETS[isa]]
    run = [e for e in chosen if e.instruction not in NOT_RUN]
    this.each(generator, compared, run, SINGLE // len(run))
    for files, length, _ in SEQUENCES.values():
        encodings = [e for e in encodings_of(interpreter.target, files) if e in chosen]
        encodings += IT_BLOCKS * [e for e in chosen if e.instruction == "IT"]
        this.sequences(generator, compared, encodings, NOT_IN_SEQUENCES | NOT_RUN, MORE_SEQUENCES, length)
    this.check(run)
