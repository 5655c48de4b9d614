"""What architectures' test_long.py are made of: cases in rounds of a seed each, so that a failure names the seed to run
again. `PYQEMU_LONG_ROUNDS` asks for more rounds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from pyqemu.translator.target import Encoding
from tests.targets.harness.command import Generator
from tests.targets.harness.interpreter import Run
from tests.targets.harness.machine import Case

ROUNDS = range(int(os.environ.get("PYQEMU_LONG_ROUNDS", "10")))
#: Encodings whose cases go to an emulator together.
TOGETHER = 20


def each_round(test: Callable[..., None]) -> Callable[..., None]:
    """A test that is run in each round, with its `seed`, and with `-m long` only."""
    return pytest.mark.long(pytest.mark.parametrize("seed", ROUNDS)(test))


@dataclass(frozen=True, slots=True)
class Round:
    """A generator of cases, and what compares them: it raises AssertionError if they disagree."""

    generator: Generator[Any]
    compare: Callable[[Iterable[tuple[Case[Any], Run[Any]]]], None]

    def each(self, encodings: Sequence[Encoding], count: int) -> None:
        """`count` cases of each encoding."""
        for start in range(0, len(encodings), TOGETHER):
            some = encodings[start : start + TOGETHER]
            self.compare(case for e in some for case in self.generator.cases(e, count))

    def sequences(self, encodings: Sequence[Encoding], left_out: Collection[str], count: int, length: int) -> None:
        """`count` sequences of the encodings, but for those of the instructions that are `left_out`."""
        inside = [e for e in encodings if e.instruction not in left_out]
        self.compare(self.generator.sequences(inside, count, length))
