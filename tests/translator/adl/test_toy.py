"""The toy architecture: what its words decode to, its text, and the limits of its conditions."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pyqemu.translator.adl.load import DescribedTarget, load
from pyqemu.translator.target import ShapeChoice, ShapeLeaf, ShapeTree

TOY = Path(__file__).parents[2] / "targets" / "toy"


@pytest.fixture(scope="module")
def toy() -> DescribedTarget:
    return load(TOY)


def text(toy: DescribedTarget, word: int, unit: str = "Word", here: int = 0x1000) -> str | None:
    encoding = toy.decode(word, unit, {"trap_div": 0, "lane": 0, "it": 0})
    return None if encoding is None else toy.disassemble(encoding, encoding.fields_of(word), here)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (0x00123C00, "adds r1, r2, r3"),
        (0x01123800, "sub r1, r2, r3"),
        (0x01F23400, "cmp w2, w3"),
        (0x0210FFFF, "add r1, r0, #-1"),
        (0x021F0000, "mov r1, sp"),
        (0x03500009, "movi r5, #9"),
        (0x0450FF00, "movi r5, #0xff"),
        (0x04550000, "mask r5, #0xff00ff"),
        (0x0451FF00, "movi r5, #0xc000003f"),
        (0x05123400, "and r1, r2, r3, lsl #16"),
        (0x05123034, "or r1, r2, r3, rrx"),
        (0x0512300C, "umulh r1, r2, r3"),
        (0x16C10010, "stw r12, [r1, #0x10]"),
        (0x19C1FFF8, "ldsh r12, [r1, #-8]"),
        (0x1C1F2001, "ldp r1, r2, [sp], #8"),
        (0x27FFFFFF, "b 0xffc"),
        (0x21000002, "bne 0x1008"),
        (0x28300010, "bz r3, 0x1004"),
        (0x2B0E0000, "ret"),
        (0x2B010008, "callr r1"),
        (0x30000005, "syscall #5"),
        (0x31000000, "nop"),
        (0x31000001, "hint #1"),
        (0x34100000, "rdtp r1"),
        (0x341C0000, "wrtp r1"),
        (0x40102000, "vadd.8 v1, v0, v2"),
        (0x40102C00, "vadd.64 v1, v0, v2"),
        (0x7F000000, None),
    ],
)
def test_words(toy: DescribedTarget, word: int, expected: str | None) -> None:
    assert text(toy, word) == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (0x8122, "add r2, r2, r4"),
        (0x91FF, "add r1, r1, #-1"),
        (0xA17F, "bz r2, 0xffc"),
        (0xB000, "nop"),
        (0x9100, None),
    ],
)
def test_short_words(toy: DescribedTarget, word: int, expected: str | None) -> None:
    assert text(toy, word, "Short") == expected


def test_given_fields(toy: DescribedTarget) -> None:
    encoding = toy.decode(0x91FF, "Short", {})
    assert encoding is not None and encoding.fields_of(0x91FF) == {"rd": 1, "imm": -1}
    assert list(toy.bound(encoding).given) == ["rn"]


def test_what_is_declared(toy: DescribedTarget) -> None:
    assert [(u.name, u.width, u.order) for u in toy.units] == [("Word", 32, "be"), ("Short", 16, "be")]
    registers = {r.name: r for r in toy.registers}
    assert registers["G"].has_zero and registers["G"].count == 16 and registers["G"].width == 64
    assert [r.name for r in toy.registers if r.is_flag] == ["N", "Z", "C", "V"]
    assert toy.exceptions[toy.undefined_exception].name == "undefined"
    assert toy.exceptions[1].argument_widths == (16,)
    big = next(cpu for cpu in toy.cpus if cpu.name == "big")
    assert big.features == {"crc", "wide"} and ("G", 14, 0x1000) in big.resets


def test_every_encoding_decodes_to_itself(toy: DescribedTarget) -> None:
    rng = random.Random(1)
    for encoding in toy.encodings:
        found: set[str | None] = set()
        for _ in range(200):
            word = rng.getrandbits(encoding.unit.width) & ~encoding.mask | encoding.value
            decoded = toy.decode(word, encoding.unit.name, {})
            found.add(decoded and decoded.name)
        assert encoding.name in found


def test_unpredictable_words(toy: DescribedTarget) -> None:
    load_pair = next(e for e in toy.encodings if e.name == "LOAD_pair")
    assert toy.unpredictable(load_pair, 0x1C131001)
    assert toy.unpredictable(load_pair, 0x1C112001)
    assert not toy.unpredictable(load_pair, 0x1C132001)
    add = next(e for e in toy.encodings if e.name == "ADD_SUB_1")
    assert toy.unpredictable(add, 0x00123200) and not toy.unpredictable(add, 0x00123000)


def leaves(tree: ShapeTree) -> int:
    match tree:
        case ShapeLeaf():
            return 1
        case ShapeChoice():
            return sum(leaves(child) for child in tree.children.values())
        case _:
            return 0


def test_shapes(toy: DescribedTarget) -> None:
    shapes = {encoding.name: leaves(toy.shapes(encoding)) for encoding in toy.encodings}
    assert shapes["DIV"] == 2  # the context decides
    assert shapes["LOAD"] == 7  # four sizes, signed or not; signed 8 bytes is undefined
    assert shapes["VADD"] == 4
    assert shapes["ADD_imm_1"] == 1
    assert sum(shapes.values()) < 200


def test_undefined_words(toy: DescribedTarget) -> None:
    load_signed = next(e for e in toy.encodings if e.name == "LOAD")
    assert toy.undefined(load_signed, 0x1B000000) and not toy.undefined(load_signed, 0x1A000000)
