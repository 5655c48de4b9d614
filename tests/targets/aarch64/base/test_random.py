"""Random base instructions: the interpreter, QEMU and pyqemu-user agree on the whole state."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping

import pytest

from tests.targets.aarch64.base.exceptions import ORACLE
from tests.targets.aarch64.base.test_text import FILES
from tests.targets.aarch64.harness.generate import NOT_IN_SEQUENCES, NOT_RUN, Generator
from tests.targets.aarch64.harness.interpreter import Interpreter, Run
from tests.targets.aarch64.harness.machine import AARCH64, Case, State
from tests.targets.harness.compare import Report, agree

CASES = 60  # of each encoding; the harness's own command runs more
SEQUENCES = {  # by what they are made of: the words of one, how many
    "plain": (("dp_immediate", "dp_register", "crc"), 6, 500),
    "branches and memory": (("dp_immediate", "dp_register", "branch", "loadstore", "atomic", "lse"), 10, 1000),
}


def compare(
    interpreter: Interpreter, emulators: Mapping[str, list[str]], cases: Iterable[tuple[Case, Run]]
) -> Report[State]:
    """Runs the cases under each emulator; see `agree`."""
    return agree(interpreter.target, AARCH64, emulators, cases, ORACLE)


@pytest.mark.parametrize("file", FILES)
def test_each_encoding(base_interpreter: Interpreter, base_emulators: dict[str, list[str]], file: str) -> None:
    """Single instructions; a store-exclusive follows its load."""
    target = base_interpreter.target
    generator = Generator(target, base_interpreter, random.Random(file))
    chosen = [
        e
        for e in target.encodings
        if target.bound(e).declaration.span.file.stem == file and e.name not in NOT_RUN
    ]
    cases = [case for encoding in chosen for case in generator.cases(encoding, CASES)]
    compare(base_interpreter, base_emulators, cases).check_left_out()


@pytest.mark.parametrize("kind", SEQUENCES)
def test_sequences(base_interpreter: Interpreter, base_emulators: dict[str, list[str]], kind: str) -> None:
    """Several instructions in a row: one's results are another's operands, flags are used or not."""
    target = base_interpreter.target
    files, length, count = SEQUENCES[kind]
    encodings = [
        e
        for e in target.encodings
        if target.bound(e).declaration.span.file.stem in files
        and e.instruction not in NOT_IN_SEQUENCES | NOT_RUN
    ]
    generator = Generator(target, base_interpreter, random.Random(2))
    compare(base_interpreter, base_emulators, generator.sequences(encodings, count, length)).check_left_out()


def test_what_the_model_lacks(
    interpreter: Interpreter, base_interpreter: Interpreter, emulators: dict[str, list[str]]
) -> None:
    """Instructions of later versions, which the model of the other tests does not have."""
    target = interpreter.target
    generator = Generator(target, interpreter, random.Random(3))
    later = [
        e
        for e in target.encodings
        if target.bound(e).declaration.span.file.stem in FILES and not e.features <= base_interpreter.model.features
    ]
    assert {"LDAPUR_STLUR", "RMIF", "B_cond_2"} <= {e.name for e in later}
    compare(interpreter, emulators, (case for e in later for case in generator.cases(e, 4 * CASES)))
