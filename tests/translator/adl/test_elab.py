"""What statements and expressions mean, on small descriptions run by the IR interpreter."""

from __future__ import annotations

import pytest

from pyqemu.translator.ir.function import Function, Op
from pyqemu.translator.ir.ops import Effect
from tests.translator.adl.elab_support import HERE, MEMORY, small

M64 = (1 << 64) - 1


def ops(function: Function, name: str) -> list[Op]:
    return [op for block in function.blocks for op in block.ops if op.name == name]


# --- registers and views -------------------------------------------------------------------------


def test_reads_and_writes_of_a_view_with_a_zero_index() -> None:
    add = small("X[rd] := X[rn] + imm")
    assert add.run(G={2: 40}).state["G"][1] == 40
    assert add.run({"imm": -1}, G={2: 40}).state["G"][1] == 39
    assert add.run({"rn": 15, "imm": 3}, G={15: 40}).state["G"][1] == 3
    assert add.run({"rd": 15}, G={2: 40}).state["G"][15] == 0


def test_write_policies() -> None:
    assert small("W[rd] := trunc(X[rn], 32)").run(G={1: M64, 2: 7 << 32 | 5}).state["G"][1] == 5
    assert small("H[rd] := trunc(X[rn], 16)").run(G={1: M64, 2: 5}).state["G"][1] == M64 - 0xFFFF + 5
    assert small("X[rd][15:8] := b(0x12, 8)").run(G={1: M64}).state["G"][1] == M64 - 0xFF00 + 0x1200
    assert small("CRlow := b(0x12, 8)").run(CR=0xFFFFFFFF).state["CR"] == [0xFFFFFF12]
    assert small("N := X[rn][63]; CR := W[rn]").run(G={2: 1 << 63 | 6}).state["N"] == [1]


def test_choice_of_a_view_makes_two_shapes() -> None:
    move = small("R(f == 1)[rd] := R(f == 1)[rn]")
    assert move.labels() == ["!(f==1)", "f==1"]
    assert move.run({"f": 1}, G={2: M64}).state["G"][1] == M64
    assert move.run({"f": 0}, G={2: M64}).state["G"][1] == M64 >> 32


def test_reads_see_the_state_before_and_writes_come_in_order() -> None:
    swap = small("X[rd] := X[rn]; X[rn] := X[rd]")
    assert swap.run(G={1: 10, 2: 20}).state["G"][1:3] == [20, 10]
    assert swap.run({"rd": 2}, G={1: 10, 2: 20}).state["G"][1:3] == [10, 20]
    same = small("XS[rd] := b(1, 64); XS[rn] := b(2, 64)")
    assert same.run({"rd": 2}).state["G"][2] == 2
    lanes = small("X[rd] := b(-1, 64); X[rn][7:0] := b(0, 8); H[rd] := b(0x55, 16)")
    assert lanes.run({"rd": 2}).state["G"][2] == M64 - 0xFFFF + 0x55
    assert lanes.run({}, G={2: 0x1FF}).state["G"][1:3] == [M64 - 0xFFFF + 0x55, 0x100]


def test_several_writes_of_one_register_become_one() -> None:
    function = small("X[rd] := X[rn]; X[rd][7:0] := b(1, 8); H[rd] := trunc(X[rm], 16)").leaf()
    assert len(ops(function, "write")) == 1


def test_flag_groups() -> None:
    assert small("NZCV := bits(f, 4)").run({"f": 0b1010}).state["C"] == [1]
    swapped = small("NZCV := cat(V, C, Z, N)").run(N=1, C=1)
    assert [swapped.state[f] for f in "NZCV"] == [[0], [1], [0], [1]]
    assert small("X[rd] := zext(NZCV, 64)").run(N=1, V=1).state["G"][1] == 9


def test_context_is_known_when_code_is_made() -> None:
    assert small("X[rd] := b(mode, 64)").run(ctx={"mode": 3}).state["G"][1] == 3
    assert small("X[rd] := X[rn] >> mode").run(ctx={"mode": 3}, G={2: 80}).state["G"][1] == 10
    result = small("mode := X[rn][1:0]; X[rd] := b(1, 64)").run(G={2: 2})
    assert result.ctx["mode"] == 2 and result.outcome is not None and result.outcome.sync
    by_value = small("if mode == 2 { X[rd] := b(5, 64) }")
    assert by_value.labels() == ["!(mode==2)", "mode==2"]


