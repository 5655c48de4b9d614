"""LLVM's texts as ours look; ours."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pyqemu.translator.adl.load import DescribedTarget
from tests.targets.harness import llvm
from tests.targets.harness.text import Disassembler, our_text

EXTENSIONS = (
    "m", "a", "f", "d", "c", "zba", "zbb", "zbc", "zbs", "zfh", "zicond", "zicboz", "zcb", "zfa",
)  # fmt: skip
_ZEXT_B = re.compile(r"andi (\w+, \w+), 255")
_BRANCH = re.compile(r"((?:j|jal|b\w+) (?:\w+, )*)(-?\d+)")


def size(word: int) -> int:
    """Bytes of an instruction."""
    return 4 if word & 3 == 3 else 2


def text_of(target: DescribedTarget, word: int, here: int) -> str:
    """Our text, also of what is undefined."""
    return our_text(target, word, "I" if size(word) == 4 else "C", here)[1] or "undefined"


def disassembler(target: DescribedTarget) -> Disassembler:
    """What gives LLVM's texts; None for what it calls invalid."""

    def texts(words: Sequence[int], here: int) -> list[str | None]:
        codes = (word.to_bytes(size(word), "little") for word in words)
        found = llvm.texts(codes, target.name, EXTENSIONS)
        return [text and _normalise(text, here, target.address_width) for text in found]

    return texts


def _normalise(text: str, here: int, width: int) -> str:
    """With addresses for offsets, and the name of ANDI with 255, which LLVM does not use."""
    text = _ZEXT_B.sub(r"zext.b \1", text)
    branch = _BRANCH.fullmatch(text)
    if branch is None or text.startswith(("bset", "bclr", "binv", "bext")):
        return text
    return f"{branch[1]}{(here + int(branch[2])) & (1 << width) - 1:#x}"
