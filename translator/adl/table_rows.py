"""Which row of an operand table holds, where its patterns alone decide."""

from __future__ import annotations

from collections.abc import Sequence

from pyqemu.translator.adl import ast
from pyqemu.translator.static import StaticExpr, apply, element, interval

#: Combinations of arguments that are looked up; of more it has to be compared row by row.
MOST_COMBINATIONS = 1024


def row_by_lookup(table: ast.OperandTable, arguments: Sequence[StaticExpr]) -> StaticExpr | None:
    """The number of the first row that matches, `len(rows)` if none does: looked up among those of all combinations of
    arguments. None if there are too many, or rows have conditions.
    """
    if any(row.condition for row in table.rows):
        return None
    size = 1
    domains: list[range] = []
    place: StaticExpr = 0
    for argument in arguments:
        low, high = interval(argument)
        size *= high - low + 1
        if size > MOST_COMBINATIONS:
            return None
        domains.append(range(low, high + 1))
        place = apply("add", apply("mul", place, high - low + 1), apply("sub", argument, low))
    rows = tuple(_first_row(table, values) for values in _combinations(domains))
    return place if rows == tuple(range(size)) else element(rows, place)


def features_of(row: ast.OperandRow) -> tuple[str, ...]:
    """What a row of a table of features names."""
    return tuple(name.strip() for name in (row.text or "").split(",") if name)


def _combinations(domains: list[range]) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = [()]
    for domain in domains:
        found = [(*values, value) for values in found for value in domain]
    return found


def _first_row(table: ast.OperandTable, values: tuple[int, ...]) -> int:
    for number, row in enumerate(table.rows):
        pairs = zip(row.patterns, values, strict=True)
        if all(not p.ranges or any(low <= v <= high for low, high in p.ranges) for p, v in pairs):
            return number
    return len(table.rows)
