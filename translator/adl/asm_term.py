"""Static expressions as solving asks for them: which fields they need, what they can be, their value, their tables.

A `Term` keeps what is worked out about an expression, so that it is worked out once and not with each line of
assembly text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from pyqemu.translator.adl.compiled import Source
from pyqemu.translator.static import Apply, Ctx, Element, Field, Here, StaticExpr, interval, leaves_of, substitute

#: The values of fields that are known so far, by name.
Known = Mapping[str, int]
#: By value of a term, the values of its open fields that give it.
_Inverse = dict[int, list[tuple[int, ...]]]

#: Tables that a term keeps: one for each set of values of the fields that are known.
_MOST_TABLES = 64
#: Terms with fields filled in that a term keeps.
_MOST_GIVEN = 1024


@dataclass(frozen=True, slots=True)
class Place:
    """What an expression depends on besides fields: the instruction's guest address, and context variables."""

    here: int
    context: Mapping[str, int]


class Term:
    """A static expression over an encoding's fields."""

    def __init__(self, expr: StaticExpr) -> None:
        self.expr = expr
        leaves = leaves_of(expr)
        self.fields = {leaf.name: leaf for leaf in leaves if isinstance(leaf, Field)}
        self.placed = len(leaves) > len(self.fields)  # it depends on the place too
        self.bounds = interval(expr)
        self._inverses: dict[tuple[object, ...], _Inverse] = {}
        self._given: dict[tuple[tuple[str, int], ...], Term] = {}

    @property
    def field(self) -> str | None:
        """The field's name, if the term is nothing but a field."""
        return self.expr.name if isinstance(self.expr, Field) else None

    @cached_property
    def parts(self) -> tuple[Term, ...]:
        """The operands of an operation, the index of an element."""
        match self.expr:
            case Apply(_, args):
                return tuple(Term(arg) for arg in args)
            case Element(_, index):
                return (Term(index),)
            case _:
                return ()

    @cached_property
    def support(self) -> int:
        """The bits that can be 1; −1 if the value can be negative."""
        return _support(self.expr)

    @cached_property
    def _compiled(self) -> Callable[[Known, int, Mapping[str, int]], int]:
        source = Source(_leaf)
        return source.function("fields, here, context", f" return {source.number(self.expr)}")

    def is_known(self, known: Known) -> bool:
        """Whether all fields that it depends on are known."""
        return self.fields.keys() <= known.keys()

    def value(self, known: Known, place: Place) -> int:
        """The value, from all its fields."""
        if isinstance(self.expr, int):
            return self.expr
        return self._compiled(known, place.here, place.context)

    def open_fields(self, known: Known) -> list[Field]:
        """The fields that are not known, narrow ones first."""
        return sorted((f for n, f in self.fields.items() if n not in known), key=lambda f: (f.width, f.name))

    def open_bits(self, known: Known) -> int:
        """How many bits of its fields are not known."""
        return sum(f.width for name, f in self.fields.items() if name not in known)

    def given(self, known: Known) -> Term:
        """The term with known fields filled in, so that it has narrower bounds; kept."""
        fixed = {name: known[name] for name in self.fields if name in known}
        key = tuple(fixed.items())
        if key not in self._given:
            if len(self._given) >= _MOST_GIVEN:
                self._given.clear()
            self._given[key] = Term(substitute(self.expr, dict(fixed)))
        return self._given[key]

    def solutions(self, wanted: int, known: Known, place: Place) -> list[dict[str, int]]:
        """What the open fields can be for the term to have a value; by trying everything once, and keeping that."""
        fixed = {name: known[name] for name in self.fields if name in known}
        fields = self.open_fields(fixed)
        key = (*fixed.items(), *((place.here, *place.context.items()) if self.placed else ()))
        made = self._inverses.get(key)
        if made is None:
            if len(self._inverses) >= _MOST_TABLES:
                self._inverses.clear()
            made = self._inverses[key] = self._inverse(fields, fixed, place)
        return [_named(fields, values) for values in made.get(wanted, ())]

    def _inverse(self, fields: list[Field], fixed: Known, place: Place) -> _Inverse:
        table: _Inverse = {}
        compiled, trial = self._compiled, dict(fixed)
        for values in _combinations(fields):
            trial.update(zip(map(_name, fields), values, strict=True))
            table.setdefault(compiled(trial, place.here, place.context), []).append(values)
        return table


def all_values(fields: list[Field]) -> Iterator[dict[str, int]]:
    """All values that the fields can have together, small ones first."""
    return (_named(fields, values) for values in _combinations(fields))


def _combinations(fields: list[Field]) -> Iterator[tuple[int, ...]]:
    return product(*(range(low, high + 1) for low, high in map(interval, fields)))


def _named(fields: list[Field], values: tuple[int, ...]) -> dict[str, int]:
    return dict(zip(map(_name, fields), values, strict=True))


def _name(field: Field) -> str:
    return field.name


def _leaf(item: Field | Ctx | Here) -> str:
    match item:
        case Field(name):
            return f"fields[{name!r}]"
        case Ctx(name):
            return f"context.get({name!r}, 0)"
        case Here(width):
            return f"(here & {(1 << width) - 1})"


def _support(expr: StaticExpr) -> int:
    low, high = interval(expr)
    if low < 0:
        return -1
    bounded = (1 << high.bit_length()) - 1
    match expr:
        case int():
            return expr
        case Apply("shl", (inner, int(amount))) if amount >= 0 and interval(inner)[0] >= 0:
            return _support(inner) << amount
        case Apply("mul", (inner, int(factor))) if factor > 0 and factor & (factor - 1) == 0:
            return _support(inner) * factor
        case Apply("or" | "xor", (left, right)):
            return _support(left) | _support(right)
        case Apply("add", (left, right)) if min(a := _support(left), b := _support(right)) >= 0 and not a & b:
            return a | b
        case Apply("and", (left, right)):
            return _support(left) & _support(right) & bounded
        case Apply("bits", (inner, int(width))):
            return _support(inner) & ((1 << width) - 1)
        case Apply("select", (_, then, otherwise)):
            return _support(then) | _support(otherwise)
        case _:
            return bounded
