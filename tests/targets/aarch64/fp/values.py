"""States that make floating point take its rare ways: telling floats, all modes of FPCR."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.target import Encoding
from tests.targets.aarch64.harness.generate import Generator
from tests.targets.aarch64.harness.interpreter import Interpreter, Run
from tests.targets.aarch64.harness.machine import AARCH64, Case, State
from tests.targets.harness.compare import Mismatch, Report, agree
from tests.targets.harness.machine import SIGBUS, SIGSEGV
from tests.targets.harness.values import telling_float

FZ16, RMODE, FZ, DN, AHP = 19, 22, 24, 25, 26


@dataclass(slots=True)
class FloatGenerator(Generator):
    """Half of the vectors hold such floats, and FPCR has all its modes."""

    def state(self) -> State:
        """Random registers, modes and flags."""
        rng = self.rng
        modes = 1 << FZ16 | 3 << RMODE | 1 << FZ | 1 << DN | 1 << AHP
        fpcr = rng.choice((0, rng.getrandbits(AHP + 1))) & modes
        fpsr = rng.choice((0, 0x0800009F & rng.getrandbits(32)))
        # not super(): Python's zero-argument form does not work in a class that slots made anew
        state = Generator.state(self)
        return replace(state, fpcr=fpcr, fpsr=fpsr, v=tuple(self._telling(value) for value in state.v))

    def _telling(self, value: int) -> int:
        if self.rng.random() < 0.5:
            return value
        width = self.rng.choice((16, 32, 32, 64, 64))
        return sum(telling_float(self.rng, width) << place for place in range(0, 128, width))


def encodings_of(target: DescribedTarget, *files: str) -> list[Encoding]:
    """The encodings in these .arch files."""
    return [e for e in target.encodings if target.bound(e).declaration.span.file.stem in files]


def compare_file(
    interpreter: Interpreter, emulators: Mapping[str, Sequence[str]], file: str, count: int
) -> None:
    """`count` cases of each encoding in `file`.arch; AssertionError if an emulator gives something else, or
    too many are left out."""
    generator = FloatGenerator(interpreter.target, interpreter, random.Random(file))
    encodings = encodings_of(interpreter.target, file)
    assert encodings
    compare(interpreter, emulators, (c for e in encodings for c in generator.cases(e, count))).check_left_out()


def compare(
    interpreter: Interpreter, emulators: Mapping[str, Sequence[str]], cases: Iterable[tuple[Case, Run]]
) -> Report[State]:
    """Runs the cases under each emulator; see `agree`."""
    return agree(interpreter.target, AARCH64, emulators, cases, allowed=_allowed)


def _allowed(emulator: str, mismatch: Mismatch[State]) -> bool:
    """Whether only what may differ does.

    Vector registers after a fault, as those that a load writes are UNKNOWN then, and QEMU writes them one by one. Where
    QEMU accesses memory through %rbp, as some of its helpers for misaligned addresses do (LSE2), an address that is not
    canonical is a fault of the host's stack segment: SIGBUS with SI_KERNEL.
    """
    expected, found = mismatch.expected, mismatch.found
    if emulator == "QEMU" and (expected.signal, found.signal) == (SIGSEGV, SIGBUS) and _beyond(expected.address):
        found = replace(found, signal=SIGSEGV)
    if expected.signal == SIGSEGV:
        found = replace(found, state=replace(found.state, v=expected.state.v))
    return expected == found


def _beyond(address: int) -> bool:
    """Whether 16 bytes at an address, without its tag, are not all in one half of the host's 48-bit addresses."""
    address = (address & (1 << 56) - 1 ^ 1 << 55) - (1 << 55)
    return not any(low <= address <= low + (1 << 47) - 16 for low in (-1 << 47, 0))
