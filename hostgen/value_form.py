"""Decode-time values in a form that is quick to compute.

Nearly every hole is a register's offset (an element of a table), an immediate (bits of the instruction word
times a constant, plus another) or an address near the instruction. `form_of` finds out which; what is none of
these stays an expression, for which the runtime runs byte code. A form's value is the low 64 bits of the
expression's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pyqemu.translator.static import (
    Apply,
    Element,
    Field,
    Here,
    StaticExpr,
    evaluate,
    fields_of,
    interval,
    leaves_of,
)
from pyqemu.translator.target import EncodingField, FieldSlice

_MASK64 = (1 << 64) - 1
#: Functions of at most this many bits of the word are tabulated if they are nothing simpler.
_MAX_TABULATED = 8
_MAX_TERMS = 8
_MAX_TABLE = 1 << 16
Fields = Mapping[str, EncodingField]


@dataclass(frozen=True, slots=True)
class Term:
    """`width` bits of the word from bit `source` on, signed or not, times `factor`."""

    source: int
    width: int
    factor: int = 1
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Sum:
    """Terms, a constant, and the bits `here_mask` of the instruction's address."""

    terms: tuple[Term, ...] = ()
    add: int = 0
    here_mask: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """An element of a table, which has one for each value of the index."""

    table: tuple[int, ...]
    index: Sum


@dataclass(frozen=True, slots=True)
class Choice:
    """`then` if the condition is not 0."""

    condition: Sum | Entry
    then: Sum | Entry
    otherwise: Sum | Entry


@dataclass(frozen=True, slots=True)
class Computed:
    """None of the others: an expression that has to be computed step by step."""

    expr: StaticExpr


Form = Sum | Entry | Choice | Computed


def low64(value: int) -> int:
    """The low 64 bits, read as signed."""
    value &= _MASK64
    return value - ((value >> 63) << 64)


def form_of(expr: StaticExpr, fields: Fields) -> Form:
    """The quickest form of `expr`, whose fields lie in the word as `fields` has them."""
    simple = _simple(expr, fields)
    if simple is not None:
        return simple
    if isinstance(expr, Apply) and expr.op == "select":
        condition, then, otherwise = (_simple(arg, fields) for arg in expr.args)
        if condition is not None and then is not None and otherwise is not None:
            return Choice(condition, then, otherwise)
    return Computed(expr)


def word_bits(expr: StaticExpr, fields: Fields) -> int:
    """Mask of the bits of the word that `expr` depends on."""
    slices = [piece for field in fields_of(expr) for piece in fields[field.name].slices]
    return sum({1 << bit for piece in slices for bit in range(piece.source, piece.source + piece.width)})


def _simple(expr: StaticExpr, fields: Fields) -> Sum | Entry | None:
    linear = _linear(expr, fields)
    if linear is not None:
        return linear
    if isinstance(expr, Element):
        index = _linear(expr.index, fields)
        low, high = interval(expr.index)
        if index is not None and not index.here_mask and low >= 0 and high < _MAX_TABLE:
            beyond = (0,) * (high + 1 - len(expr.table))
            return Entry((*map(low64, expr.table), *beyond), index)
    return _tabulated(expr, fields)


def _tabulated(expr: StaticExpr, fields: Fields) -> Entry | None:
    """All values of a function of a few bits."""
    leaves = leaves_of(expr)
    used = sorted({leaf.name for leaf in leaves if isinstance(leaf, Field)})
    width = sum(fields[name].width for name in used)
    if width > _MAX_TABULATED or any(not isinstance(leaf, Field) for leaf in leaves):
        return None
    terms: list[Term] = []
    places: dict[str, int] = {}
    for name in used:
        place = places[name] = sum(fields[other].width for other in places)
        terms += [_term(piece, place + piece.target) for piece in fields[name].slices]
    table = [
        low64(evaluate(expr, {name: _part(fields[name], index >> places[name]) for name in used}))
        for index in range(1 << width)
    ]
    return Entry(tuple(table), Sum(tuple(terms))) if len(terms) <= _MAX_TERMS else None


def _part(field: EncodingField, bits: int) -> int:
    value = bits & ((1 << field.width) - 1)
    return value - (1 << field.width) if field.signed and value >> (field.width - 1) else value


def _term(piece: FieldSlice, place: int, signed: bool = False) -> Term:
    return Term(piece.source, piece.width, low64(1 << place), signed)


# --- sums ---


def _linear(expr: StaticExpr, fields: Fields) -> Sum | None:
    match expr:
        case int():
            return Sum(add=low64(expr))
        case Field(name):
            field = fields[name]
            top = [field.signed and piece.target + piece.width == field.width for piece in field.slices]
            return Sum(tuple(_term(p, p.target, sign) for p, sign in zip(field.slices, top, strict=True)))
        case Here(width):
            return Sum(here_mask=(1 << width) - 1 & _MASK64)
        case Apply("add", (a, b)):
            return _plus(_linear(a, fields), _linear(b, fields))
        case Apply("sub", (a, b)):
            return _plus(_linear(a, fields), _times(_linear(b, fields), -1))
        case Apply("neg", (a,)):
            return _times(_linear(a, fields), -1)
        case Apply("inv", (a,)):
            return _plus(_times(_linear(a, fields), -1), Sum(add=-1))
        case Apply("mul", (a, int(factor))):
            return _times(_linear(a, fields), factor)
        case Apply("shl", (a, int(amount))) if amount >= 0:
            return _times(_linear(a, fields), 1 << amount)
        case Apply("shr" | "and" | "bits" | "sbits" as op, (a, int(operand))):
            inner = _linear(a, fields)
            return None if inner is None else _cut(op, inner, operand)
        case _:
            return None


def _plus(a: Sum | None, b: Sum | None) -> Sum | None:
    if a is None or b is None or (a.here_mask and b.here_mask) or len(a.terms + b.terms) > _MAX_TERMS:
        return None
    return Sum(a.terms + b.terms, low64(a.add + b.add), a.here_mask | b.here_mask)


def _times(a: Sum | None, factor: int) -> Sum | None:
    if a is None or a.here_mask:
        return None
    terms = tuple(replace(term, factor=low64(term.factor * factor)) for term in a.terms)
    return Sum(terms, low64(a.add * factor))


def _cut(op: str, a: Sum, operand: int) -> Sum | None:
    """`shr`, `and`, `bits` or `sbits` of bits of the word, unsigned and alone, or of `here`."""
    if op in ("bits", "sbits") and operand >= 64:
        return a
    if a == Sum(here_mask=a.here_mask) and op in ("and", "bits"):
        return Sum(here_mask=a.here_mask & (operand if op == "and" else (1 << operand) - 1))
    if len(a.terms) != 1 or a.add or a.here_mask or a.terms[0].signed or a.terms[0].factor != 1:
        return None
    term = a.terms[0]
    if op == "shr":
        width = term.width - operand
        return None if operand < 0 or width <= 0 else Sum((Term(term.source + operand, width),))
    if op != "and":
        width = min(term.width, operand)
        return Sum((replace(term, width=width, signed=op == "sbits" and operand == width),)) if width > 0 else None
    kept = operand & (1 << term.width) - 1
    low, width = (kept & -kept).bit_length() - 1, kept.bit_count()
    if not kept or kept >> low != (1 << width) - 1:
        return None
    return Sum((Term(term.source + low, width, low64(1 << low)),))
