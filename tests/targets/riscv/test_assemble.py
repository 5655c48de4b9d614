"""Assembly text read back for every encoding, and lines that binutils' assembler makes the same words of."""

from __future__ import annotations

import random
import shutil
import subprocess

import pytest

from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.errors import AssemblyError
from tests.translator.adl.assembling import round_trip

HERE = 0x123450
#: Encodings for which the word printed need not be the first one found of its size, and why.
AMBIGUOUS = {
    "ADD_3": "c.mv to zero is c.add to it",
    "ADDI_3": "c.li of zero is a nop as c.addi of it",
    "ADDI_4": "addi of sp to itself is c.addi if it can be",
    "FENCE": "fm is as 0 but for 8",
}


def check(target: DescribedTarget, count: int, seed: str) -> set[str]:
    """`count` words of each encoding; gives the encodings of words that were found, but not first of their size."""
    ambiguous: set[str] = set()
    for encoding in target.encodings:
        for word, found in round_trip(target, encoding, count, HERE, random.Random(f"{seed} {encoding.name}")):
            assert word in found, (encoding.name, hex(word.word))
            if next(other for other in found if other.unit == word.unit) != word:
                ambiguous.add(encoding.name)
    return ambiguous


def test_each_encoding(target: DescribedTarget) -> None:
    """20 words of each."""
    assert check(target, 20, "few") == AMBIGUOUS.keys()


@pytest.mark.long
def test_each_encoding_long(target: DescribedTarget) -> None:
    """300 words of each."""
    assert check(target, 300, "many") == AMBIGUOUS.keys()


# --- binutils ------------------------------------------------------------------------------------

#: An address after @ is a number here, and a place relative to the start for binutils.
LINES = """
add a0, a1, a2
addi sp, sp, -2048
addw t0, t1, t2
sext.w a0, a1
lui a0, 0xfffff
auipc gp, 1
li a7, 93
mv s11, t6
not a0, a1
seqz a0, a1
snez a0, a1
sltiu a0, a1, 7
slli a0, a1, 63
sraiw a0, a1, 31
srl a0, a1, a2
neg a0, a1
mulhsu a0, a1, a2
remuw a0, a1, a2
ld a0, -8(sp)
lbu a0, 2047(zero)
sd ra, 8(sp)
lr.d.aq a0, (a1)
sc.w.rl a0, a1, (a2)
amomaxu.d.aqrl a0, a1, (a2)
fence rw, w
fence.i
j @0x10000
jal @0x100
jal t0, @0x800
beqz a0, @0x40
bgeu a0, a1, @0x80
bgtz a0, @0x8
jr t0
jalr t1, 16(a0)
ret
ecall
frcsr a0
fsrmi a0, 1
frflags t0
rdtime a0
sh3add a0, a1, a2
andn a0, a1, a2
rori a0, a1, 5
rev8 a0, a1
bseti a0, a1, 40
cpopw a0, a1
flw fa0, 4(a0)
fsd fs11, -8(sp)
fadd.d fa0, fa1, fa2, rne
fmadd.s ft0, ft1, ft2, ft3
fneg.d fa0, fa1
fmin.s fa0, fa1, fa2
feq.d a0, fa0, fa1
fclass.s a0, fa0
fcvt.w.d a0, fa0, rtz
fcvt.lu.s a0, fa0
fcvt.d.wu fa0, a0
fcvt.s.d fa0, fa1
fmv.x.d a0, fa0
fmv.w.x fa0, a0
""".strip().splitlines()


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """binutils' words for LINES, the first one at address 0."""
    if shutil.which("riscv64-linux-gnu-as") is None:
        pytest.skip("needs riscv64-linux-gnu-as")
    folder = tmp_path_factory.mktemp("as")
    source, made, linked, raw = (folder / name for name in ("lines.s", "lines.o", "lines", "lines.bin"))
    lines = [line.replace("@", "_start + ") for line in LINES]
    source.write_text("\n".join([".globl _start", "_start:", *lines]) + "\n")
    march = "-march=rv64imafd_zicsr_zifencei_zba_zbb_zbs"
    subprocess.run(["riscv64-linux-gnu-as", march, "-o", made, source], check=True)
    subprocess.run(["riscv64-linux-gnu-ld", "--no-relax", "-Ttext=0", "-o", linked, made], check=True)
    subprocess.run(["riscv64-linux-gnu-objcopy", "-O", "binary", "-j", ".text", linked, raw], check=True)
    code = raw.read_bytes()
    assert len(code) == 4 * len(LINES)
    return [code[at : at + 4] for at in range(0, len(code), 4)]


def test_binutils(target: DescribedTarget, theirs: list[bytes]) -> None:
    """The first word is the one that binutils writes."""
    if target.address_width != 64:
        pytest.skip("the lines are RV64's")
    wrong: list[str] = []
    for number, (line, word) in enumerate(zip(LINES, theirs, strict=True)):
        found = target.assemble(line.replace("@", ""), 4 * number)[0].code()
        if found != word:
            wrong.append(f"{line}: {found.hex(' ')}, binutils {word.hex(' ')}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ("addi a0, a1, 2048", 14, "2048 must be in -2048 .. 2047, without 0"),
        ("lw a0, 1(x1)", 10, "not `x1`"),
        ("addi a0, zero, 1", 1, "this is written `li a0, 1`"),
        ("fadd.q fa0, fa1, fa2", 1, "no instruction is called `fadd.q`"),
    ],
)
def test_messages(target: DescribedTarget, line: str, column: int, message: str) -> None:
    with pytest.raises(AssemblyError) as caught:
        target.assemble(line, HERE)
    assert caught.value.column == column and message in caught.value.message
