"""The long run: more than a million random cases of each variant, interpreter = QEMU = pyqemu-user; behind
`tools/run-tests --long`, or by itself for one variant:

    python -P -m pytest tests/targets/riscv/test_long.py -k riscv32 -rP

Cases come in rounds of a seed each, so that a failure names the seed to run again. `PYQEMU_LONG_ROUNDS` asks for more.
"""

from __future__ import annotations

import os
import random

import pytest

from tests.targets.harness.command import encodings_of
from tests.targets.riscv.harness.generate import NOT_IN_SEQUENCES, NOT_RUN, Generator
from tests.targets.riscv.harness.interpreter import Interpreter
from tests.targets.riscv.harness.ties import TieGenerator
from tests.targets.riscv.test_random import ROUNDING, SEQUENCES, compare

ROUNDS = range(int(os.environ.get("PYQEMU_LONG_ROUNDS", "10")))
CASES = 300  # of each encoding and round: with ten times as many ties, and the sequences, 1.2 million of RV64's 181
MORE_SEQUENCES = 4000  # of each kind and round


@pytest.mark.long
@pytest.mark.parametrize("seed", ROUNDS)
def test_each_encoding(interpreter: Interpreter, emulators: dict[str, list[str]], seed: int) -> None:
    """Instructions one by one."""
    generator = Generator(interpreter.target, interpreter, random.Random(f"long {seed}"))
    chosen = [e for e in interpreter.target.encodings if e.instruction not in NOT_RUN]
    for start in range(0, len(chosen), 20):
        some = chosen[start : start + 20]
        compare(interpreter, emulators, (case for e in some for case in generator.cases(e, CASES)))


@pytest.mark.long
@pytest.mark.parametrize("kind", SEQUENCES)
@pytest.mark.parametrize("seed", ROUNDS)
def test_sequences(interpreter: Interpreter, emulators: dict[str, list[str]], seed: int, kind: str) -> None:
    """Sequences of each kind."""
    files, length, _ = SEQUENCES[kind]
    not_here = NOT_IN_SEQUENCES | NOT_RUN
    encodings = [e for e in encodings_of(interpreter.target, files) if e.instruction not in not_here]
    generator = Generator(interpreter.target, interpreter, random.Random(f"long {seed} {kind}"))
    compare(interpreter, emulators, generator.sequences(encodings, MORE_SEQUENCES, length))


@pytest.mark.long
@pytest.mark.parametrize("seed", ROUNDS)
def test_ties(interpreter: Interpreter, emulators: dict[str, list[str]], seed: int) -> None:
    """To nearest, ties away from zero."""
    generator = TieGenerator(interpreter.target, interpreter, random.Random(f"long {seed}"))
    encodings = [e for e in interpreter.target.encodings if e.instruction in ROUNDING]
    compare(interpreter, emulators, (case for e in encodings for case in generator.cases(e, 10 * CASES)))
