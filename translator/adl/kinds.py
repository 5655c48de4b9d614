"""Tells, without elaborating it, whether an expression is known before run time."""

from __future__ import annotations

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.body import Body
from pyqemu.translator.adl.values import Cell, Lazy, Scope, as_static

#: Built-in functions that give an int if their arguments are ints.
STATIC_FUNCTIONS = frozenset({"bits", "sbits", "log2", "popcount", "min", "max", "repl"})


def is_static(body: Body, expr: ast.Expr, scope: Scope) -> bool:
    """Whether `expr` is an int: made of literals, fields, context and `here` only."""
    match expr:
        case ast.Number():
            return True
        case ast.Name(_, name):
            return _name_is_static(body, name, scope)
        case ast.Unary(_, _, operand):
            return is_static(body, operand, scope)
        case ast.Binary(_, _, left, right):
            return is_static(body, left, scope) and is_static(body, right, scope)
        case ast.Conditional(_, condition, then, otherwise):
            return all(is_static(body, part, scope) for part in (condition, then, otherwise))
        case ast.Index(_, base, arguments):
            if isinstance(base, ast.Name) and base.name == "mem" and scope.find("mem") is None:
                return False
            return is_static(body, base, scope) and all(is_static(body, part, scope) for part in arguments)
        case ast.Slice(_, base, _, _):
            return is_static(body, base, scope)
        case ast.Call(_, name, arguments):
            return _call_is_static(body, name, arguments, scope)
        case _:
            return False


def _name_is_static(body: Body, name: str, scope: Scope) -> bool:
    found = scope.find(name)
    if isinstance(found, Lazy):
        return is_static(body, found.expr, found.scope)
    if isinstance(found, Cell):
        return as_static(body.path.cells[found]) is not None
    if found is not None:
        return as_static(found) is not None
    known = body.declarations
    return name == "here" or name in known.contexts or name in known.constants


def _call_is_static(body: Body, name: str, arguments: tuple[ast.Expr, ...], scope: Scope) -> bool:
    known = body.declarations
    if name in known.operands:
        results = known.operands[name].results
        return len(results) == 1 and results[0].width is None
    if name in known.functions:
        results = known.functions[name].results
        return len(results) == 1 and results[0].width is None
    return name in STATIC_FUNCTIONS and all(is_static(body, part, scope) for part in arguments)