# --- arithmetic ----------------------------------------------------------------------------------

EXPRESSIONS = [
    ("X[rn] - 1", 41),
    ("-X[rn]", M64 - 41),
    ("~X[rn]", M64 - 42),
    ("X[rn] * 3", 126),
    ("X[rn] | 1", 43),
    ("X[rn] << f", 42 << 5),
    ("X[rn] >> f", 1),
    ("X[rn] << 64", 0),
    ("X[rn] << 70", 0),
    ("asr(-X[rn], 70)", M64),
    ("ror(X[rn], 65)", 21),
    ("ror(X[rn], f)", 42 >> 5 | 10 << 59),
    ("lsl(X[rn], X[rm])", 42 << 3),
    ("lsl(X[rn], trunc(X[rm], 8))", 42 << 3),
    ("zext(lsl(trunc(X[rn], 8), X[rm]), 64)", 80),
    ("zext(lsl(trunc(X[rn], 8), X[rm] << 8), 64)", 0),
    ("zext(ror(trunc(X[rn], 8), X[rm] + 0x500), 64)", 69),
    ("zext(X[rn] == 42, 64)", 1),
    ("zext(X[rn] <u X[rm], 64)", 0),
    ("zext(-X[rn] <s 0, 64)", 1),
    ("zext(X[rm] <=u X[rn], 64)", 1),
    ("X[rn] == 42 ? 7 : X[rm]", 7),
    ("X[rn] == 41 ? 7 : X[rm]", 3),
    ("f == 5 ? X[rn] : mem[X[rm], 8]", 42),
    ("b(f, 64)", 5),
    ("b(imm, 64)", M64 - 5),
    ("X[rn] + imm", 36),
    ("zext(X[rn][3:0], 64)", 10),
    ("zext(X[rn][f], 64)", 1),
    ("zext(X[rn][f + 3:f], 64)", 1),
    ("sext(X[rn][5:0], 64)", M64 - 21),
    ("cat(b(1, 32), b(2, 32))", 1 << 32 | 2),
    ("cat(trunc(X[rn], 60), bits(f, 4))", 42 << 4 | 5),
    ("repl(trunc(X[rn], 8), 8)", 0x2A2A2A2A2A2A2A2A),
    ("b(repl(f, 4, 16), 64)", 0x5555555555555555),
    ("zext(add_carry(X[rn], -1, 0), 64)", 1),
    ("zext(add_overflow(X[rn], X[rm], C), 64)", 0),
    ("udiv(X[rn], X[rm])", 14),
    ("urem(X[rn], 0)", 42),
    ("umulh(X[rn], b(1 << 63, 64))", 21),
    ("smin(X[rn], -1)", M64),
    ("clz(X[rn])", 58),
    ("ctz(X[rn])", 1),
    ("popcount(X[rn])", 3),
    ("bitrev(X[rn])", 0b010101 << 58),
    ("bswap(X[rn])", 42 << 56),
    ("abs(-X[rn])", 42),
    ("trunc(clmul(X[rn], X[rm]), 64)", 42 ^ 84),
    ("b(popcount(f), 64)", 2),
    ("b(log2(f), 64)", 2),
    ("b(min(f, 3), 64)", 3),
    ("b(max(f, 3), 64)", 5),
    ("b(abs(imm), 64)", 6),
    ("zext(TABLE[bits(X[rn][1:0])], 64)", 7),
    ("b(TABLE[f & 3], 64)", 5),
    ("zext(TABLE[f & 3], 64)", 5),
    ("b(POWERS[f & 3], 64)", 10),
    ("b(scale(f & 3), 64)", 2),
    ("b(here + 4 * imm, 64)", HERE - 24),
    ("b(sbits(f, 3), 64)", M64 - 2),
    ("b(f[2:1], 64)", 2),
    ("b(f[0], 64)", 1),
    ("b(imm > 3 ? 1 : 2, 64)", 2),
    ("zext(uadd_sat(trunc(X[rn], 8), 250), 64)", 255),
    ("zext(ssub_sat(trunc(X[rn], 8), -120), 64)", 127),
]


