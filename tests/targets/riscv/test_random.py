"""Random instructions: the interpreter, QEMU and pyqemu-user agree on the whole state."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from pyqemu.translator.adl.load import DescribedTarget
from tests.targets.harness.command import encodings_of
from tests.targets.harness.compare import Report, agree
from tests.targets.harness.emulators import emulators as emulators_of
from tests.targets.riscv.exceptions import ORACLE
from tests.targets.riscv.harness.generate import NOT_IN_SEQUENCES, NOT_RUN, Generator
from tests.targets.riscv.harness.interpreter import Interpreter, Run
from tests.targets.riscv.harness.machine import Case, State
from tests.targets.riscv.harness.ties import TieGenerator

#: By CPU model, as far as the description goes.
QEMU_MODELS = {
    "rva20u64": "rv64,zba=false,zbb=false,zbc=false,zbs=false,zfa=false,zicboz=false",
    "rva22u64": "rv64,zbc=false,zfa=false,zfhmin=true",
    "rv64gc_zba_zfhmin": "rv64,zbb=false,zbc=false,zbs=false,zfa=false,zicboz=false,zfhmin=true",
    "max,zba=off,zbb=off,zbs=off,zfa=off": "rv64,zba=false,zbb=false,zbs=false,zfa=false,zicond=true,zcb=true,zfh=true",
}
#: Cases of each encoding, by the file that it is in.
FILES = {
    "integer": 60, "words": 60, "bitmanip": 60, "control": 100, "memory": 100,
    "csr": 200, "float": 200, "zfa": 200,
}  # fmt: skip
SEQUENCES = {  # by what they are made of: the words of one, how many
    "plain": (("integer", "words", "bitmanip"), 8, 500),
    "branches and memory": (("integer", "words", "control", "memory", "bitmanip"), 14, 1000),
    "floating point": (("float", "zfa", "csr"), 10, 1500),
}
#: Instructions that round.
ROUNDING = ("FARITH", "FSQRT", "FMADD", "FCVT_narrow", "FCVT_to_int", "FCVT_from_int")


def compare(
    interpreter: Interpreter, emulators: Mapping[str, list[str]], cases: Iterable[tuple[Case, Run]]
) -> Report[State]:
    """Runs the cases under each emulator; see `agree`."""
    return agree(interpreter.target, interpreter.architecture, emulators, cases, ORACLE)


@pytest.mark.parametrize("file", FILES)
def test_each_encoding(interpreter: Interpreter, emulators: dict[str, list[str]], file: str) -> None:
    """Single instructions; a store-conditional follows its load."""
    generator = Generator(interpreter.target, interpreter, random.Random(file))
    chosen = [e for e in encodings_of(interpreter.target, (file,)) if e.instruction not in NOT_RUN]
    if not chosen:
        pytest.skip("not in this variant")
    compare(interpreter, emulators, (case for e in chosen for case in generator.cases(e, FILES[file]))).check_left_out()


@pytest.mark.parametrize("kind", SEQUENCES)
def test_sequences(interpreter: Interpreter, emulators: dict[str, list[str]], kind: str) -> None:
    """Several instructions in a row: one's results are another's operands, accesses fault in the middle."""
    files, length, count = SEQUENCES[kind]
    not_here = NOT_IN_SEQUENCES | NOT_RUN
    encodings = [e for e in encodings_of(interpreter.target, files) if e.instruction not in not_here]
    generator = Generator(interpreter.target, interpreter, random.Random(kind))
    compare(interpreter, emulators, generator.sequences(encodings, count, length)).check_left_out()


@pytest.mark.parametrize("instruction", ROUNDING)
def test_ties(interpreter: Interpreter, emulators: dict[str, list[str]], instruction: str) -> None:
    """To nearest, ties away from zero, which no host has."""
    generator = TieGenerator(interpreter.target, interpreter, random.Random(instruction))
    encodings = [e for e in interpreter.target.encodings if e.instruction == instruction]
    compare(interpreter, emulators, (case for e in encodings for case in generator.cases(e, 1500))).check_left_out()


@pytest.mark.parametrize("model", QEMU_MODELS)
def test_models(target: DescribedTarget, tmp_path: Path, model: str) -> None:
    """What a CPU model does not have is illegal, by encoding."""
    if target.address_width != 64:
        pytest.skip("a model of another variant")
    interpreter = Interpreter(target, model)
    generator = Generator(target, interpreter, random.Random(model))
    chosen = [e for e in target.encodings if e.features]
    commands = emulators_of(interpreter.architecture, tmp_path, target.name, QEMU_MODELS[model], model)
    compare(interpreter, commands, (case for e in chosen for case in generator.cases(e, 10))).check_left_out()
