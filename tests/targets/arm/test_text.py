"""Decoding and assembly text agree with Capstone."""

from __future__ import annotations

import pytest

from pyqemu.translator.adl.load import DescribedTarget
from tests.targets.arm.exceptions import EXEMPT
from tests.targets.arm.harness.text import their_texts
from tests.targets.arm.test_random import FILES
from tests.targets.harness.command import encodings_of
from tests.targets.harness.text import check


@pytest.mark.parametrize("file", FILES)
def test_each_encoding(target: DescribedTarget, file: str) -> None:
    """300 words of each encoding."""
    encodings = encodings_of(target, (file,))
    assert encodings
    wrong = check(target, encodings, 300, their_texts, EXEMPT)
    assert not wrong, "\n".join(map(str, wrong[:20]))
