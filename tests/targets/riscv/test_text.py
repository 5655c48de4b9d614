"""Decoding and assembly text agree with LLVM."""

from __future__ import annotations

import shutil

import pytest

from pyqemu.translator.adl.load import DescribedTarget
from tests.targets.harness.command import encodings_of
from tests.targets.harness.text import check, compare, sweep
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


@pytest.fixture(autouse=True)
def needs_llvm() -> None:
    """Skips where LLVM's disassembler is not installed."""
    if shutil.which("llvm-mc") is None:
        pytest.skip("needs llvm-mc")


@pytest.mark.parametrize("file", FILES)
def test_each_encoding(target: DescribedTarget, file: str) -> None:
    """300 words of each encoding."""
    wrong = []
    for encoding in encodings_of(target, (file,)):
        exempt = EXEMPT if encoding.unit.width == 32 else EXEMPT_SHORT
        wrong += check(target, [encoding], 300, disassembler(target), exempt)
    assert not wrong, "\n".join(map(str, wrong[:20]))


@pytest.mark.parametrize("opcode", OPCODES)
def test_each_opcode(target: DescribedTarget, opcode: str) -> None:
    """Random words: what is valid to one side only is found too."""
    wrong = sweep(target, "I", 0x7F, OPCODES[opcode], 10000, disassembler(target), EXEMPT)
    assert not wrong, "\n".join(map(str, wrong[:20]))


@pytest.mark.parametrize("quadrant", QUADRANTS)
def test_each_compressed(target: DescribedTarget, quadrant: int) -> None:
    """All words."""
    words = range(quadrant, 1 << 16, 4)
    wrong = list(compare(target, words, "C", disassembler(target), EXEMPT_SHORT))
    assert not wrong, "\n".join(map(str, wrong[:20]))
