"""Decoding and assembly text agree with LLVM."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.target import Encoding
from tests.targets.harness.command import encodings_of
from tests.targets.harness.text import Compared, check, sweep
from tests.targets.riscv.exceptions import EXEMPT, EXEMPT_SHORT
from tests.targets.riscv.harness.text import disassembler
from tests.targets.riscv.test_random import FILES

#: Major opcodes of 32-bit instructions.
OPCODES = {
    "load": 0x03, "load-fp": 0x07, "misc-mem": 0x0F, "op-imm": 0x13, "auipc": 0x17, "op-imm-32": 0x1B, "store": 0x23,
    "store-fp": 0x27, "amo": 0x2F, "op": 0x33, "lui": 0x37, "op-32": 0x3B, "madd": 0x43, "msub": 0x47, "nmsub": 0x4B,
    "nmadd": 0x4F, "op-fp": 0x53, "op-v": 0x57, "branch": 0x63, "jalr": 0x67, "jal": 0x6F, "system": 0x73,
}  # fmt: skip
QUADRANTS = range(3)


def compared(target: DescribedTarget, encodings: Iterable[Encoding], count: int) -> Compared:
    """What comes of `count` words of each of the encodings."""
    result = Compared()
    for width, exempt in ((32, EXEMPT), (16, EXEMPT_SHORT)):
        chosen = [encoding for encoding in encodings if encoding.unit.width == width]
        check(target, chosen, count, disassembler(target), exempt, into=result)
    return result


@pytest.mark.parametrize("file", FILES)
def test_each_encoding(target: DescribedTarget, file: str) -> None:
    """300 words of each encoding."""
    compared(target, encodings_of(target, (file,)), 300).check()


def test_few_exceptions(target: DescribedTarget) -> None:
    """Of the whole variant."""
    compared(target, target.encodings, 300).check_exempt()


@pytest.mark.parametrize("opcode", OPCODES)
def test_each_opcode(target: DescribedTarget, opcode: str) -> None:
    """Random words: what is valid to one side only is found too."""
    sweep(target, "I", 0x7F, OPCODES[opcode], 10000, disassembler(target), EXEMPT).check()


@pytest.mark.parametrize("quadrant", QUADRANTS)
def test_each_compressed(target: DescribedTarget, quadrant: int) -> None:
    """All words."""
    result = Compared()
    result.compare(target, range(quadrant, 1 << 16, 4), "C", disassembler(target), EXEMPT_SHORT)
    result.check()
