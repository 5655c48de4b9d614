"""Random instructions: the interpreter, QEMU and pyqemu-user agree on the whole state."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping

import pytest

from tests.targets.arm.exceptions import ORACLE
from tests.targets.arm.harness.generate import NOT_IN_SEQUENCES, NOT_RUN, Generator
from tests.targets.arm.harness.interpreter import Interpreter, Run
from tests.targets.arm.harness.machine import Case, State
from tests.targets.harness.command import encodings_of
from tests.targets.harness.compare import Report, agree

#: Cases of each encoding, by the file that it is in.
FILES = {
    "dataproc": 200, "multiply": 100, "media": 150, "branch": 100, "system": 50,
    "loadstore": 150, "multiple": 500, "exclusive": 100,
    "vfp_registers": 100, "vfp": 150, "thumb": 100,
    "simd": 30, "simd_wide": 20, "simd_shift": 30, "simd_fp": 40, "simd_loadstore": 200, "crypto": 20,
}  # fmt: skip
#: Weighed so that most sequences of T32 have an IT block.
IT_BLOCKS = 40
INTEGER = ("dataproc", "multiply", "media", "system")
VECTORS = ("simd", "simd_wide", "simd_shift", "simd_fp", "simd_loadstore", "crypto")
SEQUENCES = {  # by what they are made of: the words of one, how many
    "plain": (INTEGER, 8, 500),
    "branches and memory": ((*INTEGER, "branch", "loadstore", "multiple", "exclusive"), 14, 1000),
    "floating point": (("vfp_registers", "vfp", "vfp", "dataproc"), 10, 1000),
    "vectors": ((*VECTORS, "vfp_registers", "dataproc"), 10, 500),
}


def compare(
    interpreter: Interpreter, emulators: Mapping[str, list[str]], cases: Iterable[tuple[Case, Run]]
) -> Report[State]:
    """Runs the cases under each emulator; see `agree`."""
    return agree(interpreter.target, interpreter.architecture, emulators, cases, ORACLE)


@pytest.mark.parametrize("file", FILES)
def test_each_encoding(interpreter: Interpreter, emulators: dict[str, list[str]], file: str) -> None:
    """Single instructions; a store-exclusive follows its load."""
    generator = Generator(interpreter.target, interpreter, random.Random(f"each of {file}"))
    chosen = [e for e in encodings_of(interpreter.target, (file,)) if e.instruction not in NOT_RUN]
    assert chosen
    compare(interpreter, emulators, (case for e in chosen for case in generator.cases(e, FILES[file]))).check_left_out()


@pytest.mark.parametrize("kind", SEQUENCES)
def test_sequences(interpreter: Interpreter, emulators: dict[str, list[str]], kind: str) -> None:
    """Several instructions in a row: one's results are another's operands, accesses fault in the middle."""
    files, length, count = SEQUENCES[kind]
    not_here = NOT_IN_SEQUENCES | NOT_RUN
    encodings = [e for e in encodings_of(interpreter.target, files) if e.instruction not in not_here]
    encodings += IT_BLOCKS * [e for e in interpreter.target.encodings if e.instruction == "IT"]
    generator = Generator(interpreter.target, interpreter, random.Random(kind))
    compare(interpreter, emulators, generator.sequences(encodings, count, length)).check_left_out()
