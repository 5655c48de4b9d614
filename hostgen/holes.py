"""Holes in their quick form, as the runtime fills them: three at a time, without checks and branches.

A hole has one if it is a field of 32 bits whose form is a sum of one term without `here`, or an element by one, and
all that the form can give fits the field. Nearly all that a program uses do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyqemu.hostgen import pack_format as rec
from pyqemu.hostgen.library import Reloc
from pyqemu.hostgen.pack_format import RelocKind
from pyqemu.hostgen.value_form import Entry, Form, Sum

_MOST_ENTRIES = 255  # of a table, as HoleRec counts them
_LAST_TABLE = 0xFFFF  # as HoleRec names it
_MASK32 = (1 << 32) - 1
#: What fields of 32 bits hold.
_FIELDS = {RelocKind.ABS32S: range(-(1 << 31), 1 << 31), RelocKind.ABS32: range(-(1 << 31), 1 << 32)}


def quick_hole(reloc: Reloc, form: Form, add_table: Callable[[Sequence[int]], int]) -> bytes | None:
    """A HoleRec; None if there is no quick form. `add_table` gives the index of a run of values in .pq.table."""
    field = _FIELDS.get(reloc.kind)
    if field is None or not isinstance(form, Sum | Entry):
        return None
    index = form.index if isinstance(form, Entry) else form
    values = _values(index)
    if values is None:
        return None
    table: list[int] = []
    add = index.add
    if isinstance(form, Entry):
        table = [value + reloc.addend for value in form.table]
        fits = values.start >= 0 and values.stop <= len(table) <= _MOST_ENTRIES
        fits = fits and all(value in field for value in table)
    else:
        add += reloc.addend
        fits = all(value + reloc.addend in field for value in (values.start, values.stop - 1))
    if not fits:
        return None
    first = add_table(table) if table else 0
    if first > _LAST_TABLE:
        return None
    return rec.HoleRec.pack(
        **_term(index), add=add & _MASK32, table=first, count=len(table), offset=reloc.offset, insn=reloc.insn
    )


def _values(index: Sum) -> range | None:
    """All that a sum can give lies in this range; None if it is no small one."""
    if len(index.terms) > 1 or index.here_mask:
        return None
    if not index.terms:
        return range(index.add, index.add + 1)
    term = index.terms[0]
    if term.width > 31 or abs(term.factor) >> 31:
        return None
    low = -(1 << term.width - 1) if term.signed else 0
    ends = [low * term.factor, (low + (1 << term.width) - 1) * term.factor]
    return range(min(ends) + index.add, max(ends) + index.add + 1)


def _term(index: Sum) -> dict[str, int]:
    if not index.terms:
        return {}
    term = index.terms[0]
    sign = 1 << (term.width - 1) if term.signed else 0
    return {"mask": (1 << term.width) - 1, "sign": sign, "factor": term.factor & _MASK32, "from": term.source}


def filler(place: int) -> bytes:
    """A hole that makes up a group: it writes 0 at `place`, behind the code."""
    return rec.HoleRec.pack(offset=place)
