"""Operand tables as values: which row holds, and what it gives."""

from __future__ import annotations

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.body import Body
from pyqemu.translator.adl.knowledge import truth
from pyqemu.translator.adl.table_rows import row_by_lookup
from pyqemu.translator.adl.types_of import evaluate_type
from pyqemu.translator.adl.values import Scope, Val, as_static, describe
from pyqemu.translator.static import StaticExpr, element


def table_arguments(body: Body, call: ast.Call, scope: Scope) -> list[StaticExpr]:
    """The arguments of a call of a table, as far as they are known."""
    what = f"an argument of {call.name}"
    values = [body.static(body.evaluate(body, one, scope), one.span, what) for one in call.arguments]
    return [body.knowledge.known(value) for value in values]


def table_value(body: Body, call: ast.Call, table: ast.OperandTable, arguments: list[StaticExpr]) -> Val:
    """The value of the first row that matches; asks for a split of the shape if that is open."""
    scope = _scope(body, call, table, arguments)
    if not table.results:
        raise body.error(call.span, f"{table.name} gives text only", "declare a type: operand … -> bN")
    if _is_int(table):
        return _int_value(body, call, table, arguments, scope)
    row = body.constant(row_number(body, table, arguments, scope), call.span, f"the row of {table.name}")
    return _row_value(body, call, table, row, arguments, scope)


def table_text(body: Body, call: ast.Call, table: ast.OperandTable, arguments: list[StaticExpr]) -> str:
    """The text of the first row that matches, which has to be plain; asks for a split of the shape if that is open."""
    scope = _scope(body, call, table, arguments)
    row = body.constant(row_number(body, table, arguments, scope), call.span, f"the row of {table.name}")
    return (table.rows[row].text or "") if row < len(table.rows) else ""


def _scope(body: Body, call: ast.Call, table: ast.OperandTable, arguments: list[StaticExpr]) -> Scope:
    """What the table's parameters are in its rows."""
    if len(arguments) != len(table.parameters):
        raise body.error(
            call.span, f"{table.name} takes {len(table.parameters)} arguments, not {len(arguments)}"
        )
    return Scope(None, dict(zip(table.parameters, arguments, strict=True)))


def _row_value(
    body: Body, call: ast.Call, table: ast.OperandTable, row: int, arguments: list[StaticExpr], scope: Scope
) -> Val:
    if row == len(table.rows):
        shown = ", ".join(str(a) if isinstance(a, int) else "…" for a in arguments)
        raise body.error(
            call.span, f"no row of {table.name} matches ({shown})", "add a row, or a last row `_`"
        )
    value = table.rows[row].value
    if value is None:
        raise body.error(
            table.rows[row].span, f"this row of {table.name} has no value", "add = e after the text"
        )
    body.calls.append(call.span)
    result = body.evaluate(body, value, scope)
    results = result if isinstance(result, tuple) else (result,)
    if len(results) != len(table.results):
        count = len(table.results)
        raise body.error(value.span, f"this row gives {describe(result)}, but {table.name} has {count} results")
    what = f"the value of {table.name}"
    typed = tuple(
        body.static(one, value.span, what) if ty is None else body.to_type(one, ty, value.span, what)
        for one, ty in zip(results, (evaluate_type(body, ty, scope) for ty in table.results), strict=True)
    )
    body.calls.pop()
    return typed[0] if len(typed) == 1 else typed


def _is_int(table: ast.OperandTable) -> bool:
    return len(table.results) == 1 and not any(result.width for result in table.results)


def _int_value(
    body: Body, call: ast.Call, table: ast.OperandTable, arguments: list[StaticExpr], scope: Scope
) -> StaticExpr:
    """An int table needs no split: its value is a look-up or a chain of choices."""
    row = row_number(body, table, arguments, scope)
    if isinstance(row, int):
        return body.static(_row_value(body, call, table, row, arguments, scope), call.span, table.name)
    low, high = body.knowledge.bounds(row)
    if high == len(table.rows):
        _row_value(body, call, table, high, arguments, scope)
    values = [
        body.static(_row_value(body, call, table, number, arguments, scope), call.span, table.name)
        for number in range(low, high + 1)
    ]
    if all(isinstance(value, int) for value in values):
        return element(tuple(v for v in values if isinstance(v, int)), body.apply("sub", row, low))
    result = values[-1]
    for number in range(high - 1, low - 1, -1):
        result = body.apply("select", body.apply("eq", row, number), values[number - low], result)
    return result


def row_number(body: Body, table: ast.OperandTable, arguments: list[StaticExpr], scope: Scope) -> StaticExpr:
    """The number of the first row that matches, `len(rows)` if none does."""
    found = row_by_lookup(table, arguments)
    if found is not None:
        return body.knowledge.known(found)
    number: StaticExpr = len(table.rows)
    for place in range(len(table.rows) - 1, -1, -1):
        row = table.rows[place]
        holds: StaticExpr = 1
        for pattern, argument in zip(row.patterns, arguments, strict=True):
            if pattern.ranges:
                holds = body.apply("and", holds, _matches(body, pattern, argument))
        if row.condition is not None and holds != 0:
            test = as_static(body.evaluate(body, row.condition, scope))
            if test is None:
                raise body.error(row.condition.span, "a row's condition has to be known before run time")
            holds = body.apply("and", truth(test), holds)
        number = body.apply("select", holds, place, number)
    return number


def _matches(body: Body, pattern: ast.Pattern, argument: StaticExpr) -> StaticExpr:
    result: StaticExpr = 0
    for low, high in pattern.ranges:
        if low == high:
            test = body.apply("eq", argument, low)
        else:
            test = body.apply("and", body.apply("le", low, argument), body.apply("le", argument, high))
        result = body.apply("or", result, test)
    return result
