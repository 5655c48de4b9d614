"""The long run: more than a million random cases, interpreter = QEMU; behind `tools/run-tests --long`."""

from __future__ import annotations

import random
from functools import partial

import pytest

from tests.targets.arm.harness.generate import NOT_IN_SEQUENCES, NOT_RUN, Generator
from tests.targets.arm.harness.interpreter import Interpreter
from tests.targets.arm.test_random import FILES, IT_BLOCKS, SEQUENCES, compare
from tests.targets.harness.command import encodings_of
from tests.targets.harness.long import Round, each_round

CASES = 150  # of each encoding and round: 10 rounds of about 700 encodings are more than a million cases
MORE_SEQUENCES = 4000  # of each kind and round


@each_round
def test_each_encoding(interpreter: Interpreter, emulators: dict[str, list[str]], seed: int) -> None:
    """Instructions one by one."""
    generator = Generator(interpreter.target, interpreter, random.Random(f"long {seed}"))
    chosen = [e for e in encodings_of(interpreter.target, FILES) if e.instruction not in NOT_RUN]
    Round(generator, partial(compare, interpreter, emulators)).each(chosen, CASES)


@each_round
@pytest.mark.parametrize("kind", SEQUENCES)
def test_sequences(interpreter: Interpreter, emulators: dict[str, list[str]], seed: int, kind: str) -> None:
    """Sequences of each kind, most of those of T32 with an IT block."""
    files, length, _ = SEQUENCES[kind]
    encodings = encodings_of(interpreter.target, files)
    encodings += IT_BLOCKS * [e for e in interpreter.target.encodings if e.instruction == "IT"]
    generator = Generator(interpreter.target, interpreter, random.Random(f"long {seed} {kind}"))
    this = Round(generator, partial(compare, interpreter, emulators))
    this.sequences(encodings, NOT_IN_SEQUENCES | NOT_RUN, MORE_SEQUENCES, length)
