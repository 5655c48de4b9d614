"""Syntax trees of what is known before run time, made into `StaticExpr`.

Guards, `undef` and `unpred` conditions, given fields and the arguments of assembly text come through here.
Names stand for fields, `let`s, loop variables, context variables, constants and `here`; operand tables,
constant tables and functions over ints are inlined. Whatever is known at run time only is an error at its
place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.errors import DescriptionError, nearest
from pyqemu.translator.adl.static_builtins import BUILT_IN, Value, pattern_matches, select
from pyqemu.translator.static import Ctx, Here, StaticExpr, apply, element, interval

_BINARY = {
    "+": "add", "-": "sub", "*": "mul", "/": "div", "%": "mod", "<<": "shl", ">>": "shr", "&": "and",
    "|": "or", "^": "xor", "==": "eq", "!=": "ne", "<": "lt", "<=": "le",
}  # fmt: skip
_SWAPPED = {">": "lt", ">=": "le"}
_MOST_CALLS = 60


@dataclass(frozen=True, slots=True)
class Globals:
    """What an architecture declares that static expressions can name."""

    constants: Mapping[str, ast.ConstTable]
    operands: Mapping[str, ast.OperandTable]
    functions: Mapping[str, ast.Function]
    contexts: Mapping[str, int]  # widths
    run_time: frozenset[str]  # registers, views and flags: known only at run time
    address_width: int = 64
    _tables: dict[str, Value] = field(default_factory=dict[str, Value], compare=False)

    def constant(self, name: str) -> Value:
        """The value of a `const`; tables are tuples."""
        if name not in self._tables:
            value = Environment(self).value(self.constants[name].value)
            self._tables[name] = value
        return self._tables[name]


class Environment:
    """Names and what they stand for; lets are converted when they are first used."""

    def __init__(self, globals_: Globals, names: Mapping[str, Value] | None = None, depth: int = 0) -> None:
        self.globals = globals_
        self.names: dict[str, Value] = dict(names or {})
        self._lets: dict[str, ast.Let] = {}
        self._depth = depth

    def add_let(self, let: ast.Let) -> None:
        """Makes the names of a `let` known; its value is converted when one of them is first asked for."""
        for name in let.names:
            self._lets[name] = let
            self.names.pop(name, None)

    def known(self) -> list[str]:
        """All names that can be used, for advice."""
        g = self.globals
        return [*self.names, *self._lets, *g.contexts, *g.constants, *g.operands, *g.functions, "here"]

    # --- expressions -----------------------------------------------------------------------------

    def static(self, expr: ast.Expr) -> StaticExpr:
        """`expr` as one int. Raises DescriptionError if it is no int or not known before run time."""
        value = self.value(expr)
        if isinstance(value, tuple):
            raise DescriptionError(expr.span, "an int is wanted here, not a list or tuple")
        return value

    def condition(self, expr: ast.Expr) -> StaticExpr:
        """`expr` as 0 or 1."""
        value = self.static(expr)
        low, high = interval(value)
        return value if low >= 0 and high <= 1 else apply("ne", value, 0)

    def value(self, expr: ast.Expr) -> Value:
        """`expr` as an int, tuple or list."""
        match expr:
            case ast.Number():
                return expr.value
            case ast.Name():
                return self._name(expr)
            case ast.Unary():
                operand = self.static(expr.operand)
                if expr.op == "!":
                    return apply("eq", operand, 0)
                return apply("neg" if expr.op == "-" else "inv", operand)
            case ast.Binary():
                return self._binary(expr)
            case ast.Conditional():
                return self._conditional(expr)
            case ast.Index():
                return self._index(expr)
            case ast.Slice():
                return self._slice(expr)
            case ast.Call():
                return self._call(expr)
            case ast.Tuple():
                return tuple(self.value(item) for item in expr.items)
            case ast.ListExpr():
                return self._list(expr)
            case _:
                raise DescriptionError(expr.span, "this is not known before run time")

    def _name(self, expr: ast.Name) -> Value:
        name = expr.name
        if name in self.names:
            return self.names[name]
        if name in self._lets:
            return self._let(name)
        if name == "here":
            return Here(self.globals.address_width)
        if name in self.globals.contexts:
            return Ctx(name, self.globals.contexts[name])
        if name in self.globals.constants:
            return self.globals.constant(name)
        if name in self.globals.run_time:
            raise DescriptionError(
                expr.span, f"{name} is known only at run time", "this has to be known before"
            )
        raise DescriptionError(expr.span, f"unknown name {name}", nearest(name, self.known()))

    def _let(self, name: str) -> Value:
        let = self._lets.pop(name)
        self.bind(let.names, let.value)
        return self.names[name]

    def bind(self, names: tuple[str, ...], expr: ast.Expr) -> None:
        """Gives names the value of `expr`, or of its parts if there are several names."""
        value = self.value(expr)
        if len(names) == 1:
            self.names[names[0]] = value
            return
        if not isinstance(value, tuple) or len(value) != len(names):
            raise DescriptionError(expr.span, f"{len(names)} values are wanted here")
        self.names.update(zip(names, value, strict=True))

    def _binary(self, expr: ast.Binary) -> StaticExpr:
        left, right = self.static(expr.left), self.static(expr.right)
        if expr.op in _BINARY:
            return apply(_BINARY[expr.op], left, right)
        if expr.op in _SWAPPED:
            return apply(_SWAPPED[expr.op], right, left)
        raise DescriptionError(
            expr.span, f"`{expr.op}` compares bits, and these are ints", f"say `{expr.op.rstrip('us')}`"
        )

    def _conditional(self, expr: ast.Conditional) -> Value:
        condition = self.static(expr.condition)
        if isinstance(condition, int):
            return self.value(expr.then if condition else expr.otherwise)
        return select(condition, self.value(expr.then), self.value(expr.otherwise), expr.span)

    def _index(self, expr: ast.Index) -> Value:
        base = self.value(expr.base)
        if len(expr.arguments) != 1:
            raise DescriptionError(expr.span, "one index is wanted here")
        index = self.static(expr.arguments[0])
        if not isinstance(base, tuple):
            return apply("bits", apply("shr", base, index), 1)
        if isinstance(index, int):
            if not 0 <= index < len(base):
                raise DescriptionError(expr.span, f"there is no element {index}; there are {len(base)}")
            return base[index]
        if all(isinstance(item, int) for item in base):
            return element(tuple(item for item in base if isinstance(item, int)), index)
        result: Value = 0
        for place, item in enumerate(base):
            result = select(apply("eq", index, place), item, result, expr.span)
        return result

    def _slice(self, expr: ast.Slice) -> StaticExpr:
        base, high, low = self.static(expr.base), self.static(expr.high), self.static(expr.low)
        return apply("bits", apply("shr", base, low), apply("add", apply("sub", high, low), 1))

    def _list(self, expr: ast.ListExpr) -> Value:
        if expr.variable is None or expr.low is None or expr.high is None:
            return tuple(self.value(item) for item in expr.items)
        inner = self.inner()
        result: list[Value] = []
        for number in self.range(expr.low, expr.high):
            inner.names[expr.variable] = number
            result.append(inner.value(expr.items[0]))
        return tuple(result)

    def range(self, low: ast.Expr, high: ast.Expr) -> range:
        """The numbers of `low..high`, which must not depend on fields here."""
        ends: list[int] = []
        for expr in (low, high):
            end = self.static(expr)
            if not isinstance(end, int):
                raise DescriptionError(expr.span, "the bounds of a loop over ints must be constants here")
            ends.append(end)
        return range(ends[0], ends[1])

    def inner(self) -> Environment:
        """A copy that may be given more names."""
        copy = Environment(self.globals, self.names, self._depth)
        copy._lets.update(self._lets)
        return copy

    # --- calls -----------------------------------------------------------------------------------

    def _call(self, expr: ast.Call) -> Value:
        name = expr.name
        if name in self.globals.functions:
            return self._call_function(expr, self.globals.functions[name])
        if name in self.globals.operands:
            return self._call_operand(expr, self.globals.operands[name])
        arguments = [self.static(argument) for argument in expr.arguments]
        if name in BUILT_IN:
            count, meaning = BUILT_IN[name]
            if len(arguments) != count:
                raise DescriptionError(expr.span, f"{name} takes {count} arguments, not {len(arguments)}")
            return meaning(*arguments)
        advice = nearest(
            name, [*self.known(), *BUILT_IN]
        ) or "of the built-in functions, ints have " + ", ".join(BUILT_IN)
        raise DescriptionError(expr.span, f"{name} is no function over ints", advice)

    def _call_function(self, expr: ast.Call, function: ast.Function) -> Value:
        bad = [p for p in function.parameters if p.type.width is not None]
        if bad or function.outline:
            raise DescriptionError(
                expr.span, f"{function.name} works at run time", "only functions over ints can be used here"
            )
        if len(expr.arguments) != len(function.parameters):
            wanted = len(function.parameters)
            raise DescriptionError(
                expr.span, f"{function.name} takes {wanted} arguments, not {len(expr.arguments)}"
            )
        if self._depth >= _MOST_CALLS:
            raise DescriptionError(
                expr.span, f"{function.name} calls itself without end", "use a loop or a table"
            )
        arguments = [self.value(argument) for argument in expr.arguments]
        names = {p.name: value for p, value in zip(function.parameters, arguments, strict=True)}
        inner = Environment(self.globals, names, self._depth + 1)
        result = run(function.body, inner)
        if result is None:
            raise DescriptionError(function.span, f"{function.name} does not return a value")
        return result

    def _call_operand(self, expr: ast.Call, table: ast.OperandTable) -> Value:
        arguments = [self.static(argument) for argument in expr.arguments]
        if len(arguments) != len(table.parameters):
            wanted = len(table.parameters)
            raise DescriptionError(expr.span, f"{table.name} takes {wanted} arguments, not {len(arguments)}")
        result: Value = 0
        for row in reversed(table.rows):
            matches = self.row_matches(table, row, arguments)
            if matches == 0:
                continue
            if row.value is None:
                raise DescriptionError(
                    row.span, f"this row of {table.name} has no value", "give it one: `… = e`"
                )
            value = self.row_environment(table, arguments).value(row.value)
            result = select(matches, value, result, row.span)
        return result

    def row_environment(self, table: ast.OperandTable, arguments: list[StaticExpr]) -> Environment:
        """What a row of an operand table sees: the table's parameters."""
        return Environment(self.globals, dict(zip(table.parameters, arguments, strict=True)), self._depth + 1)

    def row_matches(
        self, table: ast.OperandTable, row: ast.OperandRow, arguments: list[StaticExpr]
    ) -> StaticExpr:
        """Whether a row's patterns and condition hold (earlier rows are not looked at)."""
        result: StaticExpr = 1
        for pattern, argument in zip(row.patterns, arguments, strict=True):
            result = apply("and", result, pattern_matches(pattern, argument))
        if row.condition is not None and result != 0:
            result = apply("and", result, self.row_environment(table, arguments).condition(row.condition))
        return result


