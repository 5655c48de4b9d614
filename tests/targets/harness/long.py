"""What architectures' test_long.py are made of: cases in rounds of a seed each, so that a failure names the seed to run
again. Each round of an instruction set has a tenth of what the ten of them have to come to, and counts it; `-rP` prints
the counts. `PYQEMU_LONG_ROUNDS` asks for more rounds.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from pyqemu.translator.target import Encoding
from tests.targets.harness.command import Generator
from tests.targets.harness.compare import LEFT_OUT_OF, Report
from tests.targets.harness.drawn import Drawn
from tests.targets.harness.interpreter import Run
from tests.targets.harness.machine import Case

ROUNDS = range(int(os.environ.get("PYQEMU_LONG_ROUNDS", "10")))
#: Cases of a round that are compared with QEMU's results, and those among them that are about each encoding alone.
CASES, EACH = 1_000_000 // 10, 200 // 10
#: Encodings whose cases go to an emulator together.
TOGETHER = 20

#: Runs cases under the emulators, and gives QEMU's report; raises AssertionError if they disagree.
Compare = Callable[[Iterable[tuple[Case[Any], Run[Any]]]], Report[Any]]


def each_round(test: Callable[..., None]) -> Callable[..., None]:
    """A test that is run in each round, with its `seed`, and with `-m long` only."""
    return pytest.mark.long(pytest.mark.parametrize("seed", ROUNDS)(test))


@dataclass(slots=True)
class Round:
    """A round of an instruction set: the cases that were compared, by encoding, and those that were left out."""

    compared: Counter[str] = field(default_factory=Counter[str])
    left_out: Counter[str] = field(default_factory=Counter[str])
    drawn: Drawn = field(default_factory=Drawn)

    def each(self, generator: Generator[Any], compare: Compare, encodings: Sequence[Encoding], count: int) -> None:
        """`count` cases of each encoding."""
        for start in range(0, len(encodings), TOGETHER):
            some = encodings[start : start + TOGETHER]
            self._add(generator, compare(case for e in some for case in generator.cases(e, count)))

    def sequences(
        self,
        generator: Generator[Any],
        compare: Compare,
        encodings: Sequence[Encoding],
        left_out: Collection[str],
        count: int,
        length: int,
    ) -> None:
        """`count` sequences of the encodings, but for those of the instructions that are `left_out`."""
        inside = [e for e in encodings if e.instruction not in left_out]
        self._add(generator, compare(generator.sequences(inside, count, length)))

    def _add(self, generator: Generator[Any], report: Report[Any]) -> None:
        self.compared += report.cases - report.left_out
        self.left_out += report.left_out
        self.drawn.add(generator.drawn)
        generator.drawn = Drawn()

    def check(self, encodings: Iterable[Encoding]) -> None:
        """AssertionError if there were too few cases, of one of the encodings too, or too many were left out."""
        compared, left_out = self.compared.total(), self.left_out.total() + self.drawn.dropped.total()
        each = {e.name: self.compared[e.name] for e in encodings}
        least = min(each, key=lambda name: each[name])
        print(f"compared: {compared:,} cases, {sum(each.values()):,} of them about {len(each)} encodings alone")
        print(f"least: {each[least]} of {least}")
        print(f"left out: {left_out} ({left_out / (compared + left_out):.2%}): {self.left_out}, {self.drawn.dropped}")
        print(f"drawn: {self.drawn.words:,} words, {self.drawn.unpredictable:,} UNPREDICTABLE and drawn again")
        assert compared >= CASES
        assert {name: count for name, count in each.items() if count < EACH} == {}
        assert left_out * LEFT_OUT_OF <= compared + left_out
