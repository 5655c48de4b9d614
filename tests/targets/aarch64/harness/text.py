"""Capstone's texts as ours look."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import capstone

from pyqemu.translator.adl.load import DescribedTarget
from tests.targets.harness.text import our_text

_CAPSTONE: Any = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM)


def text_of(target: DescribedTarget, word: int, here: int) -> str:
    """Our text, also of what is undefined."""
    return our_text(target, word, "A64", here)[1] or "undefined"


def their_texts(words: Sequence[int], here: int) -> list[str | None]:
    """Capstone's texts, evened out; None for what it calls invalid."""
    return [_their_text(word, here) for word in words]


def _their_text(word: int, here: int) -> str | None:
    for instruction in _CAPSTONE.disasm(word.to_bytes(4, "little"), here):
        return _normalise(f"{instruction.mnemonic} {instruction.op_str}".strip())
    return None


def _normalise(text: str) -> str:
    """Capstone prints some negative offsets as unsigned 64-bit numbers; here they are signed."""

    def signed(match: re.Match[str]) -> str:
        value = int(match[1], 16) - (1 << 64)
        return f"#{value:#x}" if value < -9 else f"#{value}"

    if "], #" in text:
        text = re.sub(r"#(0xf{8}[0-9a-f]{8})\b", signed, text)
    return text
