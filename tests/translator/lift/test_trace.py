"""Which instructions a region has, where its blocks begin, and where it is entered."""

from __future__ import annotations

from pyqemu.translator.ir.verifier import verify
from tests.translator.lift.support import FENCE_I, SYSCALL, lifted, traced
from tests.translator.program.toy import (
    ALWAYS,
    HIGHER_OR_SAME,
    NOP,
    RETURN,
    UNDEFINED,
    add_imm,
    branch,
    branch_zero,
    call,
    call_lane,
    jump,
)

#: movi r1, #0xb000, of which the second half is a short nop.
MOVI_NOP = 0x0310B000


def test_straight_code_is_one_block() -> None:
    found = traced(NOP, NOP, RETURN, NOP)
    assert sorted(found.instructions) == [0, 4, 8]
    assert (found.leaders, found.entries, found.loop_heads) == ({0}, (0,), frozenset())


def test_both_ways_of_a_branch() -> None:
    found = traced(branch(HIGHER_OR_SAME, 2), NOP, RETURN)
    assert sorted(found.instructions) == [0, 4, 8]
    assert found.leaders == {0, 4, 8}
    assert found.entries == (0,)


def test_a_jump_goes_one_way() -> None:
    found = traced(branch(ALWAYS, 2), NOP, RETURN)
    assert sorted(found.instructions) == [0, 8]
    assert found.leaders == {0, 8}


def test_code_that_overlaps() -> None:
    """An instruction whose second half is one too: what both go on to is a block of its own."""
    words = (MOVI_NOP, NOP, RETURN)
    found = traced(*words, entries=(0, 2))
    assert sorted(found.instructions) == [0, 2, 4, 8]
    assert found.leaders == {0, 2, 4}
    verify(lifted(*words, entries=(0, 2)).function)


def test_the_head_of_a_loop_is_an_entry() -> None:
    found = traced(NOP, add_imm(1, 1, -1), branch(HIGHER_OR_SAME, -1), RETURN)
    assert found.loop_heads == {4}
    assert found.entries == (0, 4)
    assert found.leaders == {0, 4, 12}


def test_a_loop_of_one_instruction() -> None:
    assert traced(branch(ALWAYS, 0)).loop_heads == {0}


def test_a_loop_inside_another() -> None:
    found = traced(NOP, NOP, branch_zero(1, -1), branch_zero(2, -3), RETURN)
    assert found.loop_heads == {0, 4}


def test_two_ways_into_a_loop() -> None:
    """One head is enough to break it."""
    found = traced(branch(HIGHER_OR_SAME, 2), NOP, NOP, branch_zero(1, -2), RETURN, entries=(0,))
    assert found.loop_heads in ({4}, {8})


def test_forward_ways_that_meet_are_no_loop() -> None:
    found = traced(branch_zero(1, 3), branch_zero(2, 2), NOP, RETURN)
    assert not found.loop_heads


def test_what_follows_a_call_is_an_entry() -> None:
    found = traced(NOP, call(3), NOP, RETURN, NOP, RETURN)
    assert sorted(found.instructions) == [0, 4, 8, 12]
    assert found.entries == (0, 8)
    assert not found.called


def test_what_follows_a_system_call_is_an_entry() -> None:
    assert traced(SYSCALL, RETURN).entries == (0, 4)


def test_a_call_of_an_own_entry_stays() -> None:
    found = traced(call(2), RETURN, NOP, RETURN, entries=(0, 8))
    assert (found.called, found.return_sites) == ({8}, (4,))


def test_too_many_places_to_return_to() -> None:
    calls = [call(9 - k) for k in range(8)]
    found = traced(*calls, RETURN, NOP, RETURN, entries=(0, 36))
    assert (found.called, found.return_sites) == (frozenset(), ())


def test_what_regions_do_not_do_is_left_out() -> None:
    found = traced(NOP, FENCE_I, NOP, RETURN)
    assert sorted(found.instructions) == [0, 8, 12]
    assert found.entries == (0, 8)


def test_a_region_that_begins_with_it_has_no_entry() -> None:
    assert traced(FENCE_I, RETURN).entries == ()
    assert traced(UNDEFINED).entries == ()


def test_undefined_code_is_left_out() -> None:
    found = traced(NOP, UNDEFINED, NOP)
    assert sorted(found.instructions) == [0]


def test_an_indirect_jump_ends_a_way() -> None:
    assert sorted(traced(NOP, jump(1), NOP).instructions) == [0, 4]


def test_ranges() -> None:
    found = traced(NOP, branch_zero(1, 2), NOP, NOP, RETURN, below=12)
    assert sorted(found.instructions) == [0, 4, 8]
    assert found.leaders == {0, 8}


def test_limit() -> None:
    """No more instructions, and no leader that is none of them."""
    found = traced(*[NOP] * 10, branch(ALWAYS, -10), limit=4)
    assert len(found.instructions) == 4
    assert found.leaders <= set(found.instructions)


def test_several_entries() -> None:
    found = traced(NOP, NOP, NOP, RETURN, entries=(8, 4))
    assert found.entries == (8, 4)
    assert found.leaders == {4, 8}
    assert sorted(found.instructions) == [4, 8, 12]


def test_what_is_called_in_another_context_comes_back() -> None:
    """In the context of who has called it."""
    found = traced(call_lane(2, 4), NOP, jump(4))
    assert found.entries == (0, 4)
    assert found.instructions[0].goes_to["lane"] == 2 and found.instructions[4].context["lane"] == 0
