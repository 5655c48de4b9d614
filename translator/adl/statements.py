"""What statements do: names, writes, stores, branches, loops, gotos and exceptions."""

from __future__ import annotations

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.body import Body, DirectGoto, IndirectGoto
from pyqemu.translator.adl.branches import run_time_if
from pyqemu.translator.adl.builtins_memory import store
from pyqemu.translator.adl.errors import nearest
from pyqemu.translator.adl.knowledge import truth
from pyqemu.translator.adl.places import resolve, write_context, write_place
from pyqemu.translator.adl.types_of import evaluate_type
from pyqemu.translator.adl.values import Cell, Scope, Val, as_static, describe, type_name
from pyqemu.translator.ir.function import Value
from pyqemu.translator.ir.types import I1, Bits
from pyqemu.translator.static import Here, as_address

#: Rounds that one loop is unrolled into at most.
MOST_ROUNDS = 1024


def execute(body: Body, statements: tuple[ast.Stmt, ...], scope: Scope) -> None:
    """Runs statements in order, as long as control reaches them."""
    for statement in statements:
        if not body.path.alive:
            return
        _statement(body, statement, scope)


def _statement(body: Body, statement: ast.Stmt, scope: Scope) -> None:
    match statement:
        case ast.Let():
            _let(body, statement, scope)
        case ast.Assign():
            _assign(body, statement, scope)
        case ast.Write():
            _write(body, statement, scope)
        case ast.If():
            _if(body, statement, scope)
        case ast.For():
            _for(body, statement, scope)
        case ast.Goto():
            _goto(body, statement, scope)
        case ast.Raise():
            _raise(body, statement, scope)
        case ast.ExprStmt(span, expr):
            value = body.evaluate(body, expr, scope)
            if value != ():
                raise body.error(
                    span, f"{describe(value)} is computed and not used", "use `let`, or leave it out"
                )
        case ast.Return():
            raise body.error(
                statement.span,
                "`return` cannot stand here",
                "it is a function's last statement, or last in a static `if`",
            )
        case _:
            raise body.error(statement.span, "this statement has no meaning here")


# --- names ---------------------------------------------------------------------------------------


def _let(body: Body, statement: ast.Let, scope: Scope) -> None:
    value = body.evaluate(body, statement.value, scope)
    if value == ():
        raise body.error(statement.value.span, "this gives no value")
    values: tuple[Val, ...] = (value,)
    if len(statement.names) > 1:
        if not isinstance(value, tuple) or len(value) != len(statement.names):
            raise body.error(
                statement.value.span,
                f"{len(statement.names)} values are wanted, and this is {describe(value)}",
            )
        values = value
    for name, one in zip(statement.names, values, strict=True):
        if statement.mutable:
            cell = Cell(name)
            body.path.cells[cell] = one
            scope.names[name] = cell
        else:
            scope.names[name] = one


def _assign(body: Body, statement: ast.Assign, scope: Scope) -> None:
    cell = scope.find(statement.name)
    if not isinstance(cell, Cell):
        if cell is None and statement.name in body.declarations.names():
            raise body.error(
                statement.span, f"{statement.name} is guest state", f"write it with {statement.name} := e"
            )
        advice = "make it with `var`" if cell is not None else nearest(statement.name, scope.all_names())
        raise body.error(statement.span, f"{statement.name} is not a `var`", advice)
    value = body.evaluate(body, statement.value, scope)
    before = body.path.cells[cell]
    if isinstance(before, Value):
        value = body.to_type(value, before.type, statement.value.span, f"the value of {cell.name}")
    elif as_static(before) is not None and isinstance(value, Value):
        raise body.error(
            statement.value.span,
            f"{cell.name} is an int, and this is {describe(value)}",
            f"give it a width: var {cell.name} = b(…, {value.type.width})",
        )
    body.path.cells[cell] = value


# --- writes --------------------------------------------------------------------------------------


