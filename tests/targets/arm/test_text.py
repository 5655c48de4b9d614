"""Decoding and assembly text agree with Capstone."""

from __future__ import annotations

import pytest

from pyqemu.translator.adl.load import DescribedTarget
from tests.targets.arm.exceptions import EXEMPT, EXEMPT_THUMB
from tests.targets.arm.harness.text import their_texts, their_thumb_texts
from tests.targets.arm.test_random import FILES
from tests.targets.harness.command import encodings_of
from tests.targets.harness.text import check

CONTEXT = {"t": 0, "big": 0, "it": 0, "fz": 0}


@pytest.mark.parametrize("file", FILES)
def test_each_encoding(target: DescribedTarget, file: str) -> None:
    """300 words of each encoding."""
    encodings = encodings_of(target, (file,))
    a32 = [encoding for encoding in encodings if encoding.unit.name == "A32"]
    thumb = [encoding for encoding in encodings if encoding.unit.name != "A32"]
    assert a32 or thumb
    wrong = check(target, a32, 300, their_texts, EXEMPT, context=CONTEXT)
    wrong += check(target, thumb, 300, their_thumb_texts, EXEMPT_THUMB, context=CONTEXT | {"t": 1})
    assert not wrong, "\n".join(map(str, wrong[:20]))