@pytest.mark.parametrize(("text", "expected"), EXPRESSIONS)
def test_expressions(text: str, expected: int) -> None:
    result = small(f"X[rd] := {text}").run({"f": 5, "imm": -6}, G={2: 42, 3: 3})
    assert result.state["G"][1] == expected


VECTORS = [
    ("bits(vec(Q[0], 32) + vec(Q[1], 32))", [11, 22, 33, 44]),
    ("bits(vec(Q[0], 32) + 1)", [2, 3, 4, 5]),
    ("bits(vec(Q[0], 32) * trunc(X[rn], 32))", [42, 84, 126, 168]),
    ("bits(vec(Q[0], 32) << 4)", [16, 32, 48, 64]),
    ("bits(vec(Q[0], 32) << vec(Q[0], 32))", [2, 8, 24, 64]),
    ("bits(vec(Q[1], 32) == 20 ? 1 : vec(Q[0], 32))", [1, 1, 3, 4]),
    ("bits(sext(vec(Q[0], 32) >u 2, 32))", [0, 0, 0xFFFFFFFF, 0xFFFFFFFF]),
    ("bits(splat(W[rn], 4))", [42] * 4),
    ("bits(lanes(i, 4, vec(Q[0], 32)[3 - i]))", [4, 3, 2, 1]),
    ("bits(with_lane(vec(Q[0], 32), 1, 9))", [1, 9, 3, 4]),
    ("bits(shuffle(vec(Q[0], 32), vec(Q[1], 32), [0, 4, 1, 5]))", [1, 10, 2, 20]),
    ("bits(shuffle(vec(Q[0], 32), vec(Q[1], 32), [2 * i for i in 0..4]))", [1, 3, 10, 30]),
    ("bits(vtable(vec(Q[1], 32), vec(Q[0], 32)))", [20, 30, 40, 0]),
    ("bits(-vec(Q[0], 32))", [(1 << 32) - i for i in (1, 2, 3, 4)]),
    ("bits(zext(trunc(vec(Q[1], 32), 8), 32))", [10, 20, 30, 40]),
    ("bits(umax(vec(Q[0], 32), 3))", [3, 3, 3, 4]),
    ("bits(trunc(vec(Q[1], 32), 16) >u 20 ? zext(W[rn], 64)[31:0] : vec(Q[0], 32))", [1, 2, 42, 42]),
]


@pytest.mark.parametrize(("text", "expected"), VECTORS)
def test_vectors(text: str, expected: list[int]) -> None:
    def joined(lanes: list[int]) -> int:
        return sum(lane << (32 * place) for place, lane in enumerate(lanes))

    result = small(f"Q[7] := {text}").run(G={2: 42}, Q={0: joined([1, 2, 3, 4]), 1: joined([10, 20, 30, 40])})
    assert result.state["Q"][7] == joined(expected)


def test_floating_point() -> None:
    one, two, three = 0x3FF0000000000000, 0x4000000000000000, 0x4008000000000000
    assert small("X[rd] := fadd(X[rn], X[rm])").run(G={2: one, 3: two}).state["G"][1] == three
    assert small("X[rd] := fma(X[rn], X[rm], X[rn])").run(G={2: one, 3: two}).state["G"][1] == three
    assert small('X[rd] := ftosi(X[rn], 64, "z")').run(G={2: three}).state["G"][1] == 3
    assert small("X[rd] := sitof(X[rn], 64)").run(G={2: 3}).state["G"][1] == three
    assert small("X[rd] := zext(fcvt(X[rn], 32), 64)").run(G={2: one}).state["G"][1] == 0x3F800000
    assert small("Z := feq(X[rn], X[rm]); N := flt_s(X[rn], X[rm])").run(G={2: one, 3: two}).state["N"] == [1]
    assert small("X[rd] := fdiv(X[rn], X[rm])").run(G={2: one}).flags == 2
    assert small("fp_raise(b(16, 8)); X[rd] := zext(fp_flags(), 64)").run().state["G"][1] == 16


