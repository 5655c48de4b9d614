"""Variants: several architectures in the same files, which differ by constants (docs/language.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.errors import DescriptionError, nearest
from pyqemu.translator.adl.static_expr import Environment, Globals


@dataclass(frozen=True, slots=True)
class Chosen:
    """The variant that is read; without a name where there are none."""

    name: str | None = None
    constants: Mapping[str, ast.ConstTable] = field(default_factory=dict[str, ast.ConstTable])

    def holds(self, condition: ast.Expr | None) -> bool:
        """Whether the condition of a `use` holds. Raises DescriptionError."""
        return condition is None or fixed_int(condition, self.constants) != 0


def choose(declarations: Sequence[ast.Decl], wanted: str | None, start: ast.Span) -> Chosen:
    """The variant called `wanted`, or the first one, of main.arch's declarations. Raises DescriptionError."""
    variants = {d.name: d for d in declarations if isinstance(d, ast.Variant)}
    if wanted is not None and wanted not in variants:
        advice = nearest(wanted, variants) or f"there are: {', '.join(variants) or 'none'}"
        raise DescriptionError(start, f"no variant is called {wanted}", advice)
    if not variants:
        return Chosen()
    chosen = variants[wanted or next(iter(variants))]
    return Chosen(chosen.name, {constant.name: constant for constant in chosen.constants})


def fixed_int(expr: ast.Expr, constants: Mapping[str, ast.ConstTable]) -> int:
    """An int that is made of constants alone. Raises DescriptionError."""
    value = Environment(Globals(constants, {}, {}, {}, frozenset())).static(expr)
    if not isinstance(value, int):
        raise DescriptionError(expr.span, "this is not made of constants")
    return value
