"""Types as descriptions write them, evaluated: widths and lane counts are static positions."""

from __future__ import annotations

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.body import Body
from pyqemu.translator.adl.values import Scope
from pyqemu.translator.ir.types import Bits, Type, Vec

#: Widths beyond this are taken for mistakes.
MAX_WIDTH = 4096


def evaluate_type(body: Body, expr: ast.TypeExpr, scope: Scope) -> Type | None:
    """The type that `expr` means; None is `int`."""
    if expr.width is None:
        return None
    width = static_width(body, expr.width, scope)
    if expr.lanes is None:
        return Bits(width)
    lanes = static_count(body, expr.lanes, scope, "the number of lanes")
    return Vec(lanes, width)


def static_width(body: Body, expr: ast.Expr, scope: Scope) -> int:
    """A width in bits in a static position."""
    width = body.constant(body.evaluate(body, expr, scope), expr.span, "a width")
    if not 1 <= width <= MAX_WIDTH:
        raise body.error(expr.span, f"a width of {width} bits makes no sense", "a width is at least 1")
    return width


def static_count(body: Body, expr: ast.Expr, scope: Scope, what: str) -> int:
    """A count of at least one in a static position."""
    count = body.constant(body.evaluate(body, expr, scope), expr.span, what)
    if not 1 <= count <= MAX_WIDTH:
        raise body.error(expr.span, f"{what} is {count}, but has to be at least 1")
    return count
