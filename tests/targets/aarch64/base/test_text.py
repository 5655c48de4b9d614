"""Decoding and assembly text of the base instructions agree with Capstone."""

from __future__ import annotations

import pytest

from pyqemu.translator.adl.load import DescribedTarget
from tests.targets.aarch64.base.exceptions import EXEMPT
from tests.targets.aarch64.harness.text import their_texts
from tests.targets.harness.text import check, sweep

FILES = ("dp_immediate", "dp_register", "flags", "branch", "loadstore", "atomic", "lse", "system", "crc")
#: Groups of C4.1 as mask and value; SIMD&FP (op0 x111, and loads and stores with V = 1) are not ours.
GROUPS = {
    "data processing, immediate": (0x1C000000, 0x10000000),
    "data processing, register": (0x0E000000, 0x0A000000),
    "branches, exceptions, system": (0x1C000000, 0x14000000),
    "exception generation": (0xFF000000, 0xD4000000),
    "hints and barriers": (0xFFFFF000, 0xD5032000),
    "barriers": (0xFFFFF000, 0xD5033000),
    "system": (0xFF000000, 0xD5000000),
    "registers of EL0": (0xFFDF0000, 0xD51B0000),
    "branch to register": (0xFE000000, 0xD6000000),
    "loads and stores": (0x0E000000, 0x08000000),
    "exclusives": (0x3F000000, 0x08000000),
}


@pytest.mark.parametrize("file", FILES)
def test_each_encoding(target: DescribedTarget, file: str) -> None:
    """300 words of each encoding."""
    encodings = [e for e in target.encodings if target.bound(e).declaration.span.file.stem == file]
    assert encodings
    check(target, encodings, 300, their_texts, EXEMPT).check()


@pytest.mark.parametrize("group", GROUPS)
def test_each_group(target: DescribedTarget, group: str) -> None:
    """Random words: what is valid to one side only is found too."""
    sweep(target, "A64", *GROUPS[group], 5000, their_texts, EXEMPT).check()
