"""The long run: half a million random cases, interpreter = QEMU = pyqemu-user; behind `tools/run-tests --long`."""

from __future__ import annotations

import random
from functools import partial

from tests.targets.aarch64.base.test_random import compare as compare_base
from tests.targets.aarch64.base.test_text import FILES
from tests.targets.aarch64.fp.values import FloatGenerator, compare, encodings_of
from tests.targets.aarch64.harness.generate import NOT_IN_SEQUENCES, NOT_RUN, Generator
from tests.targets.aarch64.harness.interpreter import Interpreter
from tests.targets.aarch64.simd.test_random import FILES as VECTOR_FILES
from tests.targets.harness.long import Round, each_round

CASES = 180  # of each encoding and round: 10 rounds of 387 encodings are nearly 700,000 cases
SEQUENCES = 4000  # of each round
SEQUENCE_FILES = ("dp_immediate", "dp_register", "branch", "loadstore", "atomic", "lse", "crc")  # no clocks
FLOAT_FILES = ("fp", "simd_fp", *VECTOR_FILES)


@each_round
def test_base(base_interpreter: Interpreter, base_emulators: dict[str, list[str]], seed: int) -> None:
    """Base instructions, one by one and in sequences with branches, memory and faults."""
    generator = Generator(base_interpreter.target, base_interpreter, random.Random(f"long {seed}"))
    this = Round(generator, partial(compare_base, base_interpreter, base_emulators))
    this.each([e for e in encodings_of(base_interpreter.target, *FILES) if e.name not in NOT_RUN], CASES)
    in_files = encodings_of(base_interpreter.target, *SEQUENCE_FILES)
    this.sequences(in_files, NOT_IN_SEQUENCES | NOT_RUN, SEQUENCES, 10)


@each_round
def test_floating_point_and_vectors(interpreter: Interpreter, emulators: dict[str, list[str]], seed: int) -> None:
    """Floating point, AdvSIMD and cryptography, in all modes of FPCR."""
    generator = FloatGenerator(interpreter.target, interpreter, random.Random(f"long {seed}"))
    this = Round(generator, partial(compare, interpreter, emulators))
    encodings = encodings_of(interpreter.target, *FLOAT_FILES)
    this.each(encodings, CASES)
    this.sequences(encodings, NOT_IN_SEQUENCES | NOT_RUN, SEQUENCES, 8)
