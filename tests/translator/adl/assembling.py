"""Words of an encoding, and what assembling their text gives."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.target import CodeWord, Encoding


def random_word(encoding: Encoding, rng: random.Random) -> int:
    """A word with random fields, extremes more often, ignored bits 0 and should-be bits as they should be."""
    fields: dict[str, int] = {}
    for field in encoding.fields:
        most = (1 << field.width) - 1
        value = rng.choice([rng.getrandbits(field.width), rng.getrandbits(field.width), rng.choice([0, 1, most])])
        fields[field.name] = value & most
    return encoding.word_of(fields)


def round_trip(
    target: DescribedTarget,
    encoding: Encoding,
    count: int,
    here: int,
    rng: random.Random,
    given: Mapping[str, int] | None = None,
) -> Iterator[tuple[CodeWord, tuple[CodeWord, ...]]]:
    """`count` words of an encoding that are defined, each with all words that its text at `here` assembles to.

    Context variables that are not given are 0.
    """
    context = {variable.name: 0 for variable in target.context} | dict(given or {})
    made = 0
    while made < count:
        word = random_word(encoding, rng)
        decoded = target.decode(word, encoding.unit.name, context)
        if decoded is encoding and not target.undefined(encoding, word, context):
            text = target.disassemble(encoding, encoding.fields_of(word), here)
            yield CodeWord(word, encoding.unit, encoding), target.assemble(text, here, context)
            made += 1
