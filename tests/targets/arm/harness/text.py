"""Capstone's and LLVM's texts as ours look."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import capstone

from pyqemu.translator.adl.load import DescribedTarget
from tests.targets.harness import llvm
from tests.targets.harness.text import our_text

_CAPSTONE: Any = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_ARM | capstone.CS_MODE_V8)
_CAPSTONE_THUMB: Any = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_V8)
#: What LLVM has to be told of.
LLVM_FEATURES = ("fullfp16", "fp16fml", "i8mm", "dotprod", "crypto")
_NAMES = {"sb": "r9", "sl": "r10", "fp": "r11", "ip": "r12"}

_SHIFT = re.compile(r"(?<=, )(lsl|lsr|asr|ror) #(0x[0-9a-f]+)")
_FLOAT = re.compile(r"#(-?\d\.\d+e[+-]\d+)")
_TWO_OPERANDS = re.compile(r"(ands|eors|adcs|sbcs|orrs|bics|(lsl|lsr|asr|ror)s|adds?|subs?) \w+, [^,]+")


def _decimal(shift: re.Match[str]) -> str:
    """Capstone writes most amounts of shifts in decimal."""
    return f"{shift[1]} #{int(shift[2], 16)}"


#: Marks a word as one of T32; of two halves the first one is on top.
THUMB = 1 << 32


def unit_of(word: int) -> str:
    """The unit of a word with its mark."""
    return "A32" if not word & THUMB else "T32" if word >> 27 & 31 > 0b11100 else "T16"


def bytes_of(word: int) -> bytes:
    """The bytes of a word with its mark."""
    match unit_of(word):
        case "A32":
            return word.to_bytes(4, "little")
        case "T32":
            return (word >> 16 & 0xFFFF).to_bytes(2, "little") + (word & 0xFFFF).to_bytes(2, "little")
        case _:
            return (word & 0xFFFF).to_bytes(2, "little")


def text_of(target: DescribedTarget, word: int, here: int) -> str:
    """Our text of a word with its mark, also of what is undefined."""
    context = {"t": 1} if word & THUMB else {}
    return our_text(target, word & THUMB - 1, unit_of(word), here, context)[1] or "undefined"


def their_texts(words: Sequence[int], here: int) -> list[str | None]:
    """Capstone's texts, evened out, or LLVM's of what Capstone does not know; None for what both call invalid."""
    codes = [word.to_bytes(4, "little") for word in words]
    return _or_llvm(codes, [_their_text(_CAPSTONE, code, here) for code in codes], "armv8.6a")


def their_thumb_texts(words: Sequence[int], here: int) -> list[str | None]:
    """Likewise of words of T16 and T32; without .w, as narrow and wide instructions are printed alike here."""
    codes = [bytes_of(word | THUMB) for word in words]
    texts = _or_llvm(codes, [_their_text(_CAPSTONE_THUMB, code, here) for code in codes], "thumbv8.6a")
    return [text and _evened_out(word, text) for word, text in zip(words, texts, strict=True)]


def _or_llvm(codes: Sequence[bytes], texts: list[str | None], triple: str) -> list[str | None]:
    """The texts, those that are missing by LLVM: Capstone has nothing of the newer extensions."""
    missing = [number for number, text in enumerate(texts) if text is None]
    found = llvm.texts((codes[number] for number in missing), triple, LLVM_FEATURES) if missing else []
    for number, text in zip(missing, found, strict=True):
        texts[number] = text and _as_capstone(text)
    return texts


def _as_capstone(text: str) -> str:
    """With numbers as Capstone has them: above 9 hexadecimal, but for amounts of shifts."""
    text = re.sub(r"#(-?)(\d\d+)\b(?!\.)", lambda number: f"#{number[1]}{int(number[2]):#x}", text)
    text = re.sub(_SHIFT, _decimal, text)
    return re.sub(_FLOAT, lambda number: f"#{float(number[1]):.8f}", text)


def _evened_out(word: int, text: str) -> str:
    """With a destination that is the first operand too written twice, immediates unsigned, and #0 left out."""
    text = re.sub(r"\.w\b", "", text).replace("[pc, #0]", "[pc]")
    text = re.sub(r"#-0x([0-9])(?![0-9a-f])", r"#-\1", text)
    if word >> 27 == 0b11110 and not word >> 25 & 1 and not word >> 15 & 1:  # a modified immediate
        text = re.sub(r"#(-\S+)", lambda number: f"#{int(number[1], 16) & 0xFFFFFFFF:#x}", text)
    if _TWO_OPERANDS.fullmatch(text):
        text = re.sub(r" (\w+), ", r" \1, \1, ", text)
    return text


def _their_text(disassembler: Any, code: bytes, here: int) -> str | None:
    for instruction in disassembler.disasm(code, here):
        operands = re.sub(r"\b(sb|sl|fp|ip)\b", lambda name: _NAMES[name[0]], instruction.op_str)
        text = re.sub(_SHIFT, _decimal, f"{instruction.mnemonic} {operands}".strip())
        return re.sub(_FLOAT, lambda number: f"#{float(number[1]):.8f}", text)
    return None
