"""Compares decoding and assembly text with another disassembler over random words.

`check` draws words of each encoding; `sweep` draws words of whole groups, so that what is valid to one side
only is found too. The other side may describe more than we do and has mistakes of its own: a list of `Exempt`
says what is left.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.target import Encoding
from tests.targets.words import random_word

NOTHING: Mapping[str, int] = {}
#: The texts of words at an address, as ours look; None for what is no instruction.
Disassembler = Callable[[Sequence[int], int], Sequence[str | None]]
HERE = 0x123450


@dataclass(frozen=True, slots=True)
class Exempt:
    """Words (`word & mask == value`, and `when(ours, theirs)` if given) whose disagreement has a reason."""

    mask: int
    value: int
    reason: str
    when: Callable[[str | None, str | None], bool] | None = None

    def covers(self, word: int, ours: str | None, theirs: str | None) -> bool:
        """Whether this disagreement is expected."""
        return word & self.mask == self.value and (self.when is None or self.when(ours, theirs))


@dataclass(frozen=True, slots=True)
class Disagreement:
    word: int
    encoding: str
    ours: str | None
    theirs: str | None

    def __str__(self) -> str:
        return f"{self.word:08x} {self.encoding}: {self.ours!r}, the other {self.theirs!r}"


def our_text(
    target: DescribedTarget, word: int, unit: str, here: int, context: Mapping[str, int] = NOTHING
) -> tuple[Encoding | None, str | None]:
    """The encoding and the text of a word in a context (0 if nothing is said); no text if it is undefined."""
    context = {variable.name: 0 for variable in target.context} | dict(context)
    encoding = target.decode(word, unit, context)
    if encoding is None or target.undefined(encoding, word, context):
        return encoding, None
    return encoding, target.disassemble(encoding, encoding.fields_of(word), here)


def compare(
    target: DescribedTarget,
    words: Sequence[int],
    unit: str,
    other: Disassembler,
    exempt: Sequence[Exempt],
    context: Mapping[str, int] = NOTHING,
) -> Iterator[Disagreement]:
    """The disagreements that no exemption covers; the other may reject what is UNPREDICTABLE."""
    for word, theirs in zip(words, other(words, HERE), strict=True):
        encoding, ours = our_text(target, word, unit, HERE, context)
        if ours == theirs or any(e.covers(word, ours, theirs) for e in exempt):
            continue
        if encoding is None or theirs is not None or not target.unpredictable(encoding, word):
            yield Disagreement(word, encoding.name if encoding else "-", ours, theirs)


def check(
    target: DescribedTarget,
    encodings: Iterable[Encoding],
    count: int,
    other: Disassembler,
    exempt: Sequence[Exempt],
    seed: int = 1,
    context: Mapping[str, int] = NOTHING,
) -> list[Disagreement]:
    """Draws `count` words of each encoding."""
    rng = random.Random(seed)
    found: list[Disagreement] = []
    for encoding in encodings:
        words = [random_word(encoding, rng, context) for _ in range(count)]
        found += compare(target, words, encoding.unit.name, other, exempt, context)
    return found


def sweep(
    target: DescribedTarget,
    unit: str,
    mask: int,
    value: int,
    count: int,
    other: Disassembler,
    exempt: Sequence[Exempt],
    seed: int = 1,
) -> list[Disagreement]:
    """Draws `count` words of a unit with `word & mask == value`."""
    rng = random.Random(seed)
    (width,) = (u.width for u in target.units if u.name == unit)
    words = [value | rng.getrandbits(width) & ~mask for _ in range(count)]
    return list(compare(target, words, unit, other, exempt))
