"""Lifted regions: what they do on the interpreter, where they poll, and what they leave behind."""

from __future__ import annotations

import pytest

from pyqemu.translator.ir.function import Function, Op
from pyqemu.translator.ir.interp import Environment, GuestFault, Outcome, SparseMemory, run
from pyqemu.translator.ir.verifier import verify
from pyqemu.translator.lift.region import Region
from tests.translator.lift.support import FENCE_I, SYSCALL, lifted, traced
from tests.translator.program.toy import (
    ALWAYS,
    LINK,
    NOP,
    RETURN,
    TOY,
    ZERO,
    add,
    add_imm,
    branch,
    branch_zero,
    call,
    compare,
    jump,
    load_from,
    movi,
)

ORIGIN = 0x40000
POWER = 0x07110300  # power r1, r1, #3
MEMORY = 0x9000


def ops(function: Function, name: str) -> list[Op]:
    """All operations of a name."""
    return [op for block in function.blocks for op in block.ops if op.name == name]


def enter(
    region: Region, entry: int = 0, registers: dict[int, int] | None = None, *, polled: bool = False
) -> tuple[Outcome, list[int]]:
    """How the region is left, and the general registers then."""
    verify(region.function)
    state = {r.name: [0] * r.count for r in TOY.registers}
    for index, value in (registers or {}).items():
        state["G"][index] = value
    env = Environment(
        here=ORIGIN, memory=SparseMemory({MEMORY: bytes(range(16))}), functions=TOY.functions(), entry=entry
    )
    env.poll = lambda: polled
    return run(region.function, state, env), state["G"]


def test_a_loop_counts() -> None:
    """r2 += r1 for r1 = 5 … 1."""
    region = lifted(branch_zero(1, 4), add(2, 2, 1), add_imm(1, 1, -1), branch(ALWAYS, -3), jump(3))
    outcome, general = enter(region, registers={1: 5, 3: 0x1234})
    assert (outcome.way, outcome.address, general[2]) == ("goto", 0x1234, 15)


def test_entries_lead_to_their_instructions() -> None:
    region = lifted(movi(1, 7), movi(2, 8), jump(3), entries=(0, 4))
    assert enter(region, 0)[1][1:3] == [7, 8]
    assert enter(region, 4)[1][1:3] == [0, 8]


def test_exits_are_addresses_in_the_module() -> None:
    assert enter(lifted(branch(ALWAYS, 64)))[0].address == ORIGIN + 256
    assert enter(lifted(branch(ALWAYS, -64)))[0].address == ORIGIN - 256
    outcome, general = enter(lifted(NOP, call(64)))
    assert (outcome.address, outcome.kind, general[LINK]) == (ORIGIN + 260, "call", ORIGIN + 8)


def test_falls_off_its_end() -> None:
    """To what it may not have: code that regions do not do."""
    outcome, _ = enter(lifted(NOP, FENCE_I))
    assert (outcome.way, outcome.address) == ("goto", ORIGIN + 4)


def test_an_exception_is_its_instructions() -> None:
    outcome, _ = enter(lifted(NOP, SYSCALL, RETURN))
    assert (outcome.exception, outcome.address, outcome.values) == ("syscall", ORIGIN + 4, (1,))


def test_a_fault_tells_its_instruction() -> None:
    region = lifted(NOP, load_from(1, 2, 8), NOP, load_from(1, 3, 8), RETURN)
    with pytest.raises(GuestFault) as caught:
        enter(region, registers={2: MEMORY, 3: 0x10})
    assert (caught.value.pc, caught.value.address) == (ORIGIN + 12, 0x10)
    assert [op.attrs["state"] for op in ops(region.function, "at")] == [(), ()]


def test_calls_inside() -> None:
    """The function at 16 is called twice and returns to either place."""
    words = (call(4), call(3), jump(3), NOP, add_imm(1, 1, 1), RETURN)
    region = lifted(*words, entries=(0, 16))
    outcome, general = enter(region, registers={3: 0x77})
    assert (outcome.address, general[1]) == (0x77, 2)
    outcome, general = enter(region, 16, registers={LINK: 0x88})  # called from elsewhere
    assert (outcome.address, outcome.kind, general[1]) == (0x88, "return", 1)


