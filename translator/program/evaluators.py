"""Decode-time expressions as Python functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pyqemu.translator.adl.compiled import Source
from pyqemu.translator.static import Ctx, Field, Here, StaticExpr, leaves_of


@dataclass(frozen=True, slots=True)
class Evaluator:
    """A decode-time expression as a Python function of fields, `here` and context."""

    value: Callable[[Mapping[str, int], int, Mapping[str, int]], int]
    needs_here: bool


def make_evaluator(expr: StaticExpr) -> Evaluator:
    """Worth its while for an expression that is evaluated more than a few times."""

    def leaf(item: Field | Ctx | Here) -> str:
        match item:
            case Field(name):
                return f"fields[{name!r}]"
            case Ctx(name):
                return f"context[{name!r}]"
            case Here(width):
                return f"(here & {(1 << width) - 1})"

    source = Source(leaf)
    value = source.function("fields, here, context", f" return {source.text(expr)} + 0")
    return Evaluator(value, any(isinstance(item, Here) for item in leaves_of(expr)))
