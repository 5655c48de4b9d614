"""Random instruction words of an encoding, and words with a field changed."""

from __future__ import annotations

import random
from collections.abc import Mapping

from pyqemu.translator.static import evaluate
from pyqemu.translator.target import Encoding


def random_word(encoding: Encoding, rng: random.Random, context: Mapping[str, int] | None = None) -> int:
    """A word of `encoding` whose guard holds, should-be bits as they should be; with likely extremes."""
    fixed = encoding.mask | encoding.should_mask
    while True:
        word = encoding.value | encoding.should_value | (rng.getrandbits(encoding.unit.width) & ~fixed)
        for field in encoding.fields:
            if field.width == 5 and rng.random() < 0.1:  # register 31 is special
                word = with_field(encoding, word, field.name, 31)
            elif field.width >= 6 and rng.random() < 0.2:
                word = with_field(encoding, word, field.name, rng.choice((0, 1, (1 << field.width) - 1)))
        if encoding.guard == 1 or evaluate(encoding.guard, encoding.fields_of(word), 0, context or {}):
            return word


def with_field(encoding: Encoding, word: int, name: str, value: int) -> int:
    """`word` with field `name` (cut to its width) in place; unchanged if there is no such field."""
    for field in encoding.fields:
        if field.name == name:
            for piece in field.slices:
                mask = (1 << piece.width) - 1
                word = word & ~(mask << piece.source) | (value >> piece.target & mask) << piece.source
    return word


def has_field(encoding: Encoding, name: str) -> bool:
    """Whether the encoding has a field of that name."""
    return any(field.name == name for field in encoding.fields)
