"""Calls: inlined and outlined functions, operand tables as values, and the way to the built-in functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.body import Body
from pyqemu.translator.adl.errors import DescriptionError, nearest
from pyqemu.translator.adl.operand_tables import table_arguments, table_value
from pyqemu.translator.adl.static_expr import Environment, run
from pyqemu.translator.adl.types_of import evaluate_type
from pyqemu.translator.adl.values import Scope, Val, as_static, describe, type_name
from pyqemu.translator.ir.function import Value
from pyqemu.translator.ir.types import Bits, Type, Vec
from pyqemu.translator.static import StaticExpr

Builtin = Callable[[Body, ast.Call, Scope], Val]
#: Functions that call each other deeper than this are taken to be recursive.
MOST_DEPTH = 64


class Caller:
    """Finds out what is called and calls it."""

    def __init__(self, builtins: Mapping[str, Builtin]) -> None:
        self._builtins = builtins

    def __call__(self, body: Body, call: ast.Call, scope: Scope) -> Val:
        """The value of a call."""
        known = body.declarations
        function = known.functions.get(call.name)
        if function is not None:
            arguments = [body.evaluate(body, argument, scope) for argument in call.arguments]
            return call_function(body, call, function, arguments)
        table = known.operands.get(call.name)
        if table is not None:
            return table_value(body, call, table, table_arguments(body, call, scope))
        builtin = self._builtins.get(call.name)
        if builtin is not None:
            return builtin(body, call, scope)
        if call.name in known.views:
            raise body.error(call.span, f"view {call.name} wants an index", f"say {call.name}(…)[i]")
        raise body.error(
            call.span,
            f"there is no function {call.name}",
            nearest(call.name, {*known.callables(), *self._builtins}),
        )


def call_function(body: Body, call: ast.Call, function: ast.Function, arguments: list[Val]) -> Val:
    """Inlines `function`, or calls its outlined copy for these widths and ints."""
    if len(arguments) != len(function.parameters):
        raise body.error(
            call.span, f"{function.name} takes {len(function.parameters)} arguments, not {len(arguments)}"
        )
    if len(body.calls) > MOST_DEPTH:
        raise body.error(
            call.span, f"{function.name} calls itself without end", "functions are inlined: no recursion"
        )
    spans = [argument.span for argument in call.arguments]
    if not function.outline:
        computed = _computed(body, function, arguments)
        if computed is not None:
            return computed
    bound = _bind(body, function, arguments, spans)
    if function.outline:
        return _call_outlined(body, call, function, bound)
    body.calls.append(call.span)
    result = run_function(body, function, Scope(None, dict(bound)))
    body.calls.pop()
    return result


def _computed(body: Body, function: ast.Function, arguments: list[Val]) -> Val | None:
    """The result of a function over ints; its static `if`s become choices, so that no shape is split."""
    if any(p.type.width is not None for p in function.parameters) or not function.results:
        return None
    if any(ty.width is not None for ty in function.results):
        return None
    statics: dict[str, StaticExpr] = {}
    for parameter, argument in zip(function.parameters, arguments, strict=True):
        static = as_static(argument)
        if static is None:
            return None
        statics[parameter.name] = static
    try:
        result = run(function.body, Environment(body.declarations.globals, statics))
    except DescriptionError:  # perhaps a loop whose bounds are open: elaborating it decides them
        return None
    if isinstance(result, tuple):
        return tuple(body.substituted(part) for part in result if not isinstance(part, tuple))
    return None if result is None else body.substituted(result)


def run_function(body: Body, function: ast.Function, scope: Scope) -> Val:
    """Runs a function whose parameters are bound; what it returns is checked against its result types."""
    last = function.body[-1] if function.body else None
    result = run_returning(body, function.body[:-1], last, scope, function)
    if not function.results:
        if result != ():
            raise body.error(
                function.span, f"{function.name} returns a value, but has no result type", "add -> type"
            )
        return ()
    values = result if isinstance(result, tuple) else (result,)
    if len(values) != len(function.results):
        raise body.error(
            _return_span(function),
            f"{function.name} returns {describe(result)}, but has {len(function.results)} results",
        )
    span = _return_span(function)
    converted = tuple(
        _result(body, function, value, ty, scope, span)
        for value, ty in zip(values, function.results, strict=True)
    )
    return converted[0] if len(converted) == 1 else converted


def _result(
    body: Body, function: ast.Function, value: Val, ty: ast.TypeExpr, scope: Scope, span: ast.Span
) -> Val:
    declared = evaluate_type(body, ty, scope)
    what = f"the result of {function.name}"
    return body.static(value, span, what) if declared is None else body.to_type(value, declared, span, what)


def _return_span(function: ast.Function) -> ast.Span:
    last = function.body[-1] if function.body else None
    return last.value.span if isinstance(last, ast.Return) else function.span


def run_returning(
    body: Body, statements: tuple[ast.Stmt, ...], last: ast.Stmt | None, scope: Scope, function: ast.Function
) -> Val:
    """Runs statements whose last one returns, perhaps from the branches of a static `if`."""
    body.execute(body, statements, scope)
    match last:
        case ast.Return(_, value):
            return body.evaluate(body, value, scope)
        case ast.If(_, condition, then, otherwise) if function.results:
            test = as_static(body.evaluate(body, condition, scope))
            if test is None:
                raise body.error(
                    condition.span,
                    f"{function.name} cannot return from a run-time `if`",
                    "assign to a `var` in the branches and return it at the end, or use ?:",
                )
            chosen = then if body.constant(test, condition.span, "this condition") else otherwise
            if not chosen:
                raise body.error(last.span, f"{function.name} returns nothing here", "return in each branch")
            return run_returning(body, chosen[:-1], chosen[-1], Scope(scope), function)
        case None:
            pass
        case _:
            body.execute(body, (last,), scope)
    if function.results:
        where = last.span if last is not None else function.span
        raise body.error(where, f"{function.name} has to end with a return", "return is the last statement")
    return ()


# --- parameters ----------------------------------------------------------------------------------


def _bind(body: Body, function: ast.Function, arguments: list[Val], spans: list[ast.Span]) -> dict[str, Val]:
    """Parameters by name; widths that parameter types leave open come from the arguments."""
    bound: dict[str, Val] = {}
    parameters = list(zip(function.parameters, arguments, spans, strict=True))
    for parameter, argument, span in parameters:
        if parameter.type.width is None:
            bound[parameter.name] = body.static(argument, span, f"{function.name}'s {parameter.name}")
    scope = Scope(None, dict(bound))
    for parameter, argument, span in parameters:
        if parameter.type.width is not None and isinstance(argument, Value):
            _infer(body, function, parameter, argument.type, scope, span)
    for parameter, argument, span in parameters:
        if parameter.type.width is None:
            continue
        open_names = _open_names(body, parameter.type, scope)
        if open_names:
            raise body.error(
                span,
                f"an int gives {function.name}'s {parameter.name} no width {open_names[0]}",
                "give it one: b(e, width)",
            )
        ty = evaluate_type(body, parameter.type, scope)
        assert ty is not None
        bound[parameter.name] = body.to_type(argument, ty, span, f"{function.name}'s {parameter.name}")
    for name, value in scope.names.items():
        bound.setdefault(name, value)  # type: ignore[arg-type]
    return bound


def _open_names(body: Body, ty: ast.TypeExpr, scope: Scope) -> list[str]:
    return [part.name for part in (ty.width, ty.lanes) if isinstance(part, ast.Name) and _is_open(body, part, scope)]


def _infer(
    body: Body, function: ast.Function, parameter: ast.Parameter, have: Type, scope: Scope, span: ast.Span
) -> None:
    """Binds names that stand alone as a width or lane count in the parameter's type."""
    if isinstance(have, Vec) != (parameter.type.lanes is not None):
        if isinstance(have, Bits):  # a scalar may still be splatted, if another argument gives the lanes
            return
        raise body.error(
            span,
            f"{function.name}'s {parameter.name} is {type_name(have)}, but bits without lanes are wanted",
            "say bits(v)",
        )
    parts = [(parameter.type.width, have.width)]
    if isinstance(have, Vec):
        parts.append((parameter.type.lanes, have.lanes))
    for part, size in parts:
        if isinstance(part, ast.Name) and _is_open(body, part, scope):
            scope.names[part.name] = size


