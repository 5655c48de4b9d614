"""Guards: what an instruction does, and that it does nothing where its guard is false."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyqemu.translator.adl.load import DescribedTarget, load
from pyqemu.translator.ir.guarded import constant_guard, guarded
from pyqemu.translator.ir.verifier import verify
from pyqemu.translator.target import Encoding, ShapeLeaf
from tests.translator.adl.elab_support import HERE, MEMORY, leaves, pick, small

TOY = Path(__file__).parents[2] / "targets" / "toy"


@pytest.fixture(scope="module")
def toy() -> DescribedTarget:
    return load(TOY)


def encoding_of(target: DescribedTarget, name: str) -> Encoding:
    return next(encoding for encoding in target.encodings if encoding.name == name)


def test_a_guarded_instruction_does_all_or_nothing() -> None:
    made = small("X[rd] := mem[X[rn], 8]; N := 1; X[rn] := X[rn] + 8", rows="guard Z")
    state = {2: MEMORY}
    done, skipped = made.run(G=state, Z=1), made.run(G=state, Z=0)
    assert done.state["G"][1] == int.from_bytes(bytes(range(8)), "little") and done.state["N"] == [1]
    assert done.state["G"][2] == MEMORY + 8
    assert skipped.state["G"][:3] == [0, 0, MEMORY] and skipped.state["N"] == [0]
    assert skipped.outcome is not None and skipped.outcome.way == "next"


def test_what_is_skipped_does_not_fault_or_raise() -> None:
    load = small("X[rd] := mem[X[rn], 8]", rows="guard Z")
    assert load.run(G={2: 8}, Z=1).fault == (8, "read")
    assert load.run(G={2: 8}, Z=0).fault is None
    trap = small("raise trap(7)", rows="guard X[rn] != 0")
    raised, skipped = trap.run(G={2: 1}).outcome, trap.run(G={2: 0}).outcome
    assert raised is not None and raised.exception == "trap"
    assert skipped is not None and skipped.way == "next"


def test_a_guard_does_not_multiply_shapes() -> None:
    made = small("if f == 3 { X[rd] := X[rn] } else { X[rd] := X[rm] }", rows="guard cond(bits(imm, 2))")
    assert len(made.labels()) == 2
    assert made.guard is not None and len(list(leaves(made.guard))) == 3
    assert made.run({"imm": 0, "f": 3}, G={2: 5, 3: 6}, Z=1).state["G"][1] == 5
    assert made.run({"imm": 0, "f": 1}, G={2: 5, 3: 6}, Z=1).state["G"][1] == 6
    assert made.run({"imm": 0}, G={2: 5, 3: 6}, Z=0).state["G"][1] == 0
    assert made.run({"imm": 1}, G={2: 5, 3: 6}, Z=0).state["G"][1] == 6
    assert made.run({"imm": 2}, G={2: 5, 3: 6}, Z=0).state["G"][1] == 6


def test_a_guard_known_early_costs_nothing() -> None:
    made = small("X[rd] := X[rn]", rows="guard f == 3 ? 1 : mode == 1")
    assert made.guard is not None
    kinds = {leaf.label: constant_guard(leaf.function) for leaf in leaves(made.guard)}
    assert set(kinds.values()) == {0, 1}
    assert made.run({"f": 3}, G={2: 9}).state["G"][1] == 9
    assert made.run({"f": 2}, G={2: 9}).state["G"][1] == 0
    assert made.run({"f": 2}, {"mode": 1}, G={2: 9}).state["G"][1] == 9


def test_the_guard_of_a_branch_is_part_of_it() -> None:
    made = small("X[14] := b(here + 4, 64); goto call here + imm * 4", rows="guard cond(bits(f, 2))")
    assert made.guard is None and len(made.labels()) == 3
    taken, skipped = made.run({"imm": 4}, Z=1), made.run({"imm": 4}, Z=0)
    assert taken.outcome is not None and taken.outcome.address == HERE + 16
    assert taken.state["G"][14] == HERE + 4
    assert skipped.outcome is not None and skipped.outcome.way == "next"
    assert skipped.state["G"][14] == 0


def test_lets_and_given_fields_may_stand_in_a_guard() -> None:
    made = small("X[rd] := b(5, 64)", rows="let low = bits(imm, 1); guard low ? N : X[rm] <u 3")
    assert made.run({"imm": 1}, N=1).state["G"][1] == 5
    assert made.run({"imm": 1}, N=0).state["G"][1] == 0
    assert made.run({"imm": 2}, G={3: 2}).state["G"][1] == 5
    assert made.run({"imm": 2}, G={3: 3}).state["G"][1] == 0


def test_an_undefined_shape_is_undefined_whatever_the_guard_says(toy: DescribedTarget) -> None:
    store = encoding_of(toy, "STORE_if")
    assert toy.undefined(store, 0x38121000) and not toy.undefined(store, 0x3812F000)


def test_functions_made_of_guard_and_body_are_whole(toy: DescribedTarget) -> None:
    seen = 0
    for encoding in toy.encodings:
        guard = toy.guard(encoding)
        if guard is None:
            continue
        for test in leaves(guard):
            for leaf in leaves(toy.shapes(encoding)):
                whole = guarded(test.function, leaf.function)
                verify(whole, toy.functions())
                seen += 1
                known = constant_guard(test.function)
                assert (whole is leaf.function) == (known == 1)
    assert seen > 50


def test_toy_text_and_shapes(toy: DescribedTarget) -> None:
    (code,) = toy.assemble("add.ne r1, r2, r3")
    assert code.word == 0x36123200 and code.encoding.name == "ADD_if"
    add = encoding_of(toy, "ADD_if")
    guard = toy.guard(add)
    assert guard is not None and len(list(leaves(guard))) == 8 and len(list(leaves(toy.shapes(add)))) == 1
    always = pick(guard, add.fields_of(0x36123E00), {})
    assert isinstance(always, ShapeLeaf) and constant_guard(always.function) == 1
    assert toy.guard(encoding_of(toy, "CALL_if")) is None
