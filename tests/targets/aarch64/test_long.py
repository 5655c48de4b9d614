"""The long run: half a million random cases, interpreter = QEMU = pyqemu-user; behind `tools/run-tests --long`.

Cases come in rounds of a seed each, so that a failure names the seed to run again. `PYQEMU_LONG_ROUNDS` asks for more.
"""

from __future__ import annotations

import os
import random

import pytest

from tests.targets.aarch64.base.test_random import compare as compare_base
from tests.targets.aarch64.base.test_text import FILES
from tests.targets.aarch64.fp.values import FloatGenerator, compare, encodings_of
from tests.targets.aarch64.harness.generate import NOT_IN_SEQUENCES, NOT_RUN, Generator
from tests.targets.aarch64.harness.interpreter import Interpreter
from tests.targets.aarch64.simd.test_random import FILES as VECTOR_FILES

ROUNDS = range(int(os.environ.get("PYQEMU_LONG_ROUNDS", "10")))
CASES = 180  # of each encoding and round: 10 rounds of 387 encodings are nearly 700,000 cases
SEQUENCES = 4000  # of each round
SEQUENCE_FILES = ("dp_immediate", "dp_register", "branch", "loadstore", "atomic", "lse", "crc")  # no clocks
FLOAT_FILES = ("fp", "simd_fp", *VECTOR_FILES)


@pytest.mark.long
@pytest.mark.parametrize("seed", ROUNDS)
def test_base(base_interpreter: Interpreter, base_emulators: dict[str, list[str]], seed: int) -> None:
    """Base instructions, one by one and in sequences with branches, memory and faults."""
    generator = Generator(base_interpreter.target, base_interpreter, random.Random(f"long {seed}"))
    encodings = [e for e in encodings_of(base_interpreter.target, *FILES) if e.name not in NOT_RUN]
    for encoding in encodings:
        compare_base(base_interpreter, base_emulators, generator.cases(encoding, CASES))
    in_files = encodings_of(base_interpreter.target, *SEQUENCE_FILES)
    in_sequences = [e for e in in_files if e.instruction not in NOT_IN_SEQUENCES | NOT_RUN]
    compare_base(base_interpreter, base_emulators, generator.sequences(in_sequences, SEQUENCES, 10))


@pytest.mark.long
@pytest.mark.parametrize("seed", ROUNDS)
def test_floating_point_and_vectors(interpreter: Interpreter, emulators: dict[str, list[str]], seed: int) -> None:
    """Floating point, AdvSIMD and cryptography, in all modes of FPCR."""
    generator = FloatGenerator(interpreter.target, interpreter, random.Random(f"long {seed}"))
    encodings = encodings_of(interpreter.target, *FLOAT_FILES)
    for start in range(0, len(encodings), 20):
        chosen = encodings[start : start + 20]
        compare(interpreter, emulators, (case for e in chosen for case in generator.cases(e, CASES)))
    in_sequences = [e for e in encodings if e.instruction not in NOT_IN_SEQUENCES | NOT_RUN]
    compare(interpreter, emulators, generator.sequences(in_sequences, SEQUENCES, 8))
