"""Random floating-point instructions: the interpreter, QEMU and pyqemu-user agree on the whole state."""

from __future__ import annotations

import pytest

from tests.targets.aarch64.fp.values import compare_file
from tests.targets.aarch64.harness.interpreter import Interpreter

CASES = 200  # of each encoding


@pytest.mark.parametrize("file", ["fp", "simd_fp"])
def test_each_encoding(interpreter: Interpreter, emulators: dict[str, list[str]], file: str) -> None:
    """Single instructions, in all modes of FPCR."""
    compare_file(interpreter, emulators, file, CASES)
