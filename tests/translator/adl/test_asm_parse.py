"""Assembly text read back: every encoding of the toy, small descriptions with what is hard, and error messages."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pyqemu.translator.adl.load import DescribedTarget, load
from pyqemu.translator.errors import AssemblyError
from pyqemu.translator.target import Encoding
from tests.translator.adl.assembling import random_word, round_trip

TOY = Path(__file__).parents[2] / "targets" / "toy"
HERE = 0x1000
CONTEXT = {"trap_div": 0, "lane": 0, "it": 0}
#: Encodings for which the word printed need not be the first one found, and why.
AMBIGUOUS = {
    "ADD_SUB_2": "the wide unit has the same instruction",
    "ADD_imm_2": "the wide unit has the same instruction",
    "BRANCH_zero_2": "the wide unit has the same instruction",
    "IF_2": "the wide unit has the same instruction",
    "NOP_2": "the wide unit has the same instruction",
    "MOVI_2": "a plain constant of 16 bits, or the same bits turned by another amount",
}


@pytest.fixture(scope="module")
def toy() -> DescribedTarget:
    return load(TOY)


def words(target: DescribedTarget, text: str, here: int = HERE) -> list[tuple[str, int]]:
    """The words found for a line, each with its encoding's name."""
    return [(code.encoding.name, code.word) for code in target.assemble(text, here)]


def named(target: DescribedTarget, name: str) -> Encoding:
    return next(encoding for encoding in target.encodings if encoding.name == name)


# --- round trip ----------------------------------------------------------------------------------


def test_each_encoding(toy: DescribedTarget) -> None:
    """parse(print(w)) has w for every word, and has it first where nothing else prints like it."""
    ambiguous: set[str] = set()
    count = 0
    for encoding in toy.encodings:
        for word, found in round_trip(toy, encoding, 150, HERE, random.Random(encoding.name)):
            assert word in found, (encoding.name, hex(word.word))
            count += 1
            if found[0] != word:
                ambiguous.add(encoding.name)
    assert count > 5000
    assert ambiguous == AMBIGUOUS.keys()


def test_all_that_is_found_prints_alike(toy: DescribedTarget) -> None:
    for encoding in toy.encodings:
        for word, found in round_trip(toy, encoding, 5, HERE, random.Random(f"alike {encoding.name}")):
            printed = {toy.disassemble(c.encoding, c.encoding.fields_of(c.word), HERE) for c in found}
            assert printed == {toy.disassemble(encoding, encoding.fields_of(word.word), HERE)}
            for code in found:
                assert toy.decode(code.word, code.unit.name, CONTEXT) is code.encoding
                assert not toy.undefined(code.encoding, code.word)


def test_words_have_the_fields_they_are_made_of(toy: DescribedTarget) -> None:
    rng = random.Random(1)
    for encoding in toy.encodings:
        for _ in range(20):
            word = random_word(encoding, rng)
            assert encoding.word_of(encoding.fields_of(word)) == word
            assert word & encoding.should_mask == encoding.should_value


# --- what may differ from how it is printed ------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("adds r1, r2, r3", 0x00123C00),
        ("  ADDS\tr1,R2 ,  r3  ", 0x00123C00),
        ("add r1, r0, #-1", 0x0210FFFF),
        ("add r1,r0,# -0x1", 0x0210FFFF),
        ("movi r5, #255", 0x035000FF),
        ("movi r5, #0XfF", 0x035000FF),
        ("ldsh r12,[r1,#-8]", 0x19C1FFF8),
        ("b 4092", 0x27FFFFFF),
        ("power r1, r2, #0xff", 0x0712FF00),
        ("vadd.8 v1, v0, v2", 0x40102000),
    ],
)
def test_spelling(toy: DescribedTarget, text: str, word: int) -> None:
    """Blanks, case and the style of numbers."""
    assert toy.assemble(text, HERE)[0].word == word


def test_labels_depend_on_the_address(toy: DescribedTarget) -> None:
    assert words(toy, "call 0x1000", 0x1000) == [("CALL", 0x2A000000)]
    assert words(toy, "call 0x1000", 0x1008) == [("CALL", 0x2AFFFFFE)]
    assert words(toy, "call 0xfffffffffffffffc", 0) == [("CALL", 0x2AFFFFFF)]
    assert words(toy, "call 0x4", (1 << 64) - 4) == [("CALL", 0x2A000002)]


# --- several words -------------------------------------------------------------------------------


def test_the_order_of_words(toy: DescribedTarget) -> None:
    """Encodings in the order of the description, words from small to large; units as their encodings come."""
    assert [(c.unit.name, c.word) for c in toy.assemble("nop")] == [("Word", 0x31000000), ("Short", 0xB000)]
    assert words(toy, "movi r1, #4") == [
        ("MOVI_1", 0x03100004), *(("MOVI_2", word) for word in (0x04100400, 0x04111000, 0x04124000, 0x041F0100))
    ]  # fmt: skip