# --- names, loops, functions -----------------------------------------------------------------------


def test_vars_and_loops() -> None:
    total = small("var t = X[rn]; for i in 0..4 { let s = i * 2; t = t + s }; X[rd] := t")
    assert total.run(G={2: 5}).state["G"][1] == 17
    counted = small("var t = 0; for i in 0..f { t = t + i }; X[rd] := b(t, 64)")
    assert counted.run({"f": 5}).state["G"][1] == 10 and len(counted.labels()) == 16


FUNCTIONS = """
fn twice(x: b(n)) -> b(n) = x + x
fn widen(x: b(n), w: int) -> b(w) { return zext(x, w) }
fn both(x: b(n), k: int) -> (b(n), b1) { let r = x + k; N := r <s 0; return (r, r == 0) }
fn pick(k: int, x: b(n)) -> b(n) { if k == 0 { return x } else if k == 1 { return ~x } else { return -x } }
fn lane0(v: v(k, n)) -> b(n) = v[0]
fn factor(s: int) -> int { var r = 1; for i in 0..4 { if s[i] { r = r * (i + 2) } }; return r }
outline fn power(x: b(n), k: int) -> b(n) { var r = b(1, n); for i in 0..k { r = r * x }; return r }
outline fn count(x: b64) -> b64 { CR := CR + 1; if x == 0 { CR := 99 }; return x }
outline fn moded(x: b64) -> b64 = mode == 1 ? x + 1 : x
"""


def test_functions() -> None:
    assert small("X[rd] := twice(X[rn])", FUNCTIONS).run(G={2: 4}).state["G"][1] == 8
    assert small("X[rd] := widen(twice(W[rn]), 64)", FUNCTIONS).run(G={2: 1 << 31}).state["G"][1] == 0
    both = small("let (r, z) = both(X[rn], imm); X[rd] := r; Z := z", FUNCTIONS).run({"imm": -4}, G={2: 4})
    assert (both.state["G"][1], both.state["Z"], both.state["N"]) == (0, [1], [0])
    picked = small("X[rd] := pick(f, X[rn])", FUNCTIONS)
    assert len(picked.labels()) == 3 and picked.run({"f": 9}, G={2: 1}).state["G"][1] == M64
    assert small("X[rd] := lane0(vec(Q[0], 64))", FUNCTIONS).run(Q={0: 7 << 64 | 5}).state["G"][1] == 5


def test_a_function_over_ints_splits_no_shape() -> None:
    factor = small("X[rd] := b(factor(f), 64)", FUNCTIONS)
    assert factor.labels() == [""]
    assert factor.run({"f": 0b1010}).state["G"][1] == 15


def test_outlined_functions() -> None:
    power = small("X[rd] := power(X[rn], 3); W[rm] := power(W[rn], f & 1)", FUNCTIONS)
    assert power.run({"f": 1}, G={2: 5}).state["G"][1:4:2] == [125, 5]
    assert len(power.elaborator.functions()) == 3
    count = small("X[rd] := count(X[rn])", FUNCTIONS)
    assert count.run(CR=4, G={2: 1}).state["CR"] == [5]
    assert count.run(CR=4).state["CR"] == [99]
    moded = small("X[rd] := moded(X[rn])", FUNCTIONS)
    assert moded.run(ctx={"mode": 1}).state["G"][1] == 1
    assert moded.run(ctx={"mode": 2}).state["G"][1] == 0


def test_operand_tables_split_by_row() -> None:
    by_row = small("if cond(f & 3) { X[rd] := b(1, 64) }")
    assert len(by_row.labels()) == 3
    assert by_row.run({"f": 3}).state["G"][1] == 1
    assert by_row.run({"f": 0}, Z=1).state["G"][1] == 1
    assert by_row.run({"f": 1}, Z=1).state["G"][1] == 0


# --- memory --------------------------------------------------------------------------------------


