"""What is known of an encoding's fields while one of its shapes is elaborated, and how to learn more.

A `Knowledge` holds fields and context variables that have one value (`pins`) and other decisions (`facts`:
an expression and its value). Few field bits are enumerated, so that what follows from decisions is found
exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pyqemu.translator.static import (
    OPERATIONS,
    Apply,
    Ctx,
    Element,
    Field,
    Here,
    Interval,
    StaticExpr,
    apply,
    interval,
    leaves_of,
)

Leaf = Field | Ctx
Fact = tuple[StaticExpr, int]

#: Field bits that are enumerated at most; for a yes or no, which can be split without, at most BOOLEAN_BITS.
ENUMERATED_BITS = 16
BOOLEAN_BITS = 12
#: Values that an expression over more bits may be split into.
MOST_VALUES = 64


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Decisions made so far. `pins` is by field or context variable's leaf."""

    pins: Mapping[Leaf, int]
    facts: tuple[Fact, ...] = ()
    values: Mapping[StaticExpr, int] | None = None

    def known(self, expr: StaticExpr) -> StaticExpr:
        """`expr`, or its value if that was decided."""
        if self.values and isinstance(expr, Apply | Element):
            return self.values.get(expr, expr)
        return expr

    def with_fact(self, expr: StaticExpr, value: int, pins: Mapping[Leaf, int]) -> Knowledge:
        """This and `expr == value`, from which `pins` follow."""
        if isinstance(expr, Field | Ctx):
            return Knowledge({**self.pins, expr: value}, self.facts, self.values)
        values = {**(self.values or {}), expr: value}
        return Knowledge({**self.pins, **pins}, (*self.facts, (expr, value)), values)

    def bounds(self, expr: StaticExpr) -> Interval:
        """The tightest bounds of `expr` that are affordable."""
        rows = self._rows(expr, self._free(expr, ENUMERATED_BITS))
        if rows is None:
            return interval(expr)
        found = {row[0] for row in rows}
        return (min(found), max(found)) if found else interval(expr)

    def split(self, expr: StaticExpr) -> Split | None:
        """The values that `expr` can have, each with what then is known; None if there are too many."""
        low, high = interval(expr)
        limit = BOOLEAN_BITS if (low, high) == (0, 1) else ENUMERATED_BITS
        free = self._free(expr, limit)
        rows = self._rows(expr, free)
        if rows is not None:
            return self._split_by_rows(expr, free, rows)
        if high - low >= MOST_VALUES or any(isinstance(leaf, Here) for leaf in leaves_of(expr)):
            return None
        return Split(expr, {value: self.with_fact(expr, value, {}) for value in range(low, high + 1)})

    def _free(self, expr: StaticExpr, limit: int) -> list[Leaf] | None:
        """Leaves of `expr` without a value yet, and those tied to them; None if they are too many."""
        leaves = leaves_of(expr)
        if any(isinstance(leaf, Here) for leaf in leaves):
            return None
        free: set[Leaf] = {leaf for leaf in leaves if not isinstance(leaf, Here) and leaf not in self.pins}
        if _bits(free) > limit:
            return None
        for fact, _ in self.facts:
            tied = _leaf_set(fact, self.pins)
            if tied & free and _bits(free | tied) <= limit:
                free |= tied
        return sorted(free, key=lambda leaf: leaf.name)

    def _rows(self, expr: StaticExpr, free: list[Leaf] | None) -> list[tuple[int, ...]] | None:
        if free is None:
            return None
        within = set(free)
        tied = [(fact, _leaf_set(fact[0], self.pins)) for fact in self.facts]
        facts = [fact for fact, leaves in tied if leaves and leaves <= within]
        return enumerate_values(expr, free, facts, self.pins)

    def _split_by_rows(self, expr: StaticExpr, free: list[Leaf] | None, rows: list[tuple[int, ...]]) -> Split:
        assert free is not None
        by_value: dict[int, list[tuple[int, ...]]] = {}
        for row in rows:
            by_value.setdefault(row[0], []).append(row)
        mine = [leaf for leaf in free if leaf in leaves_of(expr)]
        if len(mine) == 1:
            place = free.index(mine[0]) + 1
            settings = {row[place] for row in rows}
            if len(settings) == len(by_value):  # one to one: deciding the field decides as much
                children: dict[int, Knowledge] = {}
                for value in sorted(settings):
                    pins = _common(free, [row for row in rows if row[place] == value])
                    children[value] = self.with_fact(mine[0], value, {}).with_pins(pins)
                return Split(mine[0], children)
        return Split(
            expr,
            {
                value: self.with_fact(expr, value, _common(free, by_value[value]))
                for value in sorted(by_value)
            },
        )

    def with_pins(self, pins: Mapping[Leaf, int]) -> Knowledge:
        """This and fields that have one value."""
        return Knowledge({**self.pins, **pins}, self.facts, self.values)


