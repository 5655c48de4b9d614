"""Compares decoding and assembly text with Capstone over random words.

`check` draws words of each encoding; `sweep` draws words of whole groups, so that what is valid to one side
only is found too. Capstone describes a later architecture than ours and has mistakes of its own:
`normalise` evens out spelling, a list of `Exempt` says what is left.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import capstone

from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.target import Encoding
from tests.targets.words import random_word

_CAPSTONE: Any = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM)


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
        return f"{self.word:08x} {self.encoding}: {self.ours!r}, Capstone {self.theirs!r}"


def our_text(target: DescribedTarget, word: int, here: int) -> tuple[str, str | None]:
    """The encoding's name and the text; None if the word is undefined."""
    encoding = target.decode(word, "A64", {})
    if encoding is None:
        return "-", None
    if target.undefined(encoding, word):
        return encoding.name, None
    return encoding.name, target.disassemble(encoding, encoding.fields_of(word), here)


def their_text(word: int, here: int) -> str | None:
    """Capstone's text, evened out; None if it calls the word invalid."""
    for instruction in _CAPSTONE.disasm(word.to_bytes(4, "little"), here):
        return normalise(f"{instruction.mnemonic} {instruction.op_str}".strip())
    return None


def normalise(text: str) -> str:
    """Capstone prints some negative offsets as unsigned 64-bit numbers; here they are signed."""

    def signed(match: re.Match[str]) -> str:
        value = int(match[1], 16) - (1 << 64)
        return f"#{value:#x}" if value < -9 else f"#{value}"

    if "], #" in text:
        text = re.sub(r"#(0xf{8}[0-9a-f]{8})\b", signed, text)
    return text


def compare(
    target: DescribedTarget, words: Iterable[int], exempt: Iterable[Exempt], here: int
) -> Iterator[Disagreement]:
    """The disagreements that no exemption covers; Capstone may reject what is UNPREDICTABLE."""
    exempt = tuple(exempt)
    for word in words:
        name, ours = our_text(target, word, here)
        theirs = their_text(word, here)
        if ours == theirs or any(e.covers(word, ours, theirs) for e in exempt):
            continue
        encoding = target.decode(word, "A64", {})
        if encoding is None or theirs is not None or not target.unpredictable(encoding, word):
            yield Disagreement(word, name, ours, theirs)


def check(
    target: DescribedTarget,
    encodings: Iterable[Encoding],
    count: int,
    exempt: Iterable[Exempt],
    seed: int = 1,
) -> list[Disagreement]:
    """Draws `count` words of each encoding."""
    rng = random.Random(seed)
    exempt = tuple(exempt)
    found: list[Disagreement] = []
    for encoding in encodings:
        words = (random_word(encoding, rng) for _ in range(count))
        found += compare(target, words, exempt, 0x123450)
    return found


def sweep(
    target: DescribedTarget, mask: int, value: int, count: int, exempt: Iterable[Exempt], seed: int = 1
) -> list[Disagreement]:
    """Draws `count` words with `word & mask == value`."""
    rng = random.Random(seed)
    words = (value | rng.getrandbits(32) & ~mask for _ in range(count))
    return list(compare(target, words, exempt, 0x123450))
