"""Expressions read backwards: from what one has to give to what its operands have to give.

One step of algebra at a time: `ways` turns an equation into equations between simpler terms. Where algebra does
not go on it says None, and the solver tabulates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pyqemu.translator.adl.asm_term import Known, Place, Term
from pyqemu.translator.static import Apply, Element, apply

#: More values than this that an operand could have are not told apart.
_MOST_WAYS = 64


@dataclass(frozen=True, slots=True)
class Equation:
    """`term` has the value `wanted`."""

    term: Term
    wanted: int


#: What has to hold together.
Equations = tuple[Equation, ...]
#: Alternatives of which at least one has to hold: none if the equation cannot be met, None if that is not known.
Ways = list[Equations] | None


@dataclass(frozen=True, slots=True)
class _Step:
    """An equation `op(parts) == wanted`, and what is known while it is inverted."""

    parts: tuple[Term, ...]
    wanted: int
    known: Known
    place: Place

    def constant(self, number: int) -> int | None:
        """The value of an operand, if it is known."""
        part = self.parts[number]
        return part.value(self.known, self.place) if part.is_known(self.known) else None

    def one_open(self) -> tuple[Term, int, bool] | None:
        """Of two operands the open one, the other's value, and whether the open one is on the left."""
        left, right = self.constant(0), self.constant(1)
        if right is not None:
            return self.parts[0], right, True
        return None if left is None else (self.parts[1], left, False)


def holds(term: Term) -> Equation:
    """That a condition is met, which is any value but 0."""
    if term.bounds == (0, 1):
        return Equation(term, 1)
    return Equation(Term(apply("ne", term.expr, 0)), 1)


def fails(term: Term) -> Equation:
    """That a condition is not met."""
    return Equation(term, 0)


def ways(equation: Equation, known: Known, place: Place) -> Ways:
    """What has to hold for an equation to hold, in simpler terms."""
    term, wanted = equation.term, equation.wanted
    if not term.bounds[0] <= wanted <= term.bounds[1]:
        return []
    match term.expr:
        case Apply(op) if op in _RULES:
            return _RULES[op](_Step(term.parts, wanted, known, place))
        case Element(table):
            return _element(table, _Step(term.parts, wanted, known, place))
        case _:
            return None


def _only(*equations: tuple[Term, int]) -> list[Equations]:
    return [tuple(Equation(term, wanted) for term, wanted in equations)]


def _each(term: Term, values: Iterable[int]) -> list[Equations]:
    return [(Equation(term, value),) for value in values]


# --- arithmetic ----------------------------------------------------------------------------------


def _negate(step: _Step) -> Ways:
    return _only((step.parts[0], -step.wanted))


def _invert(step: _Step) -> Ways:
    return _only((step.parts[0], ~step.wanted))


def _add(step: _Step) -> Ways:
    found = step.one_open()
    if found is None:
        return _disjoint(step)
    term, constant, _ = found
    return _only((term, step.wanted - constant))


def _subtract(step: _Step) -> Ways:
    found = step.one_open()
    if found is None:
        return None
    term, constant, is_left = found
    return _only((term, step.wanted + constant if is_left else constant - step.wanted))


def _multiply(step: _Step) -> Ways:
    found = step.one_open()
    if found is None:
        return None
    term, factor, _ = found
    if factor == 0:
        return [()] if step.wanted == 0 else []
    return [] if step.wanted % factor else _only((term, step.wanted // factor))


def _shift_left(step: _Step) -> Ways:
    amount = step.constant(1)
    if amount is None or amount < 0:
        return None
    low = step.wanted & ((1 << amount) - 1)
    return [] if low else _only((step.parts[0], step.wanted >> amount))


def _shift_right(step: _Step) -> Ways:
    amount = step.constant(1)
    if amount is None or amount < 0:
        return None
    first = step.wanted << amount
    return _within(step.parts[0], first, 1, first + (1 << amount) - 1)


def _within(term: Term, first: int, stride: int, last: int) -> Ways:
    """The values first, first + stride … last that a term can have."""
    low, high = term.bounds
    first += max(0, -((first - low) // stride)) * stride
    last = min(last, high)
    if (last - first) // stride >= _MOST_WAYS:
        return None
    return _each(term, range(first, last + 1, stride))


# --- bits ----------------------------------------------------------------------------------------


def _disjoint(step: _Step) -> Ways:
    """A sum or an `or` of terms that have no bit in common: each has its bits of the result."""
    left, right = step.parts
    if left.support < 0 or right.support < 0 or left.support & right.support:
        return None
    if step.wanted & ~(left.support | right.support):
        return []
    return _only((left, step.wanted & left.support), (right, step.wanted & right.support))


def _or(step: _Step) -> Ways:
    if step.wanted == 0:
        return _only((step.parts[0], 0), (step.parts[1], 0))
    found = step.one_open()
    if found is not None and found[1] == 0:
        return _only((found[0], step.wanted))
    return _disjoint(step)


def _and(step: _Step) -> Ways:
    left, right = step.parts
    if left.bounds == right.bounds == (0, 1):
        if step.wanted:
            return _only((left, 1), (right, 1))
        found = step.one_open()
        return None if found is None else _only((found[0], 0)) if found[1] else [()]
    return None


def _exclusive_or(step: _Step) -> Ways:
    found = step.one_open()
    return _disjoint(step) if found is None else _only((found[0], found[1] ^ step.wanted))


def _bits(step: _Step) -> Ways:
    """All values that are the wanted one modulo a power of two."""
    width = step.constant(1)
    if width is None or width < 0:
        return None
    term, low = step.parts[0], step.wanted & ((1 << width) - 1)
    first = low + (term.bounds[0] >> width << width)
    return _within(term, first, 1 << width, term.bounds[1])


# --- choices -------------------------------------------------------------------------------------


def _select(step: _Step) -> Ways:
    condition, then, otherwise = step.parts
    chosen = step.constant(0)
    if chosen is not None:
        return _only((then if chosen else otherwise, step.wanted))
    result: list[Equations] = []
    for choice, term in ((holds(condition), then), (fails(condition), otherwise)):
        if term.bounds[0] <= step.wanted <= term.bounds[1]:
            result.append((choice, Equation(term, step.wanted)))
    return result


def _equality(step: _Step, equal: bool) -> Ways:
    found = step.one_open()
    if found is None:
        return None
    term, other, _ = found
    if equal:
        return _only((term, other))
    if term.bounds == (0, 1) and other in (0, 1):
        return _only((term, 1 - other))
    return None


def _equal(step: _Step) -> Ways:
    return _equality(step, bool(step.wanted))


def _not_equal(step: _Step) -> Ways:
    return _equality(step, not step.wanted)


def _element(table: tuple[int, ...], step: _Step) -> Ways:
    (index,) = step.parts
    if index.bounds[0] < 0 or index.bounds[1] >= len(table):  # beyond the table an element is 0
        return None
    return _each(index, (number for number, value in enumerate(table) if value == step.wanted))


_RULES: dict[str, Callable[[_Step], Ways]] = {
    "neg": _negate, "inv": _invert, "add": _add, "sub": _subtract, "mul": _multiply,
    "shl": _shift_left, "shr": _shift_right, "or": _or, "and": _and, "xor": _exclusive_or,
    "bits": _bits, "sbits": _bits, "select": _select, "eq": _equal, "ne": _not_equal,
}  # fmt: skip
