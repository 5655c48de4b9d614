"""The long run: more than a million random cases of each variant, interpreter = QEMU = pyqemu-user; behind
`tools/run-tests --long`, or by itself for one variant:

    python -P -m pytest tests/targets/riscv/test_long.py -k riscv32 -rP
"""

from __future__ import annotations

import random
from functools import partial

import pytest

from tests.targets.harness.command import encodings_of
from tests.targets.harness.long import Round, each_round
from tests.targets.riscv.harness.generate import NOT_IN_SEQUENCES, NOT_RUN, Generator
from tests.targets.riscv.harness.interpreter import Interpreter
from tests.targets.riscv.harness.ties import TieGenerator
from tests.targets.riscv.test_random import ROUNDING, SEQUENCES, compare

CASES = 300  # of each encoding and round: with ten times as many ties, and the sequences, 1.2 million of RV64's 181
MORE_SEQUENCES = 4000  # of each kind and round


@each_round
def test_each_encoding(interpreter: Interpreter, emulators: dict[str, list[str]], seed: int) -> None:
    """Instructions one by one."""
    generator = Generator(interpreter.target, interpreter, random.Random(f"long {seed}"))
    chosen = [e for e in interpreter.target.encodings if e.instruction not in NOT_RUN]
    Round(generator, partial(compare, interpreter, emulators)).each(chosen, CASES)


@each_round
@pytest.mark.parametrize("kind", SEQUENCES)
def test_sequences(interpreter: Interpreter, emulators: dict[str, list[str]], seed: int, kind: str) -> None:
    """Sequences of each kind."""
    files, length, _ = SEQUENCES[kind]
    generator = Generator(interpreter.target, interpreter, random.Random(f"long {seed} {kind}"))
    this = Round(generator, partial(compare, interpreter, emulators))
    this.sequences(encodings_of(interpreter.target, files), NOT_IN_SEQUENCES | NOT_RUN, MORE_SEQUENCES, length)


@each_round
def test_ties(interpreter: Interpreter, emulators: dict[str, list[str]], seed: int) -> None:
    """To nearest, ties away from zero."""
    generator = TieGenerator(interpreter.target, interpreter, random.Random(f"long {seed}"))
    encodings = [e for e in interpreter.target.encodings if e.instruction in ROUNDING]
    Round(generator, partial(compare, interpreter, emulators)).each(encodings, 10 * CASES)
