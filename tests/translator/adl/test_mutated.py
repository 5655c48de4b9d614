"""Descriptions with random damage: they are accepted or rejected by DescriptionError, never by another exception."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from pyqemu.translator.adl.check import check_architecture
from pyqemu.translator.adl.errors import DescriptionError
from pyqemu.translator.adl.parse import parse_text

TOY = Path(__file__).parents[2] / "targets" / "toy"
TEXT = "".join((TOY / name).read_text() for name in ("main.arch", "operands.arch", "instructions.arch"))
TEXT = re.sub(r'  use "[^"]*"\n', "", TEXT)
TOKENS = re.findall(r"\w+|\s+|[^\w\s]", TEXT)


def damaged(rng: random.Random) -> str:
    tokens = list(TOKENS)
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(tokens))
        match rng.randrange(4):
            case 0:
                del tokens[place]
            case 1:
                tokens[place] = rng.choice(TOKENS)
            case 2:
                tokens.insert(place, rng.choice(TOKENS))
            case _:
                other = rng.randrange(len(tokens))
                tokens[place], tokens[other] = tokens[other], tokens[place]
    return "".join(tokens)


@pytest.mark.parametrize("seed", range(40))
def test_damage(seed: int) -> None:
    text = damaged(random.Random(seed))
    try:
        check_architecture(parse_text(text))
    except DescriptionError as error:
        for one in error.all():
            lines = text.split("\n")
            assert 1 <= one.span.line <= len(lines)
            assert 1 <= one.span.column <= len(lines[one.span.line - 1]) + 1
            assert str(one)
