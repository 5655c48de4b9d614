"""What a compiler makes of a hundred kernels is described: every word that objdump takes for an instruction."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from pyqemu.translator.adl.load import DescribedTarget
from tests.guests.architectures import A32, ARMEL, ARMHF, Architecture
from tests.guests.freestanding import build
from tests.guests.test_freestanding import SOURCES

#: Units by the digits of the words that objdump writes.
UNITS = {(8,): "A32", (4,): "T16", (4, 4): "T32"}


@pytest.mark.parametrize("guest", [ARMHF, A32, ARMEL], ids=str)
def test_described(target: DescribedTarget, guest: Architecture, tmp_path: Path) -> None:
    """No word is undefined."""
    program = build(guest, SOURCES, tmp_path / "kernels")
    command = [f"{guest.compiler}objdump", "-d", program]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = dict(re.findall(r"(?m)^ *[0-9a-f]+:\t([0-9a-f]+(?: [0-9a-f]+)?) *\t([^.].*)$", text))
    assert len(found) > 2000
    missing: list[str] = []
    for words, line in found.items():
        pieces = words.split()
        unit = UNITS[tuple(len(piece) for piece in pieces)]
        context = {variable.name: 0 for variable in target.context} | {"t": unit != "A32"}
        word = int("".join(pieces), 16)
        encoding = target.decode(word, unit, context)
        if encoding is None or target.undefined(encoding, word, context):
            missing.append(line)
    assert not missing
