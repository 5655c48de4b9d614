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
    "CRC32_1": "has no condition; other values of its field are UNPREDICTABLE",
    "BKPT_1": "likewise",
    "UDF_1": "likewise",
    "LDRD_STRD_immediate_1": "post-indexed with W set is UNPREDICTABLE",
    "LDRD_STRD_register": "likewise",
    "VLDM_VSTM_1": "no register, or more than 32, are UNPREDICTABLE",
    "VLDM_VSTM_3_d32_vfp2": "likewise",
    "VLDM_VSTM_3_vfp2": "likewise",
    "VMOV_shifted_1": "0 is 0 however it is shifted",
    "VMOV_shifted_3": "likewise",
    "VMOV_ones_1": "0xffff is 0xff and ones below it, or ones alone",
}


def check(target: DescribedTarget, count: int, seed: str) -> set[str]:
    """`count` words of each encoding; gives the encodings of A32 words that were found, but not first.

    Many instructions of T32 are narrow or wide, and printed alike.
    """
    ambiguous: set[str] = set()
    for encoding in target.encodings:
        thumb = encoding.unit.name != "A32"
        rng = random.Random(f"{seed} {encoding.name}")
        for word, found in round_trip(target, encoding, count, HERE, rng, {"t": thumb}):
            assert word in found, (encoding.name, hex(word.word))
            if found[0] != word and not thumb:
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

#: An address after @ is `#…` here, and a place relative to the start for binutils.
LINES = """
add r0, r1, r2
adds r0, r1, #0xff
subseq r3, r4, r5, lsl #3
rsb r0, r1, #0
and r0, r1, #0xff00
bic r0, r1, r2, lsr #32
orr r0, r1, r2, rrx
eor r0, r1, r2, ror r3
cmp r0, #0x3fc
tst r0, r1, asr #2
mov r0, r1
mvn r0, #0
lsl r0, r1, #3
asrs r0, r1, r2
movw r0, #0x1234
movtne r0, #0xffff
mul r0, r1, r2
mlas r0, r1, r2, r3
umull r0, r1, r2, r3
smlabt r0, r1, r2, r3
smmlar r0, r1, r2, r3
udiv r0, r1, r2
qdadd r0, r1, r2
uadd8 r0, r1, r2
sel r0, r1, r2
pkhbt r0, r1, r2, lsl #4
sxtab r0, r1, r2, ror #16
uxth r0, r1
ssat r0, #8, r1, asr #3
rev16 r0, r1
bfi r0, r1, #3, #5
ubfx r0, r1, #0x10, #8
crc32cw r0, r1, r2
b @0x10000
blne @0x100
blx @0x100
bx lr
blx r3
svc #0
bkpt #3
udf #7
nop
dmb ish
clrex
mrs r0, apsr
msr apsr_nzcvq, r0
mrc p15, #0, r0, c13, c0, #3
ldr r0, [r1]
ldr r0, [r1, #-4]!
ldrb r0, [r1], #1
str r0, [r1, r2, lsl #2]
ldr r0, [r1, -r2, asr #3]!
ldrsh r0, [r1, #0x10]
strh r0, [r1, -r2]
ldrd r0, r1, [r2, #8]
strd r2, r3, [sp, #-8]!
push {r4, r5, lr}
pop {r4, pc}
ldmdb r0!, {r1, r2, r3}
stmib r0, {r1, r2}
ldrex r0, [r1]
strexd r0, r2, r3, [r4]
ldaexb r0, [r1]
stl r0, [r1]
pld [r0, #-0x10]
vldmia r0!, {d0, d1, d2}
vadd.i32 q0, q1, q2
vmull.s16 q0, d1, d2
vmla.f32 d0, d1, d2[1]
vshr.u8 q0, q1, #3
vmov.i32 q0, #0xff00
vmov.8 d1[3], r2
vdup.16 q0, r1
vtbl.8 d0, {d1, d2}, d3
vld1.8 {d0, d1}, [r0:0x80]!
vld4.16 {d0[1], d2[1], d4[1], d6[1]}, [r0], r2
vst3.32 {d0, d2, d4}, [r1]
aese.8 q0, q1
setend be
sb
vadd.f16 s0, s1, s2
vfnms.f16 s0, s1, s2
vmov.f16 s0, #1.00000000
vcvt.s32.f16 s0, s1
vrinta.f16 s0, s1
vselge.f16 s0, s1, s2
vmovx.f16 s0, s1
vins.f16 s0, s1
vmov.f16 r0, s1
vldr.16 s0, [r1, #6]
vfmal.f16 d0, s1, s2
vfmsl.f16 q0, d1, d2
vfmal.f16 d0, s1, s2[1]
vfmsl.f16 q0, d1, d2[3]
vusdot.s8 q0, q1, q2
vsudot.u8 d0, d1, d2[1]
vsmmla.s8 q0, q1, q2
vusmmla.s8 q0, q1, q2
""".strip().splitlines()


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """binutils' words for LINES, the first one at address 0."""
    if shutil.which("arm-linux-gnueabihf-as") is None:
        pytest.skip("needs arm-linux-gnueabihf-as")
    folder = tmp_path_factory.mktemp("as")
    source, made, linked, raw = (folder / name for name in ("lines.s", "lines.o", "lines", "lines.bin"))
    lines = [line.replace("@", "_start + ").replace("p15, #0", "p15, 0").replace("c0, #", "c0, ") for line in LINES]
    header = [".arm", ".syntax unified", ".arch armv8.6-a", ".arch_extension crypto", ".arch_extension fp16fml"]
    header += [".arch_extension i8mm", ".arch_extension sb"]
    header += [".globl _start", "_start:"]
    source.write_text("\n".join([*header, *lines]) + "\n")
    subprocess.run(["arm-linux-gnueabihf-as", "--no-warn", "-o", made, source], check=True)
    subprocess.run(["arm-linux-gnueabihf-ld", "-Ttext=0", "-o", linked, made], check=True)
    subprocess.run(["arm-linux-gnueabihf-objcopy", "-O", "binary", "-j", ".text", linked, raw], check=True)
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
        ("add r0, r1, #0x101", 14, "257 is not among the values that can be encoded"),
        ("ldr r0, [r1, #4096]", 15, "4096 must be in 1 .. 4095"),
        ("ldmia r0, {r1, r0}", 1, "no instruction is called `ldmia`"),
    ],
)
def test_messages(target: DescribedTarget, line: str, column: int, message: str) -> None:
    with pytest.raises(AssemblyError) as caught:
        target.assemble(line, HERE)
    assert caught.value.column == column and message in caught.value.message
