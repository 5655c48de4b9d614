"""Forms: an encoding of one is an encoding in each of its units."""

from __future__ import annotations

import pytest

from pyqemu.translator.adl.conflicts import find_conflicts
from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.adl.model import build
from pyqemu.translator.adl.parse import parse_text

PRELUDE = """
unit A b16 order le if !wide
unit B b16 order le if wide
address b32
ctx wide: 1
exception undefined()
form both {
  A "c:4 010" if c != 15
  B "110 1 01 x"
    with c = 14
}
"""


def target(text: str) -> DescribedTarget:
    """PRELUDE with instructions."""
    model = build(parse_text(PRELUDE + text))
    assert not find_conflicts(model)
    return DescribedTarget(model)


def test_both_units_have_the_encoding() -> None:
    made = target('insn I { enc both "1 a:8"; enc A "1111 a:12" with c = 3; asm "i {c}, {a}"; do { } }')
    first, second, third = made.encodings
    assert [e.name for e in made.encodings] == ["I_1", "I_2", "I_3"]
    assert [e.unit.name for e in made.encodings] == ["A", "B", "A"]
    assert (first.mask, first.value) == (0x0F00, 0x0500)
    assert (second.mask, second.value) == (0xFD00, 0xD500)
    assert made.bound(second).declaration.picture == "110 1 01 x 1 a:8"
    context = {"wide": 0}
    assert made.decode(0x7512, "A", context) is first and made.decode(0xF512, "A", context) is third
    assert made.decode(0xD712, "B", {"wide": 1}) is second
    texts = [made.disassemble(e, e.fields_of(word), 0) for e, word in ((first, 0x7512), (second, 0xD712))]
    assert texts == ["i 7, 18", "i 14, 18"]
    assert third.value == 0xF000


@pytest.mark.parametrize(("x", "mask", "value"), [(0, 0xFF00, 0xD500), (1, 0xFF00, 0xD700)])
def test_a_field_of_the_form_is_fixed(x: int, mask: int, value: int) -> None:
    """It is the encoding's in the other unit, which does not draw it."""
    made = target(f'insn I {{ enc both "1 a:8" with x = {x}; asm "i {{x}}, {{a}}"; do {{ }} }}')
    first, second = made.encodings
    assert (second.mask, second.value) == (mask, value)
    assert {field.name for field in second.fields} == {"a"} and {field.name for field in first.fields} == {"c", "a"}
    assert made.disassemble(first, {"c": 1, "a": 2}, 0) == f"i {x}, 2"


def test_parts_of_a_field_are_fixed() -> None:
    text = PRELUDE.replace("01 x", "x[2] 1 x[1:0]").replace("110 1", "110")
    made = DescribedTarget(build(parse_text(text + 'insn I { enc both "1 a:8" with x = 6; asm "i {a}"; do { } }')))
    assert made.encodings[1].value == 0b1101_1101 << 8