def test_loads_and_stores() -> None:
    assert (
        small("X[rd] := zext(mem[X[rn] + imm, 4], 64)").run({"imm": 4}, G={2: MEMORY}).state["G"][1]
        == 0x07060504
    )
    stored = small("mem[X[rn], scale(f & 3)] := trunc(X[rm], 8 * scale(f & 3))", rows="")
    assert len(stored.labels()) == 4
    assert stored.run({"f": 1}, G={2: MEMORY, 3: 0xABCD}).memory.bytes[MEMORY + 1] == 0xAB
    swapped = small('X[rd] := atomic_rmw("add", X[rn], 8, X[rm])').run(G={2: MEMORY, 3: 1})
    assert swapped.memory.bytes[MEMORY] == 1
    table = 'operand rmw(f) { 0 "add"; 1..7 "swap"; _ "and" }'
    by_table = small("X[rd] := atomic_rmw(rmw(f), X[rn], 8, X[rm])", more=table)
    assert len(by_table.labels()) == 3
    for f, bytes_after in ((0, (1, 2)), (5, (1, 1)), (9, (0, 1))):
        after = by_table.run({"f": f}, G={2: MEMORY, 3: 0x0101}).memory.bytes
        assert (after[MEMORY], after[MEMORY + 1]) == bytes_after
    cas = small("X[rd] := atomic_cas(X[rn], 8, X[rm], b(5, 64))").run(G={2: MEMORY, 3: 0x0706050403020100})
    assert cas.memory.bytes[MEMORY] == 5


def test_big_endian_data() -> None:
    text = "X[rd] := zext(mem[X[rn], 2], 64)"
    from tests.translator.adl.elab_support import Small, describe

    big = Small(describe(text).replace("data order le", "data order be"))
    assert big.run(G={2: MEMORY}).state["G"][1] == 0x0001


def test_data_order_by_context() -> None:
    """The shape splits where the order counts, which it does not for bytes and where the access says it."""
    other = "data order be if mode == 2"
    for text, little, large in (
        ("X[rd] := zext(mem[X[rn], 2], 64)", 0x0100, 0x0001),
        ("X[rd] := zext(mem[X[rn], 1], 64)", 0, 0),
        ("X[rd] := zext(mem[X[rn], 2, be], 64)", 0x0001, 0x0001),
        ("X[rd] := zext(mem[X[rn], 2, le, seqcst], 64)", 0x0100, 0x0100),
        ('X[rd] := zext(atomic_rmw("add", X[rn], 2, b(0, 16)), 64)', 0x0100, 0x0001),
        ("X[rd] := zext(atomic_cas(X[rn], 2, b(0, 16), b(0, 16)), 64)", 0x0100, 0x0001),
    ):
        function = small(text, more=other)
        found = [function.run(ctx={"mode": mode}, G={2: MEMORY}).state["G"][1] for mode in (0, 2, 3)]
        assert found == [little, large, little], text
        assert len(function.labels()) == (1 if little == large or "le" in text else 2)
    stored = small("mem[X[rn], 2] := b(0x1234, 16)", more=other)
    assert [stored.run(ctx={"mode": mode}, G={2: MEMORY}).memory.bytes[MEMORY] for mode in (0, 2)] == [0x34, 0x12]


def test_no_state_is_written_before_the_last_access() -> None:
    body = "X[rn] := X[rn] + 8; N := b(1, 1); X[rd] := mem[X[rn], 8]; X[rm] := mem[X[rn] + 0x100, 8]"
    result = small(body).run(G={2: MEMORY})
    assert result.fault == (MEMORY + 0x100, "read")
    assert result.state["G"][1:4] == [0, MEMORY, 0] and result.state["N"] == [0]
    order = [op for op in small(body).leaf().entry.ops if op.name in ("load", "write")]
    assert [op.name for op in order[:2]] == ["load", "load"]


# --- control -------------------------------------------------------------------------------------


def test_gotos() -> None:
    direct = small("goto call here + imm * 4").run({"imm": -1}).outcome
    assert direct is not None and (direct.way, direct.address, direct.kind) == ("goto", HERE - 4, "call")
    indirect = small("X[rn] := b(here + 4, 64); goto X[rn]").run(G={2: 0x77})
    assert (
        indirect.outcome is not None
        and indirect.outcome.address == 0x77
        and indirect.state["G"][2] == HERE + 4
    )