def run(body: tuple[ast.Stmt, ...], env: Environment) -> Value | None:
    """What a function's statements return, None if they do not."""
    for position, statement in enumerate(body):
        match statement:
            case ast.Return():
                return env.value(statement.value)
            case ast.Let():
                env.bind(statement.names, statement.value)
            case ast.Assign():
                env.bind((statement.name,), statement.value)
            case ast.For():
                for number in env.range(statement.low, statement.high):
                    env.names[statement.variable] = number
                    result = run(statement.body, env)
                    if result is not None:
                        return result
            case ast.If():
                condition = env.static(statement.condition)
                if isinstance(condition, int):
                    rest = (statement.then if condition else statement.otherwise) + body[position + 1 :]
                    return run(rest, env)
                return _run_both(statement, condition, body[position + 1 :], env)
            case _:
                raise DescriptionError(
                    statement.span, "a function over ints only computes", "let, var, if, for, return"
                )
    return None


def _run_both(
    statement: ast.If, condition: StaticExpr, rest: tuple[ast.Stmt, ...], env: Environment
) -> Value | None:
    """An `if` that fields decide: both branches, then the rest, with each changed name selected."""
    then_env, else_env = env.inner(), env.inner()
    if _returns(statement.then) or _returns(statement.otherwise):
        then = run(statement.then + rest, then_env)
        otherwise = run(statement.otherwise + rest, else_env)
        if then is None or otherwise is None:
            raise DescriptionError(statement.span, "one way through this `if` does not return a value")
        return select(condition, then, otherwise, statement.span)
    run(statement.then, then_env)
    run(statement.otherwise, else_env)
    for name in env.names:
        env.names[name] = select(condition, then_env.names[name], else_env.names[name], statement.span)
    return run(rest, env)


def _returns(body: tuple[ast.Stmt, ...]) -> bool:
    return any(
        isinstance(s, ast.Return)
        or (isinstance(s, ast.If) and (_returns(s.then) or _returns(s.otherwise)))
        or (isinstance(s, ast.For) and _returns(s.body))
        for s in body
    )
