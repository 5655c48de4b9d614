"""Conflict check and decode tree against brute force: random small units, every word and context tried."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from pyqemu.translator.adl.ast import Architecture
from pyqemu.translator.adl.conflicts import common_word, find_conflicts, preferred_before
from pyqemu.translator.adl.decode_tree import build_tree, leaf_of
from pyqemu.translator.adl.errors import DescriptionError
from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.adl.model import Model, build
from pyqemu.translator.adl.parse import parse_text
from pyqemu.translator.static import evaluate
from pyqemu.translator.target import Encoding

CONTEXTS = [{"m": m} for m in range(4)]


@dataclass(slots=True)
class Description:
    width: int
    lines: list[str]

    def architecture(self) -> Architecture:
        start = [f"arch random {{\n unit U b{self.width} order le\n}}", "exception undefined()", "ctx m: 2"]
        return parse_text("\n".join(start + self.lines))


def random_picture(rng: random.Random, width: int) -> tuple[str, list[tuple[str, int]]]:
    """A picture with up to three fields, one of them perhaps in two slices; the fields' names and widths."""
    tokens: list[str] = []
    fields: list[tuple[str, int]] = []
    left = width
    while left:
        kind = rng.random()
        if kind < 0.3 and left >= 2 and len(fields) < 3:
            size = rng.randint(1, min(left, 4))
            fields.append((f"f{len(fields)}", size))
            signed = "s" if rng.random() < 0.3 and size > 1 else ""
            tokens.append(f"f{len(fields) - 1}:{signed}{size}")
            left -= size
        elif kind < 0.4:
            tokens.append(".")
            left -= 1
        elif kind < 0.45 and left >= 4 and not any(name == "sl" for name, _ in fields):
            tokens += ["sl[0]", rng.choice("01"), "sl[2:1]"]
            fields.append(("sl", 3))
            left -= 4
        else:
            tokens.append(rng.choice("01"))
            left -= 1
    return " ".join(tokens), fields


def random_guard(rng: random.Random, fields: list[tuple[str, int]]) -> str:
    terms = [name for name, _ in fields] + ["m"]
    op = rng.choice(["==", "!=", "<", ">="])
    simple = f"{rng.choice(terms)} {op} {rng.randint(0, 5)}"
    kind = rng.random()
    if kind < 0.4:
        return simple
    if kind < 0.7:
        return f"{simple} & {rng.choice(terms)} {rng.choice(['!=', '<='])} {rng.choice(terms)}"
    return f"({rng.choice(terms)} + {rng.choice(terms)} & 3) {op} {rng.randint(0, 3)} | {simple}"


def random_description(rng: random.Random, instructions: int) -> Description:
    width = rng.randint(8, 9)
    description = Description(width, [])
    for number in range(instructions):
        picture, fields = random_picture(rng, width)
        guard = f" if {random_guard(rng, fields)}" if rng.random() < 0.4 else ""
        description.lines.append(f'insn I{number} {{ enc "{picture}"{guard} }}')
    return description


def matches(encoding: Encoding, word: int, context: dict[str, int]) -> bool:
    """The definition, read slowly."""
    if word & encoding.mask != encoding.value:
        return False
    return bool(evaluate(encoding.guard, encoding.fields_of(word), 0, context))


def valid(rng: random.Random, instructions: int) -> tuple[Description, Model]:
    """A description whose guards can all be true, and its model."""
    while True:
        description = random_description(rng, instructions)
        try:
            return description, build(description.architecture())
        except DescriptionError as error:
            assert "never true" in str(error)


@pytest.mark.parametrize("seed", range(60))
def test_pairs_share_a_word_just_if_one_is_found(seed: int) -> None:
    _, model = valid(random.Random(seed), 6)
    encodings = [bound.encoding for bound in model.encodings]
    words = range(1 << encodings[0].unit.width)
    for position, a in enumerate(encodings):
        for b in encodings[position + 1 :]:
            witness = common_word(a, b)
            if witness is None:
                assert not any(matches(a, w, c) and matches(b, w, c) for w in words for c in CONTEXTS)
            else:
                context = {"m": 0, **witness.context}
                assert matches(a, witness.word, context) and matches(b, witness.word, context)


@pytest.mark.parametrize("seed", range(60))
def test_decoding_finds_what_brute_force_finds(seed: int) -> None:
    """Conflicting instructions are ordered by `prefer`, the earlier ones first, until nothing conflicts."""
    description, _ = valid(random.Random(1000 + seed), 12)
    width = description.width
    description.lines += [f"prefer I{a} over I{b}" for a in range(12) for b in range(a + 1, 12)]
    model = build(description.architecture())
    assert find_conflicts(model) == []
    target = DescribedTarget(model)
    for word in range(1 << width):
        leaf = leaf_of(target.roots["U"], word)
        for context in CONTEXTS:
            found = [e for e in target.encodings if matches(e, word, context)]
            assert all(e.number in leaf.candidates for e in found)
            assert target.decode(word, "U", context) == (found[0] if found else None)


def test_a_more_specific_encoding_does_not_win_silently() -> None:
    lines = ['insn WIDE { enc "0000 f:4" }', 'insn NARROW { enc "0000 0011" }']
    (error,) = find_conflicts(build(Description(8, lines).architecture()))
    assert "word 0x03 belongs to both WIDE and NARROW" in error.message
    model = build(Description(8, [*lines, "prefer NARROW over WIDE"]).architecture())
    assert find_conflicts(model) == []
    assert (
        leaf_of(build_tree([b.encoding for b in model.encodings], 8, preferred_before(model)), 3).candidates[
            0
        ]
        == 1
    )


def test_wide_fields_are_decided_without_enumeration() -> None:
    lines = [
        'insn A { enc "000000 imm:s26" if imm < -1000 }',
        'insn B { enc "000000 k:13 j:13" if k + j > 9000 & k != 4097 }',
        'insn C { enc "000000 0 i:25" if i < 5 }',
    ]
    model = build(Description(32, lines).architecture())
    a, b, c = (bound.encoding for bound in model.encodings)
    witness = common_word(a, b)
    assert witness and matches(a, witness.word, {"m": 0}) and matches(b, witness.word, {"m": 0})
    assert common_word(a, c) is None
    assert common_word(b, c) is None


@pytest.mark.parametrize(("order", "wide"), [("le", "00000001 11110000"), ("be", "11110000 00000001")])
def test_a_narrow_word_is_not_how_a_wide_one_begins(order: str, wide: str) -> None:
    text = f"""
unit Narrow b8 order {order}
unit Wide b16 order {order}
exception undefined()
insn N {{ enc Narrow "1111 f:4" if f < 4 }}
insn W {{ enc Wide "{wide}" }}
"""
    (error,) = find_conflicts(build(parse_text(text)))
    assert "belongs to both N and W" in error.message
    assert find_conflicts(build(parse_text(text.replace("f < 4", "f > 4")))) == []