def _write(body: Body, statement: ast.Write, scope: Scope) -> None:
    target, known = statement.target, body.declarations
    if isinstance(target, ast.Index) and isinstance(target.base, ast.Name) and target.base.name == "mem":
        value = body.evaluate(body, statement.value, scope)
        store(body, target, value, statement.value.span, scope)
        return
    span = statement.value.span
    if isinstance(target, ast.Name):
        if scope.find(target.name) is not None:
            raise body.error(
                target.span, f"{target.name} is a local name", f"say {target.name} = e for a `var`"
            )
        if target.name in known.contexts:
            if body.here is None:
                raise body.error(
                    target.span, "an outlined function cannot change the context", "use a plain fn"
                )
            if target.name in known.stepping:
                raise body.error(
                    target.span,
                    f"{target.name} follows from one instruction to the next and cannot be written",
                    f"say `next {target.name} = e`, not among the statements",
                )
            write_context(body, target.name, body.evaluate(body, statement.value, scope), span)
            return
        if target.name in known.groups:
            _write_group(
                body, known.groups[target.name], target, body.evaluate(body, statement.value, scope), span
            )
            return
    place = resolve(body, target, scope)
    write_place(body, place, body.evaluate(body, statement.value, scope), span)


def _write_group(body: Body, flags: tuple[str, ...], target: ast.Name, value: Val, span: ast.Span) -> None:
    bits = body.to_type(value, Bits(len(flags)), span, f"the value of {target.name}")
    for number, flag in enumerate(reversed(flags)):
        place = resolve(body, ast.Name(target.span, flag), Scope())
        write_place(body, place, body.emitter.extract(bits, number, 1), span)


# --- control -------------------------------------------------------------------------------------


def _if(body: Body, statement: ast.If, scope: Scope) -> None:
    condition = body.evaluate(body, statement.condition, scope)
    static = as_static(condition)
    if static is not None:
        chosen = body.constant(truth(static), statement.condition.span, "this condition")
        execute(body, statement.then if chosen else statement.otherwise, Scope(scope))
        return
    test = body.bits(condition, statement.condition.span, "the condition")
    if test.type != I1:
        raise body.error(
            statement.condition.span, f"the condition of `if` is b1, not {type_name(test.type)}", "say x != 0"
        )
    run_time_if(
        body,
        test,
        statement.span,
        lambda: execute(body, statement.then, Scope(scope)),
        lambda: execute(body, statement.otherwise, Scope(scope)),
    )


def _for(body: Body, statement: ast.For, scope: Scope) -> None:
    low, high = (
        body.constant(body.evaluate(body, bound, scope), bound.span, "a bound of a loop")
        for bound in (statement.low, statement.high)
    )
    if high - low > MOST_ROUNDS:
        raise body.error(
            statement.span, f"a loop of {high - low} rounds cannot be unrolled", "use an outline fn"
        )
    for number in range(low, high):
        execute(body, statement.body, Scope(scope, {statement.variable: number}))


def _goto(body: Body, statement: ast.Goto, scope: Scope) -> None:
    if body.here is None:
        raise body.error(
            statement.span, "an outlined function cannot go anywhere", "return the address instead"
        )
    value = body.evaluate(body, statement.target, scope)
    static = as_static(value)
    if static is not None:
        target = body.knowledge.known(as_address(static, body.declarations.address_width))
        body.path.goto = DirectGoto(target, statement.kind)
    else:
        body.path.goto = IndirectGoto(body.address(value, statement.target.span), statement.kind)


def _raise(body: Body, statement: ast.Raise, scope: Scope) -> None:
    known = body.declarations.exceptions
    exception = known.get(statement.exception)
    if exception is None:
        advice = nearest(statement.exception, known)
        raise body.error(statement.span, f"there is no exception {statement.exception}", advice)
    if body.here is None:
        raise body.error(statement.span, "an outlined function cannot raise", "return a condition instead")
    if len(statement.arguments) != len(exception.parameters):
        raise body.error(
            statement.span,
            f"{exception.name} takes {len(exception.parameters)} arguments, not {len(statement.arguments)}",
        )
    operands: list[Value] = []
    for argument, parameter in zip(statement.arguments, exception.parameters, strict=True):
        ty = evaluate_type(body, parameter.type, Scope())
        if ty is None:
            raise body.error(parameter.span, "an exception's arguments are bits", "say b32 or the like")
        value = body.evaluate(body, argument, scope)
        operands.append(body.to_type(value, ty, argument.span, f"{exception.name}'s {parameter.name}"))
    body.access(statement.span)
    body.emitter.effect("raise", operands, exception=exception.name, pc=Here())
    body.path.alive = False