def test_polls_at_entries_and_heads_of_loops() -> None:
    region = lifted(NOP, branch_zero(1, 0), NOP, SYSCALL, RETURN)
    assert traced(NOP, branch_zero(1, 0), NOP, SYSCALL, RETURN).loop_heads == {4}
    assert len(ops(region.function, "poll")) == len(region.entries) == 3
    for entry in region.entries:
        outcome, _ = enter(region, entry, polled=True)
        assert (outcome.way, outcome.address) == ("leave", ORIGIN + entry)


def test_the_zero_register() -> None:
    """Reads are constants, and writes are nothing; as an address the same number is the stack pointer."""
    region = lifted(add(ZERO, 1, ZERO), add_imm(1, ZERO, 2), jump(3))
    assert enter(region, registers={ZERO: 40})[1][1] == 42
    written = [(op.attrs["reg"], op.attrs["index"]) for op in ops(region.function, "write")]
    assert written == [("G", 1)]
    assert all(op.attrs["zero"] is None for op in ops(region.function, "read"))


def test_flags_pass_from_block_to_block() -> None:
    region = lifted(compare(1, 2), branch(0, 2), movi(4, 1), jump(3))
    assert enter(region, registers={1: 3, 2: 3})[1][4] == 0
    assert enter(region, registers={1: 3, 2: 4})[1][4] == 1


def test_registers_that_outlined_functions_use_are_shared() -> None:
    region = lifted(POWER, jump(3))
    assert region.shared == ("COUNT",)
    assert enter(region, registers={1: 3})[1][1] == 27
    assert lifted(NOP, jump(3)).shared == ()


def test_ranges_of_guest_code() -> None:
    region = lifted(branch_zero(1, 3), branch(ALWAYS, 3), NOP, RETURN, RETURN)
    assert region.ranges == ((0, 8), (12, 8))
    assert region.instructions == 4


#: if eq: r1 = r2 + r3; if eq: r1 = the doubleword at r2; if eq: goes to where the doubleword at r2 says; stops if ne.
ADD_EQ, LOAD_EQ, JUMP_EQ, STOP_NE = 0x36123000, 0x37120000, 0x3B020000, 0x3C220000


def enter_with_z(region: Region, z: int, registers: dict[int, int]) -> tuple[Outcome, list[int]]:
    verify(region.function)
    state = {r.name: [0] * r.count for r in TOY.registers} | {"Z": [z]}
    for index, value in registers.items():
        state["G"][index] = value
    memory = SparseMemory({MEMORY: (0x5678).to_bytes(8, "little")})
    return run(region.function, state, Environment(here=ORIGIN, memory=memory)), state["G"]


def test_guards_are_branches() -> None:
    region = lifted(ADD_EQ, jump(4))
    assert enter_with_z(region, 1, {2: 5, 3: 6, 4: 0x99})[1][1] == 11
    outcome, general = enter_with_z(region, 0, {2: 5, 3: 6, 4: 0x99})
    assert (outcome.address, general[1]) == (0x99, 0)


def test_a_guarded_access_faults_only_where_it_is_done() -> None:
    region = lifted(LOAD_EQ, jump(4))
    assert enter_with_z(region, 1, {2: MEMORY})[1][1] == 0x5678
    assert enter_with_z(region, 0, {2: 8, 4: 0x99})[0].address == 0x99
    with pytest.raises(GuestFault) as fault:
        enter_with_z(region, 1, {2: 8})
    assert fault.value.pc == ORIGIN


def test_guarded_instructions_that_leave() -> None:
    region = lifted(NOP, JUMP_EQ, STOP_NE, jump(4))
    assert enter_with_z(region, 1, {2: MEMORY})[0].address == 0x5678
    outcome, _ = enter_with_z(region, 0, {2: 8})
    assert (outcome.way, outcome.exception, outcome.address) == ("raise", "stop", ORIGIN + 8)


