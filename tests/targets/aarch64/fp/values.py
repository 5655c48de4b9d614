"""States that make floating point take its rare ways.

NaNs of all kinds, values whose results are tiny, too large for a float, an integer or a half, or lie half way
between two results; all modes of FPCR.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.target import Encoding
from tests.targets.aarch64.harness.compare import Mismatch, Report, compare_cases, describe
from tests.targets.aarch64.harness.generate import Generator
from tests.targets.aarch64.harness.interpreter import Interpreter, Run
from tests.targets.aarch64.harness.machine import SIGSEGV, Case, State

RMODE, FZ, DN, AHP = 22, 24, 25, 26
_FRACTION = {16: 10, 32: 23, 64: 52}
_EDGES = {
    16: (0x7D01, 0xFE23, 0x7BFF, 0x03FF, 0x3C01),
    32: (
        0x7F800001, 0xFFA00001, 0x7FC00000, 0xFFC12345, 0x7FFFFF, 0x00800001, 0x7F7FFFFF, 0x3EFFFFFF,
        0x00400000, 0x00200000, 0x477FE000, 0x477FF000, 0x33000000, 0x387FE000, 0x4EFFFFFF,
        0x7E800000, 0x7F000000, 0x1A000000, 0x20000000,
    ),
    64: (
        0x7FF0000000000001, 0xFFF4000000000001, 0x7FF8000000000000, 0xFFF8123456789ABC,
        0x000FFFFFFFFFFFFF, 0x0010000000000001, 0x7FEFFFFFFFFFFFFF, 0x3FDFFFFFFFFFFFFF,
        0x41DFFFFFFFC00000, 0x41EFFFFFFFE00000, 0x47EFFFFFE0000000, 0x47EFFFFFF0000000, 0x380FFFFFE0000000,
        0x36A0000000000000, 0x3690000000000000, 0x40EFFC0000000000, 0x3E70000000000000, 0x7FD0000000000000,
    ),
}  # fmt: skip


def telling_float(rng: random.Random, width: int) -> int:
    """A float's bits: an edge, a power of two, near the least normal one, of middling size, or anything."""
    fraction = _FRACTION[width]
    bias = (1 << (width - fraction - 2)) - 1
    sign = rng.getrandbits(1) << (width - 1)
    match rng.randrange(6):
        case 0:
            return sign ^ rng.choice(_EDGES[width])
        case 1:
            powers = (
                0,
                1,
                2 * bias,
                2 * bias + 1,
                bias - 1,
                bias,
                bias + 1,
                bias + 31,
                bias + 32,
                bias + 63,
                bias + 64,
            )
            return sign | min(rng.choice(powers), 2 * bias + 1) << fraction
        case 2:
            return sign | rng.randrange(3) << fraction | rng.getrandbits(fraction)
        case 3:
            return sign | (bias + rng.randrange(-2, 3)) << fraction | rng.getrandbits(fraction)
        case 4:
            exponent = bias + rng.randrange(-bias // 7, bias // 7)
            return sign | exponent << fraction | rng.getrandbits(fraction)
        case _:
            return rng.getrandbits(width)


@dataclass(slots=True)
class FloatGenerator(Generator):
    """Half of the vectors hold such floats, and FPCR has all its modes."""

    def state(self) -> State:
        """Random registers, modes and flags."""
        rng = self.rng
        fpcr = rng.choice((0, rng.getrandbits(5))) << RMODE & (3 << RMODE | 1 << FZ | 1 << DN | 1 << AHP)
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
    """`count` cases of each encoding in `file`.arch; AssertionError if an emulator gives something else."""
    generator = FloatGenerator(interpreter.target, interpreter, random.Random(file))
    encodings = encodings_of(interpreter.target, file)
    assert encodings
    compare(interpreter, emulators, (c for e in encodings for c in generator.cases(e, count)))


def compare(
    interpreter: Interpreter, emulators: Mapping[str, Sequence[str]], cases: Iterable[tuple[Case, Run]]
) -> None:
    """Runs the cases under each emulator; AssertionError if one gives something else."""
    made = list(cases)
    for name, command in emulators.items():
        report = Report(interpreter.target)
        compare_cases(report, command, made)
        wrong = [mismatch for mismatch in report.mismatches if not _allowed(mismatch)]
        shown = "\n".join(describe(interpreter.target, mismatch) for mismatch in wrong[:5])
        assert not wrong, f"{name}: {len(wrong)} of {len(made)}:\n{shown}"


def _allowed(mismatch: Mismatch) -> bool:
    """Whether only what may differ does.

    FPCR.Len and Stride, which AArch64 state does not use and QEMU keeps; vector registers after a fault, as
    those that a load writes are UNKNOWN then, and QEMU writes them one by one.
    """
    expected, found = mismatch.expected, mismatch.found
    state = replace(found.state, fpcr=found.state.fpcr & ~0x00370000)
    if expected.signal == SIGSEGV:
        state = replace(state, v=expected.state.v)
    return expected == replace(found, state=state)
