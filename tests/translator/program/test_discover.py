"""Finding code in small toy programs: blocks and edges, jump tables, and what is only likely to be code."""

from __future__ import annotations

import struct

import pytest

from pyqemu.translator.program.flow import Exit
from pyqemu.translator.program.listing import Origin
from pyqemu.translator.program.program import Program

from .toy import (
    ALWAYS,
    DATA,
    HIGHER_OR_SAME,
    LINK,
    MARKED,
    NOP,
    RETURN,
    RODATA,
    TEXT,
    TOY,
    UNDEFINED,
    ZERO,
    Toy,
    add,
    add_imm,
    and_,
    branch,
    branch_zero,
    call,
    call_lane,
    code,
    compare,
    jump,
    load_from,
    movi,
    shift_left,
)

SYSCALL, STOP = 0x30000001, 0x32000100


def edges(program: Program) -> set[tuple[int, int, str]]:
    """All edges with their kinds, by the blocks' word numbers."""
    return {((a - TEXT) // 4, (b - TEXT) // 4, kind) for a, b, kind in program.graph.edges(data="kind")}


def blocks(program: Program) -> dict[int, tuple[int, Exit]]:
    """Word number of each block, with its number of instructions and its exit."""
    return {(a - TEXT) // 4: (n["instructions"], n["exit"]) for a, n in program.graph.nodes(data=True)}


def test_words_are_what_they_are_said_to_be() -> None:
    """The helpers that these tests write code with, by the assembly that the description prints."""
    words = {
        movi(1, 0x1234): "movi r1, #0x1234",
        add(1, 2, 3): "add r1, r2, r3",
        compare(1, 2): "cmp r1, r2",
        shift_left(1, 2, 3): "orr r1, zr, r2, lsl #3",
        and_(1, 2, 3): "and r1, r2, r3",
        load_from(1, 2, 2, signed=True): "ldsh r1, [r2]",
        branch(HIGHER_OR_SAME, 2): "bhs 1008",
        branch_zero(3, -1): "bz r3, ffc",
        call(1): "call 1004",
        jump(3): "jump r3",
        jump(LINK): "ret",
        NOP: "nop",
    }
    for word, text in words.items():
        encoding = TOY.decode(word, "Word", {})
        assert encoding is not None, text
        found = TOY.disassemble(encoding, encoding.fields_of(word), 0x1000)
        assert found.replace("0x", "") == text.replace("0x", "").replace("orr", "or")


def test_blocks_and_edges() -> None:
    """A loop, a call, a system call that comes back and an exception that does not."""
    text = code(
        movi(1, 5),
        branch_zero(1, 4),  # 1: the loop
        add_imm(1, 1, -1),
        call(4),
        branch(ALWAYS, -3),
        SYSCALL,
        STOP,
        RETURN,
    )
    program = Toy(text).program()
    assert blocks(program) == {
        0: (1, Exit.NONE),
        1: (1, Exit.BRANCH),
        2: (2, Exit.CALL),
        4: (1, Exit.GOTO),
        5: (1, Exit.RAISE),
        6: (1, Exit.RAISE),
        7: (1, Exit.RETURN),
    }
    assert edges(program) == {
        (0, 1, "next"), (1, 5, "taken"), (1, 2, "next"), (2, 7, "call"), (2, 4, "return-site"), (4, 1, "taken"),
        (5, 6, "next"),
    }  # fmt: skip
    (main, called) = program.functions
    assert (called.entry, called.blocks) == (TEXT + 28, {TEXT + 28})
    assert [(loop.header, loop.blocks) for loop in program.loops(main)] == [
        (TEXT + 4, {TEXT + 4, TEXT + 8, TEXT + 16}),
    ]
    assert program.leftovers == ()
    assert program.statistics.instructions == 8


def test_short_words() -> None:
    """Code units of two sizes, and a jump into the middle of a block."""
    text = code(branch_zero(1, 2)) + bytes.fromhex("b000 b000 b000 b000") + code(RETURN)
    program = Toy(text).program()
    assert {(a - TEXT, n["end"] - TEXT, n["instructions"]) for a, n in program.graph.nodes(data=True)} == {
        (0, 4, 1), (4, 8, 2), (8, 16, 3),
    }  # fmt: skip


def test_calls_that_do_not_return() -> None:
    """Behind a call at a function's end is another function, not its return site."""
    text = code(NOP, call(1), RETURN)
    with_frames = Toy(text, frames=((TEXT, 8), (TEXT + 8, 4)))
    assert (0, 2, "return-site") in edges(Toy(text).program())
    assert edges(with_frames.program()) == {(0, 2, "call")}
    assert [function.entry for function in with_frames.program().functions] == [TEXT, TEXT + 8]


def test_code_ends_where_it_does_not_decode() -> None:
    program = Toy(code(NOP, UNDEFINED, NOP, RETURN), symbols=(("tail", TEXT + 12, 4),)).program()
    assert blocks(program) == {0: (1, Exit.NONE), 3: (1, Exit.RETURN)}
    assert program.leftovers == ((TEXT + 4, TEXT + 12),)
    assert program.statistics.unreached == 8


# --- jump tables ---


def switch(size: int, count: int, *between: int, signed: bool = True, masked: bool = False) -> list[int]:
    """A switch over r1 with a table of `count` entries at RODATA, scaled by 4 and relative to the word behind."""
    words = [movi(2, count), compare(1, 2), branch(HIGHER_OR_SAME, 11 - masked)]
    if masked:
        words = [movi(2, count - 1), and_(1, 1, 2)]
    words += between
    anchor = TEXT + 4 * (len(words) + 7)
    words += [
        movi(3, RODATA),
        shift_left(4, 1, size.bit_length() - 1),
        add(4, 3, 4),
        load_from(5, 4, size, signed),
        shift_left(5, 5, 2),
        movi(6, anchor),
        add(5, 6, 5),
    ]
    words[-2] = movi(6, TEXT + 4 * (len(words) + 1))
    return [*words, jump(5)]


@pytest.mark.parametrize("size", [1, 2, 4])
@pytest.mark.parametrize("masked", [False, True])
def test_jump_tables(size: int, masked: bool) -> None:
    """Tables of entries of each size, bounded by a comparison or by a mask; entries beyond are not read."""
    places = [0, 2, -1, 1]
    words = switch(size, 4, masked=masked)
    anchor = len(words)
    words += [RETURN, RETURN, RETURN, RETURN]
    entries = b"".join(place.to_bytes(size, "little", signed=True) for place in [*places, 3, 3])
    program = Toy(code(*words), rodata=entries).program()
    (table,) = program.tables.values()
    assert (table.address, table.size, table.bounded) == (RODATA, size, True)
    assert table.targets == tuple(TEXT + 4 * (anchor + place) for place in places)
    assert {b for a, b, kind in edges(program) if kind == "jump-table"} == {anchor + place for place in places}


def test_table_of_addresses_behind_relocations() -> None:
    """A table of whole addresses that only relocations tell, its base set before a loop that calls."""
    words = [
        movi(3, DATA),
        call(14),  # 1: the loop
        movi(2, 3),
        compare(1, 2),
        branch(HIGHER_OR_SAME, 5),
        shift_left(4, 1, 3),
        add(4, 3, 4),
        load_from(5, 4, 8),
        jump(5),
        RETURN,
        branch(ALWAYS, -9),
        branch(ALWAYS, -10),
        branch(ALWAYS, -11),
        NOP, NOP,
        RETURN,
    ]  # fmt: skip
    targets = [TEXT + 40, TEXT + 48, TEXT + 44]
    relocations = tuple((DATA + 8 * number, to) for number, to in enumerate(targets))
    program = Toy(code(*words), data=bytes(24), relocations=relocations).program()
    assert [table.targets for table in program.tables.values()] == [tuple(targets)]
    (loop,) = program.loops(program.functions[0])
    assert loop.header == TEXT + 4 and {TEXT + 40, TEXT + 44, TEXT + 48} <= loop.blocks


def test_table_without_a_bound() -> None:
    """Entries are read as long as they stay in the function; without its extent nothing is guessed."""
    words = [shift_left(4, 1, 3), movi(3, RODATA), add(4, 3, 4), load_from(5, 4, 8), jump(5), RETURN, RETURN, RETURN]
    entries = struct.pack("<4Q", TEXT + 20, TEXT + 24, TEXT + 28, TEXT + 64)
    toy = Toy(code(*words), rodata=entries, frames=((TEXT, 28), (TEXT + 28, 4)))
    (table,) = toy.program().tables.values()
    assert (table.targets, table.bounded) == ((TEXT + 20, TEXT + 24), False)
    without = Toy(code(*words), rodata=entries).program()
    assert without.tables == {} and without.unresolved == (TEXT + 16,)


def test_table_that_leads_nowhere() -> None:
    """A table with a bound, one of whose entries is no code, is none."""
    words = [*switch(4, 2), RETURN, RETURN, RETURN, RETURN]
    program = Toy(code(*words), rodata=struct.pack("<ii", 1, 0x1000)).program()
    assert program.tables == {} and len(program.unresolved) == 1


def test_computed_tail_call() -> None:
    """A jump to a pointer from memory is no table."""
    program = Toy(code(load_from(5, 1, 8), jump(5))).program()
    assert program.tables == {} and program.unresolved == ()


# --- what is only likely ---


def test_origins() -> None:
    """Initialisers are known; words in data lead to code that nothing else reaches; the rest is found between."""
    text = code(RETURN, NOP, RETURN, UNDEFINED, movi(1, 1), RETURN, UNDEFINED, RETURN)
    pointers = struct.pack("<3Q", TEXT, TEXT + 4, TEXT + 12)
    program = Toy(text, data=pointers, initialisers=(TEXT + 28,)).program()
    origins = {(a - TEXT) // 4: node["origin"] for a, node in program.graph.nodes(data=True)}
    assert origins == {0: Origin.KNOWN, 1: Origin.POINTER, 4: Origin.GAP, 7: Origin.KNOWN}
    assert program.statistics.bytes == {Origin.KNOWN: 8, Origin.POINTER: 8, Origin.GAP: 8}


def test_gaps_that_are_no_code() -> None:
    """Padding, and what runs into something that does not decode, is left alone."""
    program = Toy(code(RETURN, NOP, movi(1, 1), UNDEFINED, NOP)).program()
    assert blocks(program) == {0: (1, Exit.RETURN)}
    assert program.leftovers == ((TEXT + 4, TEXT + 20),)


@pytest.mark.parametrize("first", [branch_zero(1, 2), NOP, SYSCALL])
def test_from_one_section_to_the_next(first: int) -> None:
    """Control goes on where a section ends and another begins."""
    text = code(NOP, first, movi(1, 1), RETURN)
    divided = Toy(text, divided_at=8, symbols=(("after", TEXT + 12, 4),)).program()
    assert len(divided.image.code) == 2 and divided.leftovers == ()
    assert {(0, 2, "next"), (2, 3, "next")} <= edges(divided)


def test_zero_register_is_not_written() -> None:
    """A constant written to the zero register is not what a later jump goes to."""
    program = Toy(code(movi(ZERO, TEXT), add(5, ZERO, ZERO), jump(5), RETURN)).program()
    assert program.tables == {}


def test_the_context_steps_along_straight_code() -> None:
    """Behind an IF of two instructions a return is conditional twice, and the third time it is not."""
    if_two = 0x3E000000 | 2 << 19
    found = Toy(code(if_two, RETURN, RETURN, RETURN, RETURN)).program()
    assert {(a, b) for a, b, _ in edges(found)} == {(0, 2), (2, 3)}


def of_two_contexts() -> Program:
    """Code that is come to in three values of `lane`: by pointers that tell it, and by a call."""
    text = code(
        call_lane(2, 3), RETURN, UNDEFINED,
        movi(1, 1), RETURN, UNDEFINED,  # called
        movi(2, 2), RETURN, UNDEFINED,  # by a pointer with bit 0 set
        movi(3, 3), RETURN,  # by a symbol with bit 0 clear
        movi(4, 4), RETURN,  # by nothing
    )  # fmt: skip
    data = struct.pack("<Q", TEXT + 24 | 1)
    symbols = ("even", TEXT + 36, 8), ("odd", TEXT + 24 | 1, 8)
    return Toy(text, data=data, entry=TEXT | 1, symbols=symbols).program(MARKED)


def test_pointers_tell_the_context() -> None:
    """What is called is in the context that the call says, its caller goes on in its own."""
    found = of_two_contexts()
    lanes = {(a - TEXT) // 4: node["context"]["lane"] for a, node in found.graph.nodes(data=True)}
    assert lanes == {0: 1, 1: 1, 3: 2, 6: 1, 9: 0, 11: 0}
    assert {f.name for f in found.functions} == {"", "even", "odd"}
    assert all(f.entry % 4 == 0 for f in found.functions)


def test_contexts_that_do_not_stay() -> None:
    """A block that begins between an IF and what it makes conditional has no context of its own."""
    found = Toy(code(0x3E000000 | 2 << 19, RETURN, RETURN, RETURN)).program()
    contexts = {(a - TEXT) // 4: node["context"] for a, node in found.graph.nodes(data=True)}
    assert contexts[0] is not None and contexts[2] is None and contexts[3] is not None
