"""Outlined functions: one IR function for each name, width and int argument that instructions call with."""

from __future__ import annotations

from collections.abc import Callable

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.body import Body, Outlined
from pyqemu.translator.adl.calls import run_function
from pyqemu.translator.adl.names import names_in
from pyqemu.translator.adl.values import Scope, Val
from pyqemu.translator.adl.writes import finish_function
from pyqemu.translator.ir.function import Function, Value
from pyqemu.translator.ir.types import Type
from pyqemu.translator.static import Ctx

MakeBody = Callable[[Function, Body], Body]
Finish = Callable[[Function], None]
Key = tuple[str, tuple[tuple[str, "int | Type"], ...], tuple[tuple[str, int], ...]]


class Outliner:
    """Makes outlined functions when they are first called and keeps them."""

    def __init__(self, make_body: MakeBody, finish: Finish) -> None:
        self._make_body = make_body
        self._finish = finish
        self._made: dict[Key, Outlined] = {}
        self._contexts: dict[str, frozenset[str]] = {}

    def functions(self) -> dict[str, Function]:
        """All functions made so far, by name."""
        return {outlined.function.name: outlined.function for outlined in self._made.values()}

    def __call__(
        self, caller: Body, declaration: ast.Function, statics: dict[str, int | Type], span: ast.Span
    ) -> Outlined:
        """The function for these ints and types; made now if it is new."""
        context = tuple(
            (name, caller.constant(caller.leaf(Ctx(name, caller.declarations.contexts[name])), span, name))
            for name in sorted(self._contexts_of(caller, declaration))
        )
        key = (declaration.name, tuple(statics.items()), context)
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = self._make(caller, declaration, statics, key, span)
        return found

    def _make(
        self,
        caller: Body,
        declaration: ast.Function,
        statics: dict[str, int | Type],
        key: Key,
        span: ast.Span,
    ) -> Outlined:
        function = Function(_name(key))
        body = self._make_body(function, caller)
        body.calls = [*caller.calls, span]
        names: dict[str, Val] = {}
        for name, static in statics.items():
            if isinstance(static, int):
                names[name] = static
            else:
                names[name] = Value(static, name)
        by_name = {p.name: names[p.name] for p in declaration.parameters}
        function.entry.arguments += [value for value in by_name.values() if isinstance(value, Value)]
        result = run_function(body, declaration, Scope(None, dict(names)))
        results = (
            [result] if isinstance(result, Value) else list(result) if isinstance(result, tuple) else None
        )
        if results is None or not all(isinstance(value, Value) for value in results):
            raise caller.error(
                declaration.span, f"{declaration.name} is outlined, so it has to return run-time values"
            )
        values = [value for value in results if isinstance(value, Value)]
        early = body.path.early
        finish_function(body, values)
        function.results = tuple(value.type for value in values)
        self._finish(function)
        touched = body.touched
        return Outlined(function, frozenset(touched.reads), frozenset(touched.writes), early)

    def _contexts_of(self, caller: Body, declaration: ast.Function | ast.OperandTable) -> frozenset[str]:
        """Context variables that a function or table, or what it calls, mentions."""
        found = self._contexts.get(declaration.name)
        if found is None:
            self._contexts[declaration.name] = frozenset()  # for a function that calls itself
            names = names_in(declaration)
            known = caller.declarations
            own = frozenset(names & set(known.contexts))
            called = [known.functions.get(name) or known.operands.get(name) for name in names]
            found = own.union(*[self._contexts_of(caller, one) for one in called if one is not None])
            self._contexts[declaration.name] = found
        return found


def _name(key: Key) -> str:
    """`name.n=32.k=4`: unique, and readable in listings."""
    name, statics, context = key
    return ".".join([name, *(f"{n}={value}" for n, value in (*statics, *context))])