def test_bytes(toy: DescribedTarget) -> None:
    assert [c.code() for c in toy.assemble("nop")] == [b"\x31\0\0\0", b"\xb0\0"]


def test_unpredictable_words_come_last(tmp_path: Path) -> None:
    target = described(
        tmp_path,
        'insn A { enc "0000 a b 00"; unpred if a -> ignore; asm "a {b}"; do { } }',
        'insn B { enc "0001 b 00 (1)"; asm "a {b}"; do { } }',
    )
    assert words(target, "a 1") == [("A", 4), ("B", 0x19), ("A", 0xC)]


def test_a_preferred_encoding_hides_a_word(toy: DescribedTarget) -> None:
    """`hint #0` is a nop, and printed as one."""
    assert words(toy, "hint #1") == [("HINT", 0x31000001)]
    with pytest.raises(AssemblyError):
        toy.assemble("hint #0")


def test_features(toy: DescribedTarget) -> None:
    assert toy.assemble("crc r1, r2, r3", features=["crc"]) == toy.assemble("crc r1, r2, r3")
    assert toy.assemble("nop", features=[])
    with pytest.raises(AssemblyError, match="this needs feature crc"):
        toy.assemble("crc r1, r2, r3", features=["wide"])


# --- small descriptions --------------------------------------------------------------------------


def described(folder: Path, *lines: str) -> DescribedTarget:
    """A target of units of 8 bits."""
    start = ["arch small {", " unit U b8 order le", "}", "exception undefined()", "ctx mode: 1"]
    (folder / "main.arch").write_text("\n".join([*start, *lines]))
    return load(folder)


def check_all(target: DescribedTarget, context: dict[str, int] | None = None) -> None:
    """All 256 words, read back from their text."""
    seen = 0
    for word in range(256):
        encoding = target.decode(word, "U", context or {"mode": 0})
        if encoding is not None and not target.undefined(encoding, word, context or {"mode": 0}):
            text = target.disassemble(encoding, encoding.fields_of(word), HERE)
            found = target.assemble(text, HERE, context or {"mode": 0})
            assert word in [code.word for code in found], (word, text)
            seen += 1
    assert seen


@pytest.mark.parametrize(
    "lines",
    [
        ['insn A { enc "a:4 b:4"; asm "a{a}{b}"; do { } }'],
        ['insn A { enc "a:4 b:4"; asm "a{a:x}{b:x}"; do { } }'],
        ['insn A { enc "a:s4 b:s4"; asm "a {a}{b}"; do { } }'],
        ['insn A { enc "v:8"; asm "a {v / 100}{v / 10 % 10}.{v % 10}"; do { } }'],
        ['operand list(n, i) { 0,_ "x{i}"; _,_ "x{i}, {list(n - 1, i + 1 & 7)}" }',
         'insn A { enc "000 n:2 i:3"; asm "a {list(n, i)}"; do { } }'],
        ['operand bits(n, k) { _,0 ""; _,_ "{bits(n >> 1, k - 1)}{n & 1}" }',
         'insn A { enc "n:8"; asm "a {bits(n, 8)}"; do { } }'],
        ['operand some(n) { 1 "one"; 2 "two" if mode_free(n) }', "fn mode_free(n: int) -> int = n != 3",
         'insn A { enc "000000 n:2"; asm "a{some(n)}"; do { } }'],
        ['insn A { enc "n:4 k:4"; asm { "same {n}" if n == k; "low {k - n}" if n < k & n != 0 }; do { } }'],
        ['insn A { enc "c s n:6"; asm "a {c ? n : 32 + n}{s ? n : 7}"; do { } }'],
        ['operand name(c) { 1 "b c"; _ "b" }', 'insn A { enc "0 c n:6"; asm "{name(c)} {{{n}}}"; do { } }'],
        ['insn A { enc "n:4 0000"; asm "a {1 << n}"; do { } }'],
        ['operand end(c) { 0 ""; 1 "9" }', 'insn A { enc "c n:7"; asm "a {n}{end(c)}{n:x}"; do { } }'],
        ['insn A { enc "n:4 m:4"; asm "a {n * m}, {n ^ m}"; do { } }'],
        ['insn A { enc "n[3:0] m:3 n[4]:s"; asm "A.{m} B{n:h}"; do { } }'],
    ],
)  # fmt: skip
def test_all_words_of(tmp_path: Path, lines: list[str]) -> None:
    check_all(described(tmp_path, *lines))


def test_guards_look_at_the_context(tmp_path: Path) -> None:
    """Two encodings that only the context keeps apart, printed alike."""
    target = described(
        tmp_path,
        'insn A { enc "00 n:6" if mode == 0; asm "a {n}"; do { } }',
        'insn B { enc "n:6 00" if mode == 1; asm "a {n}"; do { } }',
    )
    for mode in (0, 1):
        check_all(target, {"mode": mode})
    assert [c.word for c in target.assemble("a 5", 0, {"mode": 0})] == [5]
    assert [c.word for c in target.assemble("a 5", 0, {"mode": 1})] == [20]
    assert [c.word for c in target.assemble("a 5")] == [5]


