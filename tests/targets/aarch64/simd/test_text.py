"""Decoding and text of floating-point, AdvSIMD and cryptographic instructions agree with Capstone."""

from __future__ import annotations

import pytest

from pyqemu.translator.adl.load import DescribedTarget
from tests.targets.aarch64.base.exceptions import EXEMPT as EXEMPT_BASE
from tests.targets.aarch64.harness.text import their_texts
from tests.targets.aarch64.simd.exceptions import EXEMPT
from tests.targets.aarch64.simd.test_random import FILES
from tests.targets.harness.text import check, sweep

#: Groups of C4.1 as mask and value.
GROUPS = {
    "scalar": (0x5F000000, 0x1E000000),
    "scalar, three sources": (0x5F000000, 0x1F000000),
    "AdvSIMD": (0x9F000000, 0x0E000000),
    "AdvSIMD, by element and immediate": (0x9F000000, 0x0F000000),
    "AdvSIMD scalar": (0xDF000000, 0x5E000000),
    "AdvSIMD scalar, by element and immediate": (0xDF000000, 0x5F000000),
    "three-register and cryptographic": (0xFE000000, 0xCE000000),
    "loads and stores": (0x2E000000, 0x2C000000),
    "structures": (0xBF000000, 0x0C000000),
    "single structures": (0xBF000000, 0x0D000000),
}


@pytest.mark.parametrize("file", ["fp", "simd_fp", *FILES])
def test_each_encoding(target: DescribedTarget, file: str) -> None:
    """300 words of each encoding."""
    encodings = [e for e in target.encodings if target.bound(e).declaration.span.file.stem == file]
    assert encodings
    check(target, encodings, 300, their_texts, EXEMPT).check()


@pytest.mark.parametrize("group", GROUPS)
def test_each_group(target: DescribedTarget, group: str) -> None:
    """Random words: what is valid to one side only is found too."""
    sweep(target, "A64", *GROUPS[group], 5000, their_texts, EXEMPT).check()


def test_few_exceptions(target: DescribedTarget) -> None:
    """Of all of A64."""
    check(target, target.encodings, 100, their_texts, (*EXEMPT_BASE, *EXEMPT)).check_exempt()
