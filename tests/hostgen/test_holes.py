"""Holes in quick form against the expressions that they stand for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

from pyqemu.hostgen import pack_format as rec
from pyqemu.hostgen.holes import quick_hole
from pyqemu.hostgen.library import Reloc
from pyqemu.hostgen.pack_format import RelocKind
from pyqemu.hostgen.value_form import Entry, Sum, Term, form_of, low64
from pyqemu.translator.static import evaluate
from tests.hostgen.expressions import FIELDS, random_expression

_RANGES = {RelocKind.ABS32S: (-(1 << 31), (1 << 31) - 1), RelocKind.ABS32: (-(1 << 31), (1 << 32) - 1)}
_MASK32 = (1 << 32) - 1


class _Tables:
    def __init__(self) -> None:
        self.values: list[int] = [0]

    def add(self, run: Sequence[int]) -> int:
        self.values += run
        return len(self.values) - len(run)


def _value(hole: bytes, tables: _Tables, word: int) -> int:
    """As holes.hpp has it (tests/core/test_holes.cpp), modulo 2^32."""
    fields = rec.HoleRec.unpack(hole)
    mask, sign, factor, add, table, source, count = (
        int(str(fields[name])) for name in ("mask", "sign", "factor", "add", "table", "from", "count")
    )
    bits = word >> source & mask
    total = ((bits ^ sign) - sign) * factor + add & _MASK32
    return tables.values[table + total] & _MASK32 if total < count else total


def _reloc(kind: RelocKind = RelocKind.ABS32S, addend: int = 0) -> Reloc:
    return Reloc(offset=3, kind=kind, insn=0, value=0, addend=addend)


def test_holes_have_the_values_of_their_expressions() -> None:
    rng = Random(7)
    quick: Counter[type] = Counter()
    for _ in range(6000):
        expr = random_expression(rng, rng.randrange(4))
        form, tables = form_of(expr, FIELDS), _Tables()
        kind = rng.choice(list(_RANGES))
        reloc = _reloc(kind, rng.choice((0, 0, 8, -4)))
        hole = quick_hole(reloc, form, tables.add)
        if hole is None:
            continue
        quick[type(form)] += 1
        low, high = _RANGES[kind]
        for _ in range(10):
            word = rng.getrandbits(32)
            fields = {name: field.extract(word) for name, field in FIELDS.items()}
            value = low64(evaluate(expr, fields, 0, {"mode": 0})) + reloc.addend
            assert _value(hole, tables, word) == value & _MASK32
            assert low <= value <= high
    assert quick[Sum] > 500 and quick[Entry] > 200 and not quick.keys() - {Sum, Entry}


def test_what_has_no_quick_form() -> None:
    def quick(form: Sum | Entry, kind: RelocKind = RelocKind.ABS32S, addend: int = 0) -> bool:
        return quick_hole(_reloc(kind, addend), form, _Tables().add) is not None

    bit, byte, most = Term(0, 1), Term(0, 8), (1 << 31) - 1
    assert quick(Sum((byte,))) and quick(Sum())
    assert quick(Sum(add=most)) and not quick(Sum(add=most + 1)) and not quick(Sum(add=most), addend=1)
    assert quick(Sum((bit,), most - 1)) and not quick(Sum((bit,), most))
    assert quick(Sum((bit,), most), RelocKind.ABS32)  # to be extended with zeros
    assert not quick(Sum((bit,)), RelocKind.ABS64) and not quick(Sum((bit,)), RelocKind.ABS8)
    assert not quick(Sum((bit,), here_mask=-1)) and not quick(Sum((bit, byte)))
    assert quick(Entry((5, most), Sum((bit,)))) and not quick(Entry((5, most + 1), Sum((bit,))))
    assert not quick(Entry((5, most), Sum((bit,))), addend=1)
    assert not quick(Entry(tuple(range(256)), Sum((byte,))))  # more than a byte counts
    assert not quick(Entry((5, 6), Sum((bit,), 1)))  # beyond the table


def test_tables_far_behind_are_out_of_reach() -> None:
    def far(run: Sequence[int]) -> int:
        return 1 << 16

    assert quick_hole(_reloc(), Entry((5, 6), Sum((Term(0, 1),))), far) is None