def test_undefined_words_are_no_answer(tmp_path: Path) -> None:
    target = described(tmp_path, 'insn A { enc "000 k n:4"; undef if n == 3 & mode == 0; asm "a {n}"; do { } }')
    assert words(target, "a 2") == [("A", 2), ("A", 18)]
    with pytest.raises(AssemblyError):
        target.assemble("a 3")
    assert [c.word for c in target.assemble("a 3", 0, {"mode": 1})] == [3, 19]


def test_a_table_without_end_is_given_up(tmp_path: Path) -> None:
    target = described(
        tmp_path,
        'operand forever(n) { _ "{forever(n + 1)}x" }',
        'insn A { enc "0000 n:4"; asm "a{forever(n)}"; do { } }',
    )
    with pytest.raises(AssemblyError):
        target.assemble("axx")


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "there is no instruction"),
        ("   ", 1, "there is no instruction"),
        ("nopp", 1, "no instruction is called `nopp`"),
        ("  nopp", 3, "no instruction is called `nopp`"),
        ("add r1, r2", 11, "expected `,` or `, #`, not the end"),
        ("add r1 r2, r3", 8, "expected `,`, not `r2`"),
        ("nop nop", 5, "nothing can follow here, there is `nop`"),
        ("syscall #x", 10, "expected a number, not `x`"),
        ("syscall #65536", 10, "65536 must be in 0 .. 65535"),
        ("add r1, r2, #0x8000", 14, "32768 must be in -32768 .. 32767"),
        ("ldp r1, r2, [sp], #12", 20, "12 must be a multiple of 8 in -16384 .. 16376"),
        ("ldp r1, r2, [sp], #16384", 20, "16384 must be a multiple of 8 in -16384 .. 16376"),
        ("call 0x1002", 6, "4098 must be a multiple of 4 in -0x1fff000 .. 0x2000ffc"),
        ("vadd.9 v1, v2, v3", 6, "9 must be 8, 16, 32 or 64"),
        ("movi r3, #0x12345", 11, "74565 must be in 0 .. 65535"),
        ("mask r1, #5", 11, "5 is not among the values that can be encoded"),
        ("add r1, r2, #0", 1, "this is written `mov r1, r2`"),
        ("jump r14", 1, "this is written `ret`"),
        ("add r1, r2, w3", 1, "these operands do not go together"),
        ("sel r1, r2, r3, al", 1, "with these operands the instruction is UNDEFINED, or another one"),
        ("sel r1, r2, r3, xx", 17, "expected `eq` or `ne` or `lo` or `hs` or `lt` or `ge` …, not `xx`"),
    ],
)
def test_messages(toy: DescribedTarget, text: str, column: int, message: str) -> None:
    with pytest.raises(AssemblyError) as caught:
        toy.assemble(text, HERE)
    assert (caught.value.column, caught.value.message) == (column, message)


def test_errors_as_they_are_shown(toy: DescribedTarget) -> None:
    with pytest.raises(AssemblyError) as caught:
        toy.assemble("ldp r1, r2, [sp], #12")
    assert str(caught.value).split("\n") == [
        "column 20: 12 must be a multiple of 8 in -16384 .. 16376",
        "  ldp r1, r2, [sp], #12",
        "                     ^",
        "  what comes near:",
        "  ldp {x(rd)}, {x(r2)}, [{xs(rn)}], #{step:h}",
    ]
    with pytest.raises(AssemblyError, match="did you mean nop"):
        toy.assemble("noop")


def test_spoiled_lines(toy: DescribedTarget) -> None:
    """Lines that are cut or have characters too many are other lines, or errors that point into them."""
    rng = random.Random(3)
    more = [*"?,# ]-09xrQ.{\u0130\u00b2", "\u00a0", " \t ", "0x", "-1", "9" * 5000]
    wrong = 0
    for encoding in toy.encodings:
        for word, _ in round_trip(toy, encoding, 3, HERE, rng):
            text = toy.disassemble(encoding, encoding.fields_of(word.word), HERE)
            for at in range(len(text) + 1):
                for changed in (text[:at], text[:at] + text[at + 1 :], text[:at] + rng.choice(more) + text[at:]):
                    wrong += is_wrong(toy, changed)
    assert wrong > 4000


def is_wrong(target: DescribedTarget, text: str) -> bool:
    """Whether a line is an error; AssertionError if it is neither that nor printed again as it was."""
    try:
        found = target.assemble(text, HERE)
    except AssemblyError as error:
        assert 1 <= error.column <= len(text.rstrip()) + 1
        return True
    encoding, word = found[0].encoding, found[0].word
    printed = target.disassemble(encoding, encoding.fields_of(word), HERE)
    assert target.assemble(printed, HERE) == found
    return False