def _is_open(body: Body, name: ast.Name, scope: Scope) -> bool:
    """Whether arguments decide what a name in a type stands for."""
    known = body.declarations.constants, body.declarations.contexts
    return scope.find(name.name) is None and not any(name.name in names for names in known)


# --- outlined functions --------------------------------------------------------------------------


def _call_outlined(body: Body, call: ast.Call, function: ast.Function, bound: dict[str, Val]) -> Val:
    statics: dict[str, int | Type] = {}
    operands: list[Value] = []
    for name, value in bound.items():
        if isinstance(value, Value):
            statics[name] = value.type
        else:
            statics[name] = body.constant(value, call.span, f"{function.name}'s {name}")
    for parameter in function.parameters:
        value = bound[parameter.name]
        if isinstance(value, Value):
            operands.append(value)
    outlined = body.outliner(body, function, statics, call.span)
    for write in body.path.writes:
        if write.register in outlined.writes:
            raise body.error(
                call.span,
                f"{function.name} writes {write.register}, which this instruction has written before",
                "writes take effect at the end of the instruction, a call's at once",
            )
    body.touched.reads |= outlined.reads
    body.touched.writes |= outlined.writes
    results = body.emitter.call(outlined.function.name, operands, outlined.function.results)
    body.path.clobbered |= outlined.writes
    effect = f"it writes {sorted(outlined.writes)[0]}" if outlined.writes else outlined.early
    if effect:
        body.path.early = body.path.early or f"a call of {function.name} ({effect})"
    return results[0] if len(results) == 1 else tuple(results)