def test_a_conditional_branch_has_no_state_blocks() -> None:
    branch = small("if Z { goto here + imm * 4 }")
    assert [op.name for op in branch.leaf().entry.ops] == ["read", "branch"]
    taken = branch.run({"imm": 2}, Z=1).outcome
    assert taken is not None and taken.address == HERE + 8
    fell = branch.run({"imm": 2}).outcome
    assert fell is not None and fell.way == "next"


def test_gotos_in_both_branches_and_after() -> None:
    both = small("if Z { goto here + 8 } else { if N { goto X[rn] } }; X[rd] := b(9, 64)")
    for state, address in (({"Z": 1}, HERE + 8), ({"N": 1}, 0x55), ({}, None)):
        result = both.run(**state, G={2: 0x55})  # type: ignore[arg-type]
        assert result.outcome is not None and result.outcome.address == address and result.state["G"][1] == 9


def test_conditional_writes_are_selects() -> None:
    function = small("if Z { X[rd] := X[rn] }").leaf()
    assert len(function.blocks) == 1
    assert small("if Z { X[rd] := X[rn] }").run(G={1: 3, 2: 5}).state["G"][1] == 3
    two = small("if Z { X[rd] := X[rn]; N := b(1, 1) } else { X[rd] := X[rm] }")
    assert len(ops(two.leaf(), "read")) == 4 and len(two.leaf().blocks) == 1
    assert two.run(Z=1, G={2: 5, 3: 6}).state["G"][1] == 5
    assert two.run(Z=0, G={2: 5, 3: 6}).state["G"][1] == 6
    aliased = small("XS[rd] := b(1, 64); if Z { XS[rn] := b(2, 64) } else { XS[rm] := b(3, 64) }")
    assert aliased.run({"rn": 1}, Z=1).state["G"][1] == 2
    assert aliased.run({"rn": 1}, Z=0).state["G"][1:4] == [1, 0, 3]


def test_an_if_with_memory_keeps_its_blocks() -> None:
    body = """
      var status = b(1, 32)
      if X[rn] == TP {
        mem[X[rn], 8] := X[rm]
        status = 0
        if N { X[rm] := mem[X[rn] + 8, 8] }
      }
      W[rd] := status
      TP := b(-1, 64)
    """
    exclusive = small(body)
    done = exclusive.run(TP=MEMORY, N=1, G={1: 9, 2: MEMORY, 3: 0xFF})
    assert done.state["G"][1] == 0 and done.memory.bytes[MEMORY] == 0xFF
    assert done.state["G"][3] == 0x0F0E0D0C0B0A0908 and done.state["TP"] == [M64]
    quiet = exclusive.run(TP=MEMORY, G={1: 9, 2: MEMORY, 3: 0xFF})
    assert quiet.state["G"][3] == 0xFF
    failed = exclusive.run(G={1: 9, 2: MEMORY, 3: 0xFF})
    assert failed.state["G"][1] == 1 and failed.memory.bytes[MEMORY] == 0 and failed.state["G"][3] == 0xFF
    for block in exclusive.leaf().blocks:
        writes = [place for place, op in enumerate(block.ops) if Effect.WRITES_STATE in op.spec.effects]
        accesses = [place for place, op in enumerate(block.ops) if Effect.LOADS in op.spec.effects]
        assert not writes or not accesses or min(writes) > max(accesses)


def test_raise_leaves_at_once() -> None:
    check = small("X[rd] := b(1, 64); if X[rn] == 0 { raise trap(f) }; X[rm] := b(2, 64)")
    raised = check.run({"f": 7})
    assert raised.outcome is not None and raised.outcome.exception == "trap" and raised.outcome.values == (7,)
    assert raised.state["G"] == [0] * 16
    assert check.run(G={2: 1}).state["G"][1:4] == [1, 1, 2]
    always = small("raise trap(1); X[rd] := b(1, 64)")
    assert [op.name for op in always.leaf().entry.ops] == ["const", "raise"]


def test_isync_comes_after_the_writes() -> None:
    result = small("isync(); X[rd] := b(1, 64)")
    assert [op.name for op in result.leaf().entry.ops][-3:] == ["write", "isync", "next"]
