"""Units made of smaller pieces: their bytes, and which encodings of two units meet."""

from __future__ import annotations

import pytest

from pyqemu.translator.adl.conflicts import common_word, find_conflicts
from pyqemu.translator.adl.errors import DescriptionError
from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.adl.model import build
from pyqemu.translator.adl.parse import parse_text
from pyqemu.translator.target import Unit, alignment

UNITS = """
unit Wide b32 order le of 16
unit Word b32 order le
unit Short b16 order le
address b32
ctx wide: 1
exception undefined()
"""


@pytest.mark.parametrize(
    ("unit", "code"),
    [
        (Unit("a", 32, "le", 32), "44332211"),
        (Unit("a", 32, "be", 32), "11223344"),
        (Unit("a", 32, "le", 16), "22114433"),
        (Unit("a", 32, "be", 16), "11223344"),
        (Unit("a", 16, "le", 16), "4433"),
        (Unit("a", 48, "le", 16), "000022114433"),
    ],
)
def test_bytes(unit: Unit, code: str) -> None:
    data = bytes.fromhex(code)
    word = 0x11223344 & (1 << unit.width) - 1
    assert unit.word_of(data) == word and unit.code_of(word) == data


def insn(name: str, encoding: str) -> str:
    return f'insn {name} {{ enc {encoding}; asm "{name.lower()} {{a}}"; do {{ }} }}\n'


def test_a_narrow_encoding_is_how_a_wide_one_begins() -> None:
    text = UNITS + insn("A", 'Wide "11110 a:11 00000000 00000000" if wide') + insn("B", 'Short "1111 a:12" if wide')
    model = build(parse_text(text))
    a, b = (bound.encoding for bound in model.encodings)
    witness = common_word(a, b)
    assert witness is not None and witness.word >> 27 == 0b11110
    assert len(find_conflicts(model)) == 1
    for apart in (text.replace('"1111 a:12"', '"1110 a:12"'), text.replace('00000000" if wide', '00000000" if !wide')):
        assert not find_conflicts(build(parse_text(apart)))


def test_units_of_one_width_and_other_bytes() -> None:
    """The halves of a word of Word are exchanged in one of Wide."""
    a = insn("A", 'Wide "0001 a:12 0010 000000000000"')
    meets = build(parse_text(UNITS + a + insn("B", 'Word "0010 a:12 0001 000000000000"')))
    assert len(find_conflicts(meets)) == 1
    apart = build(parse_text(UNITS + a + insn("B", 'Word "0001 a:12 0010 000000000000"')))
    assert not find_conflicts(apart)


def test_they_are_assembled_and_aligned_as_pieces() -> None:
    text = UNITS.replace("unit Word b32 order le\n", "") + insn("A", 'Wide "11110 a:27"') + insn("B", 'Short "00 a:14"')
    target = DescribedTarget(build(parse_text(text)))
    (code,) = target.assemble("a 0x1234567")
    assert code.code().hex() == "23f16745" and alignment(target.units) == 2
    assert alignment([target.units[0]]) == 2


def test_pieces_have_to_fit() -> None:
    for text in ("unit U b32 order le of 12", "unit U b32 order le of 24", "unit U b32 order le of 0"):
        with pytest.raises(DescriptionError, match="is not made of"):
            parse_text(text)


def test_a_unit_is_read_under_a_condition() -> None:
    """Its condition is a guard of all its encodings, beside their own."""
    units = """
unit A b16 order le if !wide
unit B b16 order le if wide
address b32
ctx wide: 1
exception undefined()
"""
    text = units + insn("X", 'A "0000 a:12"') + insn("Y", 'B "0000 a:12" if a != 5')
    target = DescribedTarget(build(parse_text(text)))
    cases = (("A", 1, 0, "X"), ("A", 1, 1, None), ("B", 1, 1, "Y"), ("B", 1, 0, None), ("B", 5, 1, None))
    for unit, word, wide, found in cases:
        encoding = target.decode(word, unit, {"wide": wide})
        assert (encoding and encoding.name) == found
    assert len(find_conflicts(build(parse_text(text.replace(" if !wide", ""))))) == 1


@pytest.mark.parametrize("bits", [15, 17])
def test_a_picture_that_no_unit_has(bits: int) -> None:
    with pytest.raises(DescriptionError, match=f"this picture has {bits} bits; the units have 16 and 32"):
        build(parse_text(UNITS + insn("A", f'"a:{bits}"')))
