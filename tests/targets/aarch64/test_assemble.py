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
#: Encodings for which the word printed need not be the first one found, and why.
AMBIGUOUS = {
    "LOGICAL_imm": "bits of immr above the element's size are ignored; mov with a number may also be MOVZ or MOVN",
    "FCMP": "with #0.0 rm is ignored (UNPREDICTABLE if not 0)",
    "FCMP_fp16": "likewise",
    "DUP_general": "bits of imm5 above the lowest 1 are ignored",
    "INS_element": "bits of imm4 below the source's index are ignored",
}


def check(target: DescribedTarget, count: int, seed: str) -> set[str]:
    """`count` words of each encoding; gives the encodings of words that were found, but not first."""
    ambiguous: set[str] = set()
    for encoding in target.encodings:
        for word, found in round_trip(target, encoding, count, HERE, random.Random(f"{seed} {encoding.name}")):
            assert word in found, (encoding.name, hex(word.word))
            if found[0] != word:
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

#: An address after @ is `#…` here, and a place relative to the start for binutils, which takes numbers for offsets.
LINES = """
add x0, x1, x2
add sp, sp, #0x10
add x3, x4, w5, sxtw #2
adds w0, w1, #0xfff, lsl #12
cmp x7, #1
sub x0, x1, x2, lsl #3
neg w1, w2, asr #31
adc x0, x1, x2
and x0, x1, #0xff00ff00ff00ff00
orr w1, w2, #0x7f80
tst x3, #1
bic x0, x1, x2, ror #63
mov x0, #-1
mov w1, #0x10000
mov x2, #0x123400000000
mov x3, #0x5555555555555555
mov x4, x5
mov x6, sp
movk x7, #0xbeef, lsl #48
lsl x0, x1, #63
ubfx w0, w1, #3, #5
bfi x2, x3, #8, #16
sxtw x0, w1
ror w3, w4, #5
madd x0, x1, x2, x3
smull x0, w1, w2
udiv w3, w4, w5
csel x0, x1, x2, ge
cset w0, lo
ccmp x1, #0x1f, #4, ne
rev x0, x1
clz w2, w3
crc32cx w0, w1, x2
b @0x10000
bl @0x100
b.eq @0x40
cbnz x3, @0x8
tbz w4, #3, @0x88
br x16
ret
svc #0x80
adr x0, @0x1234
adrp x1, @0x7000
ldr x0, [x1, #0x7ff8]
ldrsb w2, [x3, w4, uxtw]
str q0, [sp, x1, lsl #4]
ldur x5, [x6, #-0x100]
ldr w7, [x8], #4
strh w9, [x10, #-2]!
ldr x11, @0x4000
ldp x29, x30, [sp], #0x10
stp q0, q1, [x2, #-0x400]!
ldaxr x0, [x1]
stlxp w0, x1, x2, [x3]
dmb ish
mrs x0, tpidr_el0
msr fpcr, x1
dc zva, x2
nop
hint #0x30
fmov d0, #-1.25000000
fmadd s0, s1, s2, s3
fcmp d4, #0.0
fcvtzs x0, d1, #0x10
scvtf s2, w3
fcsel d0, d1, d2, eq
add v0.16b, v1.16b, v2.16b
mla v3.4h, v4.4h, v15.h[7]
sqrshrun2 v0.16b, v1.8h, #8
movi v5.4s, #0x12, msl #8
movi v6.2d, #0xff00ff00ff00ff
fmov v7.2d, #0.50000000
mov v0.s[3], w1
umov w2, v3.b[0xf]
tbl v0.8b, {v31.16b, v0.16b}, v2.8b
ld4 {v30.4s, v31.4s, v0.4s, v1.4s}, [x2], #64
st1 {v3.d}[1], [x4], x5
aesmc v0.16b, v1.16b
pmull2 v0.1q, v1.2d, v2.2d
""".strip().splitlines()


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """binutils' words for LINES, the first one at address 0."""
    if shutil.which("aarch64-linux-gnu-as") is None:
        pytest.skip("needs aarch64-linux-gnu-as")
    folder = tmp_path_factory.mktemp("as")
    source, made, linked, raw = (folder / name for name in ("lines.s", "lines.o", "lines", "lines.bin"))
    lines = [line.replace("@", "_start + ") for line in LINES]
    source.write_text("\n".join([".globl _start", "_start:", *lines]) + "\n")
    subprocess.run(["aarch64-linux-gnu-as", "-march=armv8-a+crc+crypto", "-o", made, source], check=True)
    subprocess.run(["aarch64-linux-gnu-ld", "-Ttext=0", "-o", linked, made], check=True)
    subprocess.run(["aarch64-linux-gnu-objcopy", "-O", "binary", "-j", ".text", linked, raw], check=True)
    code = raw.read_bytes()
    assert len(code) == 4 * len(LINES)
    return [code[at : at + 4] for at in range(0, len(code), 4)]


def test_binutils(target: DescribedTarget, theirs: list[bytes]) -> None:
    """The first word is the one that binutils writes."""
    wrong: list[str] = []
    for number, (line, word) in enumerate(zip(LINES, theirs, strict=True)):
        found = target.assemble(line.replace("@", "#"), 4 * number)[0].code()
        if found != word:
            wrong.append(f"{line}: {found.hex(' ')}, binutils {word.hex(' ')}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ("fadd b0, b1, b2", 6, "expected `s` or `d` or `h` or `,` or `v`, not `b0`"),
        ("add x0, x1, #4096", 14, "4096 must be in 0 .. 4095"),
        ("ldr x0, [x1, #7]", 15, "7 must be a multiple of 8 in 8 .. 32760"),
        ("ldur x0, [x1, #256]", 16, "256 must be in -256 .. 255, without 0"),
        ("ldp w0, w1, [x2, #-260]", 19, "-260 must be a multiple of 4 in -256 .. 252, without 0"),
        ("and w0, w1, #0x123", 14, "291 is not among the values that can be encoded"),
        ("and w0, w1, w2, lsl #40", 22, "40 must be in 1 .. 31"),
        ("b #0x123452", 4, "1193042 must be a multiple of 4 in -0x7edcbb0 .. 0x812344c"),
        ("orr x0, xzr, x1", 1, "this is written `mov x0, x1`"),
        ("ldrr x0, [x1]", 1, "no instruction is called `ldrr`"),
        ("ret x1 x2", 8, "nothing can follow here, there is `x2`"),
    ],
)
def test_messages(target: DescribedTarget, line: str, column: int, message: str) -> None:
    with pytest.raises(AssemblyError) as caught:
        target.assemble(line, HERE)
    assert (caught.value.column, caught.value.message) == (column, message)