@dataclass(frozen=True, slots=True)
class Split:
    """The values that `expr` can have, with what is known then."""

    expr: StaticExpr
    children: Mapping[int, Knowledge]


def _leaf_set(expr: StaticExpr, pins: Mapping[Leaf, int]) -> set[Leaf]:
    return {leaf for leaf in leaves_of(expr) if not isinstance(leaf, Here) and leaf not in pins}


def _bits(leaves: set[Leaf]) -> int:
    return sum(leaf.width for leaf in leaves)


def _common(free: list[Leaf], rows: list[tuple[int, ...]]) -> dict[Leaf, int]:
    """The leaves that have the same value in all rows."""
    first = rows[0]
    return {
        leaf: first[place]
        for place, leaf in enumerate(free, 1)
        if all(row[place] == first[place] for row in rows)
    }


def truth(expr: StaticExpr) -> StaticExpr:
    """`expr` as 0 or 1."""
    low, high = interval(expr)
    return expr if low >= 0 and high <= 1 else apply("ne", expr, 0)


# --- enumeration by generated code ---------------------------------------------------------------

_INFIX = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "and": "&",
    "or": "|",
    "xor": "^",
    "eq": "==",
    "ne": "!=",
    "lt": "<",
}
_cache: dict[tuple[object, ...], list[tuple[int, ...]]] = {}


def enumerate_values(
    expr: StaticExpr, free: list[Leaf], facts: list[Fact], pins: Mapping[Leaf, int]
) -> list[tuple[int, ...]]:
    """(value of expr, value of each free leaf) for all values of these leaves that agree with the facts."""
    key = (expr, tuple(free), tuple(facts), tuple((leaf, pins[leaf]) for leaf in _pinned(expr, facts, pins)))
    rows = _cache.get(key)
    if rows is None:
        if len(_cache) > 20000:
            _cache.clear()
        rows = _cache[key] = _run(_Code(free, pins), expr, facts)
    return rows


def _pinned(expr: StaticExpr, facts: list[Fact], pins: Mapping[Leaf, int]) -> list[Leaf]:
    leaves = set(leaves_of(expr)).union(*[leaves_of(fact) for fact, _ in facts])
    return sorted(
        (leaf for leaf in leaves if not isinstance(leaf, Here) and leaf in pins), key=lambda x: x.name
    )


def _run(code: _Code, expr: StaticExpr, facts: list[Fact]) -> list[tuple[int, ...]]:
    names = [f"v{place}" for place in range(len(code.free))]
    loops = [f"for {name} in {_values(leaf)}" for name, leaf in zip(names, code.free, strict=True)]
    tests = [f"if {code.text(fact)} == {value}" for fact, value in facts]
    row = f"({', '.join([f'{code.text(expr)} + 0', *names])},)"  # + 0: an int, not a bool
    text = f"[{row} {' '.join(loops or ['for _ in (0,)'])} {' '.join(tests)}]"
    return eval(text, code.namespace)  # the text is made of operators, numbers and our own names only


def _values(leaf: Leaf) -> str:
    if isinstance(leaf, Field) and leaf.signed:
        return f"range({-(1 << leaf.width >> 1)}, {1 << leaf.width >> 1})"
    return f"range({1 << leaf.width})"


class _Code:
    """Static expressions as Python text."""

    def __init__(self, free: list[Leaf], pins: Mapping[Leaf, int]) -> None:
        self.free = free
        self._names = {leaf: f"v{place}" for place, leaf in enumerate(free)}
        self._pins = pins
        self.namespace: dict[str, Callable[..., int] | tuple[int, ...]] = {
            f"op_{name}": function for name, function in OPERATIONS.items()
        }

    def text(self, expr: StaticExpr) -> str:
        match expr:
            case int():
                return f"({expr})"
            case Field() | Ctx():
                return self._names.get(expr) or f"({self._pins[expr]})"
            case Here():
                raise ValueError("`here` cannot be enumerated")
            case Element(table, index):
                name = f"t{len(self.namespace)}"
                self.namespace[name] = table
                return f"({name}[i] if 0 <= (i := {self.text(index)}) < {len(table)} else 0)"
            case Apply("select", (condition, then, otherwise)):
                return f"({self.text(then)} if {self.text(condition)} else {self.text(otherwise)})"
            case Apply(op, args) if op in _INFIX:
                return f"({self.text(args[0])} {_INFIX[op]} {self.text(args[1])})"
            case Apply(op, args):
                return f"op_{op}({', '.join(self.text(arg) for arg in args)})"
