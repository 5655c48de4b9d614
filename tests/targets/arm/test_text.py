"""Decoding and assembly text agree with Capstone, and with LLVM where Capstone knows nothing."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.target import Encoding
from tests.targets.arm.exceptions import EXEMPT, EXEMPT_THUMB
from tests.targets.arm.harness.text import their_texts, their_thumb_texts
from tests.targets.arm.test_random import FILES
from tests.targets.harness.command import encodings_of
from tests.targets.harness.text import Compared, check

CONTEXT = {"t": 0, "big": 0, "it": 0, "fz": 0}
#: Units by instruction set.
UNITS = {"A32": ("A32",), "T32": ("T16", "T32")}


def compared(target: DescribedTarget, isa: str, encodings: Sequence[Encoding], count: int) -> Compared:
    """What comes of `count` words of each of the encodings that are of an instruction set."""
    chosen = [encoding for encoding in encodings if encoding.unit.name in UNITS[isa]]
    if isa == "A32":
        return check(target, chosen, count, their_texts, EXEMPT, context=CONTEXT)
    return check(target, chosen, count, their_thumb_texts, EXEMPT_THUMB, context=CONTEXT | {"t": 1})


@pytest.mark.parametrize("file", FILES)
def test_each_encoding(target: DescribedTarget, file: str) -> None:
    """300 words of each encoding."""
    encodings = encodings_of(target, (file,))
    assert encodings
    for isa in UNITS:
        compared(target, isa, encodings, 300).check()


@pytest.mark.parametrize("isa", UNITS)
def test_few_exceptions(target: DescribedTarget, isa: str) -> None:
    """Of the whole instruction set."""
    compared(target, isa, target.encodings, 100).check_exempt()
