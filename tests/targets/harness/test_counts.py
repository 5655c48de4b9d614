"""What test runs count, and hold to: cases of a round, words that are exempt."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from tests.targets.harness.drawn import Drawn
from tests.targets.harness.long import CASES, EACH, Round
from tests.targets.harness.text import Compared

ENCODINGS: Any = [SimpleNamespace(name="ADD"), SimpleNamespace(name="SUB")]


def round_of(add: int, sub: int, sequences: int, left_out: int = 0, dropped: int = 0) -> Round:
    """A round with so many cases of each."""
    compared = Counter({"ADD": add, "SUB": sub, "sequence": sequences})
    return Round(compared, Counter({"SUB": left_out}), Drawn(dropped=Counter({"endless": dropped})))


def test_a_whole_round() -> None:
    round_of(EACH, EACH, CASES - 2 * EACH, CASES // 100, CASES // 100).check(ENCODINGS)


@pytest.mark.parametrize(
    "wrong",
    [
        round_of(EACH, EACH, CASES - 2 * EACH - 1),
        round_of(EACH, EACH - 1, CASES),
        round_of(EACH, EACH, CASES, CASES // 40),
        round_of(EACH, EACH, CASES, 0, CASES // 40),
    ],
    ids=["few cases", "few of one encoding", "many left out", "many dropped"],
)
def test_a_round_that_falls_short(wrong: Round) -> None:
    with pytest.raises(AssertionError):
        wrong.check(ENCODINGS)


def test_exempt_words() -> None:
    Compared(301, Counter({"one": 1, "another": 2})).check_exempt()
    with pytest.raises(AssertionError):
        Compared(300, Counter({"one": 1, "another": 2})).check_exempt()