def test_what_comes_behind_a_guarded_exception_is_an_entry() -> None:
    assert traced(STOP_NE, NOP, jump(4)).entries == (0, 4)


# --- contexts that change from one instruction to the next ---------------------------------------


def if_(condition: int, count: int) -> int:
    """Makes the next `count` instructions conditional."""
    return 0x3E000000 | condition << 21 | count << 19


EQUAL, NOT_EQUAL = 0, 1


def run_with_z(region: Region, z: int, registers: dict[int, int]) -> tuple[Outcome, list[int], dict[str, int]]:
    """How the region is left, the general registers and the context then."""
    verify(region.function)
    state = {r.name: [0] * r.count for r in TOY.registers} | {"Z": [z]}
    for index, value in registers.items():
        state["G"][index] = value
    env = Environment(here=ORIGIN, memory=SparseMemory({MEMORY: bytes(range(16))}), ctx={"it": 0})
    try:
        outcome = run(region.function, state, env)
    except GuestFault as fault:
        outcome = Outcome("fault", fault.pc)
    return outcome, state["G"], dict(env.ctx)


def test_the_context_steps_through_a_region() -> None:
    region = lifted(if_(EQUAL, 2), add_imm(1, 2, 1), add_imm(2, 1, 5), add_imm(3, 3, 1), jump(4))
    for z, expected in ((1, [0, 21, 26, 1]), (0, [0, 0, 20, 1])):
        outcome, general, ctx = run_with_z(region, z, {2: 20, 4: 0x99})
        assert (outcome.address, general[:4], ctx) == (0x99, expected, {"it": 0})


def test_a_fault_shows_the_context() -> None:
    region = lifted(if_(EQUAL, 3), add_imm(1, 2, 1), load_from(1, 2, 8), jump(4))
    outcome, general, ctx = run_with_z(region, 1, {2: 8})
    assert (outcome.way, outcome.address, general[1], ctx) == ("fault", ORIGIN + 8, 9, {"it": EQUAL << 2 | 2})
    assert run_with_z(region, 0, {2: 8, 4: 0x99})[0].way == "goto"  # the jump is not done


def test_exits_and_exceptions_show_the_context() -> None:
    region = lifted(if_(EQUAL, 3), SYSCALL, jump(4))
    outcome, _, ctx = run_with_z(region, 1, {4: 0x99})
    assert (outcome.way, outcome.address, ctx) == ("raise", ORIGIN + 4, {"it": EQUAL << 2 | 3})
    outcome, _, ctx = run_with_z(region, 0, {4: 0x99})
    assert (outcome.way, outcome.address, ctx) == ("goto", ORIGIN + 12, {"it": EQUAL << 2 | 1})  # behind the code
    outcome, _, ctx = run_with_z(lifted(if_(NOT_EQUAL, 3), jump(4)), 0, {4: 0x99})
    assert (outcome.address, ctx) == (0x99, {"it": NOT_EQUAL << 2 | 2})


def test_code_in_another_context_is_not_inside() -> None:
    """A branch into the middle of what an IF makes conditional."""
    words = (branch(NOT_EQUAL, 3), if_(EQUAL, 2), add_imm(1, 1, 1), add_imm(2, 2, 1), jump(4))
    found = traced(*words)
    assert found.instructions[12].context == {"trap_div": 0, "lane": 0, "it": 0}
    outcome, general, ctx = run_with_z(lifted(*words), 1, {4: 0x99})
    assert (outcome.address, general[:3], ctx) == (ORIGIN + 12, [0, 1, 0], {"it": EQUAL << 2 | 1})
    outcome, general, ctx = run_with_z(lifted(*words), 0, {4: 0x99})
    assert (outcome.address, general[:3], ctx) == (0x99, [0, 0, 1], {"it": 0})


def test_a_goto_into_another_context_leaves() -> None:
    region = lifted(0x3F000000 | ALWAYS << 21 | 2 << 19 | 1)  # call.al.2 to the next word
    outcome, general, ctx = run_with_z(region, 0, {})
    assert (outcome.address, general[LINK], ctx) == (ORIGIN + 4, ORIGIN + 4, {"it": 0, "lane": 2})
