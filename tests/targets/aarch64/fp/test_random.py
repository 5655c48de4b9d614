"""Random floating-point instructions: the interpreter, QEMU and pyqemu-user agree on the whole state."""

from __future__ import annotations

import random

import pytest

from tests.targets.aarch64.fp.values import FloatGenerator, compare, compare_file, encodings_of
from tests.targets.aarch64.harness.interpreter import Interpreter

CASES = 200  # of each encoding
SEQUENCES, LENGTH = 2000, 8


@pytest.mark.parametrize("file", ["fp", "simd_fp"])
def test_each_encoding(interpreter: Interpreter, emulators: dict[str, list[str]], file: str) -> None:
    """Single instructions, in all modes of FPCR."""
    compare_file(interpreter, emulators, file, CASES)


def test_sequences(base_interpreter: Interpreter, base_emulators: dict[str, list[str]]) -> None:
    """Several instructions in a row, with changes of FPCR and FPSR between them."""
    target = base_interpreter.target
    encodings = encodings_of(target, "fp", "simd_fp", "simd", "simd_shift", "simd_wide", "simd_accumulate", "crypto")
    control = [e for e in target.encodings if e.name in ("MSR_FPCR", "MSR_FPSR")]
    assert len(control) == 2
    generator = FloatGenerator(target, base_interpreter, random.Random(1))
    compare(base_interpreter, base_emulators, generator.sequences(encodings + 12 * control, SEQUENCES, LENGTH))
