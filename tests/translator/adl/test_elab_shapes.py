"""Shapes: where an encoding splits, into what, and what is decided without a split."""

from __future__ import annotations

import pytest

from pyqemu.translator.adl.errors import DescriptionError
from pyqemu.translator.adl.knowledge import Knowledge
from pyqemu.translator.adl.model import build
from pyqemu.translator.adl.parse import parse_text
from pyqemu.translator.ir.function import Function
from pyqemu.translator.static import Apply, Ctx, Field, Here, StaticExpr, apply, evaluate
from pyqemu.translator.target import ShapeChoice, ShapeLeaf, ShapeTree, Undefined
from tests.translator.adl.elab_support import FIELDS, describe, small


def expressions(tree: ShapeTree) -> list[StaticExpr]:
    if not isinstance(tree, ShapeChoice):
        return []
    return [tree.expr] + [expr for child in tree.children.values() for expr in expressions(child)]


def test_what_is_only_filled_in_splits_nothing() -> None:
    assert small("X[rd] := (X[rn] << f) + imm * 8; Z := bits(f, 1)").labels() == [""]


def test_a_split_on_a_function_of_one_field_is_a_split_on_the_field() -> None:
    sized = small("mem[X[rn], 1 << f] := trunc(X[rm], 8 << f)", rows="undef if f > 3")
    assert isinstance(sized.tree, ShapeChoice)
    assert expressions(sized.tree)[1] == Field("f", 4)
    assert (
        sized.labels() == ["!(f>3),f=0", "!(f>3),f=1", "!(f>3),f=2", "!(f>3),f=3"] or len(sized.labels()) == 4
    )


def test_a_comparison_splits_in_two_and_pins_what_follows() -> None:
    tested = small("if f == 3 { X[rd] := b(f, 64) } else { X[rd] := b(7, 64) }")
    assert len(tested.labels()) == 2
    assert not any(op.name == "hole" for op in tested.leaf(f=3).entry.ops)


def test_decisions_that_follow_from_others_are_not_made_again() -> None:
    body = "if f == 0 { X[rd] := b(1, 64) } else if f != 0 { X[rd] := b(2, 64) } else { X[rd] := b(3, 64) }"
    assert len(small(body).labels()) == 2
    guarded = small("if f == 0 { X[rd] := b(1, 64) }", rows="undef if f == 0")
    assert len(guarded.labels()) == 1


def test_guards_are_facts() -> None:
    text = describe("X[rd] := b(1, 8 << f)", "").replace('imm:s8"', 'imm:s8" if f < 2')
    with pytest.raises(DescriptionError) as caught:
        small_text(text)
    assert "b16 is" in str(caught.value) or "b8" in str(caught.value)
    table = describe("X[rd] := b(only(f), 64)", "operand only(i) -> int { 0 = 5; 1 = 6 }")
    small_text(table.replace('imm:s8"', 'imm:s8" if f < 2'))
    with pytest.raises(DescriptionError, match="no row of only matches"):
        small_text(table)


def small_text(text: str) -> object:
    from tests.translator.adl.elab_support import Small

    return Small(text)


def test_undefined_shapes() -> None:
    rows = "undef if f == 3\n unpred if rd == rn -> undef\n unpred if rd == rm -> ignore"
    rules = small("X[rd] := X[rn]", rows=rows)
    assert isinstance(rules.elaborator.lift(rules.encoding, {**FIELDS, "f": 3}, {}), Undefined)
    assert isinstance(rules.elaborator.lift(rules.encoding, {**FIELDS, "rd": 2}, {}), Undefined)
    assert isinstance(rules.elaborator.lift(rules.encoding, {**FIELDS, "rd": 3}, {}), Function)
    assert len(rules.labels()) == 1


def test_an_encoding_that_is_always_undefined() -> None:
    assert isinstance(small("X[rd] := X[rn]", rows="undef if f >= 0").tree, Undefined)


def test_the_limit_names_the_culprit() -> None:
    body = "if rn == 1 { X[rd] := b(1, 64) }; for i in 0..imm { X[rd] := b(i, 64) }"
    limited = describe(body, "limit shapes 20")
    with pytest.raises(DescriptionError) as caught:
        small_text(limited)
    assert "more than 20 shapes" in caught.value.message and "256 values" in caught.value.message
    line = limited.split("\n")[caught.value.span.line - 1]
    assert line[caught.value.span.column - 1 :].startswith("imm")


def test_lifted_code_knows_everything_but_its_address() -> None:
    made = small("X[rd] := X[rn] + imm; if f == 2 { goto here + imm }; X[rm] := b(mode, 64)")
    function = made.elaborator.lift(
        made.encoding, {**FIELDS, "rd": 15, "rn": 15, "f": 2, "imm": 6}, {"mode": 1}
    )
    assert isinstance(function, Function)
    used = [op for block in function.blocks for op in block.ops]
    assert not [op for op in used if op.name == "hole"]
    assert [op.attrs for op in used if op.name == "write"] == [{"reg": "G", "index": 3, "zero": None}]
    assert used[-1].attrs["target"] == Apply("bits", (Apply("add", (Here(64), 6)), 64))


def test_several_encodings_share_one_body() -> None:
    first, second = "00000001 rd:4 rn:4 0000 w 000 imm:8", "00000010 rd:4 rn:4 0000 0000 imm:8"
    more = f'insn J {{ enc "{first}"\n enc "{second}" with w = 1\n'
    made = small("X[rd] := X[rn]", more + ' asm "j"\n do { R(w)[rd] := w ? X[rn] + imm : W[rn] - imm }\n}')
    two = [bound.encoding for bound in made.model.encodings if bound.encoding.instruction == "J"]
    trees = [made.elaborator.shapes(encoding) for encoding in two]
    assert isinstance(trees[0], ShapeChoice) and isinstance(trees[1], ShapeLeaf)


def test_knowledge_finds_what_follows() -> None:
    a, b = Field("a", 3), Field("b", 3)
    start = Knowledge({}, ((apply("le", a, b), 1),))
    split = start.split(apply("eq", a, 7))
    assert split is not None
    assert split.children[1].pins == {a: 7, b: 7}
    assert split.children[0].bounds(a) == (0, 6)
    by_field = start.split(apply("mul", a, 5))
    assert by_field is not None and by_field.expr == a
    assert start.split(Field("wide", 30)) is None
    yes_or_no = start.split(apply("eq", Field("wide", 30), 3))
    assert yes_or_no is not None and list(yes_or_no.children) == [0, 1]
    context = start.split(apply("bits", Ctx("mode", 2), 1))
    assert context is not None and list(context.children) == [0, 1]


def test_features_that_a_table_names() -> None:
    """An encoding for each set of features; each word is one's."""
    table = 'feature a, b, c\n operand by(g) { 0 "a"; 1 "a, b"; 2 "" }'
    bound = build(parse_text(describe("X[rd] := X[rn]", table, rows="needs c; needs by(f & 3)"))).encodings
    encodings = [one.encoding for one in bound]
    assert [sorted(one.features) for one in encodings] == [["a", "c"], ["a", "b", "c"], ["c"], ["c"]]
    for f in range(16):
        holds = [number for number, one in enumerate(encodings) if evaluate(one.guard, FIELDS | {"f": f})]
        assert holds == [f & 3]
