"""Random AdvSIMD and cryptographic instructions: the interpreter, QEMU and pyqemu-user agree."""

from __future__ import annotations

import pytest

from tests.targets.aarch64.fp.values import compare_file
from tests.targets.aarch64.harness.interpreter import Interpreter

CASES = 100  # of each encoding
FILES = (
    "simd", "simd_shift", "simd_wide", "simd_accumulate", "simd_complex", "simd_loadstore",
    "bf16", "crypto", "sha3", "sm",
)  # fmt: skip


@pytest.mark.parametrize("file", FILES)
def test_each_encoding(interpreter: Interpreter, emulators: dict[str, list[str]], file: str) -> None:
    """Single instructions."""
    compare_file(interpreter, emulators, file, CASES)
