"""The long run: a million random cases, interpreter = QEMU = pyqemu-user; behind `tools/run-tests --long`, or by
itself:

    python -P -m pytest -m long tests/targets/aarch64/test_long.py -n 2 -rP
"""

from __future__ import annotations

import random
from functools import partial

from pyqemu.translator.target import Encoding
from tests.targets.aarch64.base.test_random import compare as compare_base
from tests.targets.aarch64.base.test_text import FILES
from tests.targets.aarch64.fp.values import FloatGenerator, compare, encodings_of
from tests.targets.aarch64.harness.generate import NOT_IN_SEQUENCES, NOT_RUN, Generator
from tests.targets.aarch64.harness.interpreter import Interpreter
from tests.targets.aarch64.simd.test_random import FILES as VECTOR_FILES
from tests.targets.harness.long import Round, each_round

SINGLE = 75_000  # of a round's single instructions
SEQUENCES = 15000  # of each of two kinds and round
SEQUENCE_FILES = ("dp_immediate", "dp_register", "branch", "loadstore", "atomic", "lse", "crc")  # no clocks
FLOAT_FILES = ("fp", "simd_fp", *VECTOR_FILES)


@each_round
def test_round(
    interpreter: Interpreter,
    emulators: dict[str, list[str]],
    base_interpreter: Interpreter,
    base_emulators: dict[str, list[str]],
    seed: int,
) -> None:
    """Base instructions with branches, memory and faults; floating point, AdvSIMD and cryptography in all modes of
    FPCR."""
    this, target = Round(), interpreter.target
    rng = random.Random(f"long {seed}")

    def known(encoding: Encoding) -> bool:
        return encoding.features <= base_interpreter.model.features

    base = [e for e in encodings_of(target, *FILES) if e.instruction not in NOT_RUN]
    floating = encodings_of(target, *FLOAT_FILES)

    count = SINGLE // (len(base) + len(floating))
    generator = Generator(target, base_interpreter, rng)
    compared = partial(compare_base, base_interpreter, base_emulators)
    this.each(generator, compared, [e for e in base if known(e)], count)
    inside = [e for e in encodings_of(target, *SEQUENCE_FILES) if known(e)]
    this.sequences(generator, compared, inside, NOT_IN_SEQUENCES | NOT_RUN, SEQUENCES, 10)

    later = Generator(target, interpreter, rng)
    this.each(later, partial(compare_base, interpreter, emulators), [e for e in base if not known(e)], count)

    floats, compared = FloatGenerator(target, interpreter, rng), partial(compare, interpreter, emulators)
    this.each(floats, compared, floating, count)
    this.sequences(floats, compared, floating, NOT_IN_SEQUENCES | NOT_RUN, SEQUENCES, 8)

    this.check(e for e in target.encodings if e.instruction not in NOT_RUN)
