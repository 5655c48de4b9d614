"""Random base instructions: the interpreter and QEMU agree on the whole state."""

from __future__ import annotations

import random

import pytest

from tests.targets.aarch64.base.exceptions import ORACLE
from tests.targets.aarch64.base.test_text import FILES
from tests.targets.aarch64.harness.compare import Report, compare_cases, describe
from tests.targets.aarch64.harness.generate import NOT_RUN, Generator
from tests.targets.aarch64.harness.interpreter import Interpreter

CASES = 60  # of each encoding; the harness's own command runs more
#: Instructions that neither branch nor access memory.
PLAIN = ("dp_immediate", "dp_register", "crc")


def _finish(report: Report) -> None:
    shown = [describe(report.target, mismatch) for mismatch in report.mismatches[:5]]
    assert not report.mismatches, "\n".join(shown)
    assert report.cases.total() > 0


@pytest.mark.parametrize("file", FILES)
def test_each_encoding(interpreter: Interpreter, qemu_runner: list[str], file: str) -> None:
    """Single instructions; a store-exclusive follows its load."""
    target = interpreter.target
    generator = Generator(target, interpreter, random.Random(file))
    report = Report(target, ORACLE)
    for encoding in target.encodings:
        if target.bound(encoding).declaration.span.file.stem == file and encoding.name not in NOT_RUN:
            compare_cases(report, qemu_runner, generator.cases(encoding, CASES))
    _finish(report)


def test_sequences(interpreter: Interpreter, qemu_runner: list[str]) -> None:
    """Six instructions in a row, so that one's results are another's operands."""
    target = interpreter.target
    encodings = [e for e in target.encodings if target.bound(e).declaration.span.file.stem in PLAIN]
    generator = Generator(target, interpreter, random.Random(2))
    report = Report(target, ORACLE)
    compare_cases(report, qemu_runner, generator.sequences(encodings, 500, 6))
    _finish(report)
