"""Compares decoding and assembly text with another disassembler over random words.

`check` draws words of each encoding; `sweep` draws words of whole groups, so that what is valid to one side
only is found too. The other side may describe more than we do and has mistakes of its own: a list of `Exempt`
says what is left, and `Compared` how many words that is.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.target import Encoding
from tests.targets.words import random_word

NOTHING: Mapping[str, int] = {}
#: The texts of words at an address, as ours look; None for what is no instruction.
Disassembler = Callable[[Sequence[int], int], Sequence[str | None]]
HERE = 0x123450
#: Of so many words that are described less than one may be exempt.
EXEMPT_OF = 100


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


@dataclass(slots=True)
class Compared:
    """Words that are an encoding's; those of them that are exempt, by reason; UNPREDICTABLE ones, which have no text
    that is right, that are exempt or rejected by the other; disagreements."""

    words: int = 0
    exempt: Counter[str] = field(default_factory=Counter[str])
    unpredictable: int = 0
    wrong: list[Disagreement] = field(default_factory=list[Disagreement])

    def check(self) -> None:
        """AssertionError if there is a disagreement."""
        assert not self.wrong, f"{len(self.wrong)} disagreements:\n" + "\n".join(map(str, self.wrong[:20]))

    def check_exempt(self) -> None:
        """AssertionError if one word in EXEMPT_OF, or more, is exempt; prints the share, and reasons."""
        exempt = self.exempt.total()
        print(f"{self.words:,} words, {exempt} exempt ({exempt / self.words:.2%}):")
        for reason, count in self.exempt.most_common():
            print(f"  {count:6} {reason}")
        print(f"{self.unpredictable} UNPREDICTABLE, and exempt or rejected by the other")
        assert exempt * EXEMPT_OF < self.words

    def compare(
        self,
        target: DescribedTarget,
        words: Sequence[int],
        unit: str,
        other: Disassembler,
        exempt: Sequence[Exempt],
        context: Mapping[str, int] = NOTHING,
    ) -> None:
        """Adds what comes of `words`."""
        for word, theirs in zip(words, other(words, HERE), strict=True):
            encoding, ours = our_text(target, word, unit, HERE, context)
            self.words += encoding is not None
            if ours == theirs:
                continue
            reason = next((e.reason for e in exempt if e.covers(word, ours, theirs)), None)
            if encoding is not None and (reason or theirs is None) and target.unpredictable(encoding, word):
                self.unpredictable += 1
            elif reason is not None:
                self.exempt[reason] += encoding is not None
            else:
                self.wrong.append(Disagreement(word, encoding.name if encoding else "-", ours, theirs))


def check(
    target: DescribedTarget,
    encodings: Iterable[Encoding],
    count: int,
    other: Disassembler,
    exempt: Sequence[Exempt],
    seed: int = 1,
    context: Mapping[str, int] = NOTHING,
    into: Compared | None = None,
) -> Compared:
    """Draws `count` words of each encoding; adds to `into` if that is given."""
    rng = random.Random(seed)
    compared = Compared() if into is None else into
    for encoding in encodings:
        words = [random_word(encoding, rng, context) for _ in range(count)]
        compared.compare(target, words, encoding.unit.name, other, exempt, context)
    return compared


def sweep(
    target: DescribedTarget,
    unit: str,
    mask: int,
    value: int,
    count: int,
    other: Disassembler,
    exempt: Sequence[Exempt],
    seed: int = 1,
) -> Compared:
    """Draws `count` words of a unit with `word & mask == value`."""
    rng = random.Random(seed)
    (width,) = (u.width for u in target.units if u.name == unit)
    words = [value | rng.getrandbits(width) & ~mask for _ in range(count)]
    compared = Compared()
    compared.compare(target, words, unit, other, exempt)
    return compared
