"""Views with an element that is no register, such as a program counter among them; tables of several values."""

from __future__ import annotations

import pytest

from pyqemu.translator.adl.errors import DescriptionError
from tests.translator.adl.elab_support import HERE, small

VIEWS = """
view P[i]: b64 = G[i] except 14 reads here + 8 writes goto
view PW[i]: b32 = P[i][31:0] write zext
view PB[i]: b8 = P[i][7:0] write keep
view A[i]: b64 = G[i] except 14 reads here + 8 writes aligned
view T(f)[i] = f == 1 ? P[i] : A[i]
fn aligned(v: b64) { goto v & ~3 }
"""


def test_a_read_depends_on_the_address() -> None:
    add = small("X[rd] := P[rn] + P[rm]", VIEWS)
    assert add.run(G={2: 5, 3: 6}).state["G"][1] == 11
    assert add.run({"rn": 14}, G={3: 6, 14: 999}).state["G"][1] == HERE + 14
    assert add.run({"rn": 14, "rm": 14}).state["G"][1] == 2 * HERE + 16


def test_a_write_is_a_goto() -> None:
    move = small("P[rd] := X[rn] + 1; N := 1", VIEWS)
    assert move.labels() == ["!(rd==14)", "rd==14"]
    assert move.run(G={2: 5}).state["G"][1] == 6
    result = move.run({"rd": 14}, G={2: 0x500})
    assert result.outcome is not None and (result.outcome.way, result.outcome.address) == ("goto", 0x501)
    assert result.state["G"][14] == 0 and result.state["N"] == [1]


def test_a_write_of_an_int_is_a_direct_goto() -> None:
    function = small("P[14] := b(here + 4 * imm, 64)", VIEWS).leaf()
    assert function.blocks[-1].terminator.name == "goto_indirect"
    function = small("P[14] := here + 4 * imm", VIEWS).leaf()
    assert function.blocks[-1].terminator.name == "goto"


def test_a_write_may_be_a_function() -> None:
    move = small("T(f)[rd] := X[rn]", VIEWS)
    for f, expected in ((0, 0x500), (1, 0x503)):
        outcome = move.run({"rd": 14, "f": f}, G={2: 0x503}).outcome
        assert outcome is not None and outcome.address == expected


def test_conditional_writes() -> None:
    move = small("if Z { P[rd] := X[rn] }", VIEWS)
    taken, skipped = move.run({"rd": 14}, G={2: 0x500}, Z=1).outcome, move.run({"rd": 14}, G={2: 0x500}).outcome
    assert taken is not None and taken.address == 0x500
    assert skipped is not None and skipped.way == "next"


def test_parts_and_what_is_made_of_them() -> None:
    move = small("PW[rd] := PW[rn]", VIEWS)
    assert move.run({"rn": 14}).state["G"][1] == HERE + 8
    outcome = move.run({"rd": 14}, G={2: 1 << 32 | 0x500}).outcome
    assert outcome is not None and outcome.address == 0x500
    with pytest.raises(DescriptionError, match="only some bits"):
        small("PB[rd] := PB[rn]", VIEWS)


def test_a_table_of_two_values() -> None:
    table = """operand shifted(t, n, m) -> (b64, b1) {
      0,0,_ "" = (X[m], C); 0,_,_ "" = (X[m] << n, lsr(X[m], 64 - n)[0]); _,_,_ "" = both(X[m]) }
    fn both(x: b64) -> (b64, b1) = (~x, x[63])"""
    made = small("let (v, carry) = shifted(bits(f, 1), bits(imm, 4), rm); X[rd] := v; C := carry", table)
    assert len(made.labels()) == 3
    for fields, expected in (
        ({"imm": 0}, (3 << 62 | 5, 1)),
        ({"imm": 1}, (1 << 63 | 10, 1)),
        ({"imm": 3}, (40, 0)),
        ({"f": 1}, (~(3 << 62 | 5) & (1 << 64) - 1, 1)),
    ):
        state = made.run(fields, G={3: 3 << 62 | 5}, C=1).state
        assert (state["G"][1], state["C"][0]) == expected


def test_a_table_whose_rows_have_too_few_values() -> None:
    with pytest.raises(DescriptionError, match="this row gives b64, but two has 2 results"):
        small("let (a, b) = two(f); X[rd] := a", 'operand two(f) -> (b64, b64) { _ "" = X[f] }')
