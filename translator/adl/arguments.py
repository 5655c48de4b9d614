"""What built-in functions do with their arguments: count them, evaluate them, ask for widths and options."""

from __future__ import annotations

from collections.abc import Callable

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.body import Body
from pyqemu.translator.adl.operand_tables import table_arguments, table_text
from pyqemu.translator.adl.operators import unify
from pyqemu.translator.adl.types_of import static_width
from pyqemu.translator.adl.values import Scope, Val, as_static
from pyqemu.translator.ir.function import Value
from pyqemu.translator.ir.types import Bits
from pyqemu.translator.static import StaticExpr

Builtin = Callable[[Body, ast.Call, Scope], Val]


def want_arguments(body: Body, call: ast.Call, least: int, most: int | None = None) -> None:
    """An error unless the call has `least` … `most` arguments."""
    count, most = len(call.arguments), most or least
    if not least <= count <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise body.error(
            call.span, f"{call.name} takes {wanted} argument{'s' if most != 1 else ''}, not {count}"
        )


def argument(body: Body, call: ast.Call, place: int, scope: Scope) -> Val:
    """The value of an argument."""
    return body.evaluate(body, call.arguments[place], scope)


def operand(body: Body, call: ast.Call, place: int, value: Val) -> Value:
    """A run-time operand; an int may stand there if the way it is written gives it a width."""
    expr = call.arguments[place]
    static = as_static(value)
    if static is not None:
        width = _natural_width(body, expr)
        if width is not None:
            return body.to_type(static, Bits(width), expr.span)
    return body.bits(value, expr.span, f"{call.name}'s argument {place + 1}")


def _natural_width(body: Body, expr: ast.Expr) -> int | None:
    """The width that `bits(e, n)` and an element of a table with a width have by themselves."""
    match expr:
        case ast.Call(_, "bits", (_, ast.Number(_, width))):
            return width
        case ast.Index(_, ast.Name(_, name), _):
            table = body.declarations.constants.get(name)
            return table.width if table is not None else None
        case _:
            return None


def int_argument(body: Body, call: ast.Call, place: int, scope: Scope) -> StaticExpr:
    """An argument that has to be an int."""
    value = argument(body, call, place, scope)
    return body.static(value, call.arguments[place].span, f"{call.name}'s argument {place + 1}")


def width_argument(body: Body, call: ast.Call, place: int, scope: Scope) -> int:
    """An argument that is a width in bits."""
    return static_width(body, call.arguments[place], scope)


def text_argument(body: Body, call: ast.Call, place: int, choices: tuple[str, ...], scope: Scope) -> str:
    """An option: a string, or the text of an operand table."""
    expr = call.arguments[place]
    found = expr.value if isinstance(expr, ast.Text) else None
    instead = ""
    if isinstance(expr, ast.Call) and expr.name in body.declarations.operands:
        table = body.declarations.operands[expr.name]
        found = table_text(body, expr, table, table_arguments(body, expr, scope))
        instead = f', not "{found}"'
    if found not in choices:
        shown = ", ".join(f'"{choice}"' for choice in choices)
        raise body.error(expr.span, f"{call.name} wants one of {shown} here{instead}")
    return found


def float_or_int_operands(body: Body, call: ast.Call, scope: Scope, count: int) -> list[Value]:
    """Two or three operands of one type."""
    want_arguments(body, call, count)
    values = [argument(body, call, place, scope) for place in range(count)]
    spans = [expr.span for expr in call.arguments]
    if count == 2:
        return list(unify(body, values[0], values[1], spans[0], spans[1]))
    typed = [value for value in values if isinstance(value, Value)]
    if not typed:
        return [body.bits(value, span, call.name) for value, span in zip(values, spans, strict=True)]
    first, _ = unify(body, typed[0], typed[-1], spans[0], spans[-1])
    return [body.to_type(value, first.type, span) for value, span in zip(values, spans, strict=True)]
