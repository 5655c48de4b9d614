"""What expressions mean: decode-time ones become StaticExpr, run-time ones IR operations."""

from __future__ import annotations

from collections.abc import Callable

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.body import Body
from pyqemu.translator.adl.errors import nearest
from pyqemu.translator.adl.kinds import is_static
from pyqemu.translator.adl.knowledge import truth
from pyqemu.translator.adl.operators import binary, choose, static_binary, unary
from pyqemu.translator.adl.places import is_place, read_place, resolve
from pyqemu.translator.adl.values import Cell, Lazy, ListValue, Scope, Val, as_static, describe, type_name
from pyqemu.translator.ir.function import Value
from pyqemu.translator.ir.ops import Effect
from pyqemu.translator.ir.types import Bits, Vec
from pyqemu.translator.static import StaticExpr, element

CallHandler = Callable[[Body, ast.Call, Scope], Val]
MemoryHandler = Callable[[Body, ast.Index, Scope], Val]


class Evaluator:
    """Evaluates expressions; calls and memory accesses are handed on."""

    def __init__(self, call: CallHandler, memory: MemoryHandler) -> None:
        self._call = call
        self._memory = memory

    def __call__(self, body: Body, expr: ast.Expr, scope: Scope) -> Val:
        """The value of `expr`."""
        if type(expr) is ast.Name:  # the two most frequent kinds first
            return _name(body, expr, scope)
        match expr:
            case ast.Number():
                return expr.value
            case ast.Binary():
                return self._binary(body, expr, scope)
            case ast.Call():
                return self._call(body, expr, scope)
            case ast.Index():
                return self._index(body, expr, scope)
            case ast.Slice():
                return self._slice(body, expr, scope)
            case ast.Conditional():
                return self._conditional(body, expr, scope)
            case ast.Unary():
                return unary(body, expr, self(body, expr.operand, scope))
            case ast.Tuple():
                return tuple(self(body, item, scope) for item in expr.items)
            case ast.ListExpr():
                return self._list(body, expr, scope)
            case ast.Text():
                raise body.error(expr.span, "a string may only stand as an option of a built-in function")
            case _:
                raise body.error(expr.span, "this expression has no meaning here")

    def _binary(self, body: Body, expr: ast.Binary, scope: Scope) -> Val:
        left, right = self(body, expr.left, scope), self(body, expr.right, scope)
        a, b = as_static(left), as_static(right)
        if a is not None and b is not None:
            return static_binary(body, expr, a, b)
        if isinstance(left, tuple | ListValue) or isinstance(right, tuple | ListValue):
            raise body.error(expr.span, f"{expr.op} does not work on {describe(left)} and {describe(right)}")
        return binary(body, expr, left, right)

    # --- choices -----------------------------------------------------------------------------

    def _conditional(self, body: Body, expr: ast.Conditional, scope: Scope) -> Val:
        condition = self(body, expr.condition, scope)
        test = as_static(condition)
        if test is None:
            return self._run_time_choice(body, expr, condition, scope)
        if (
            not isinstance(test, int)
            and is_static(body, expr.then, scope)
            and is_static(body, expr.otherwise, scope)
        ):
            then, otherwise = self(body, expr.then, scope), self(body, expr.otherwise, scope)
            a, b = as_static(then), as_static(otherwise)
            assert a is not None and b is not None
            return body.apply("select", truth(test), a, b)
        chosen = body.constant(truth(test), expr.condition.span, "this choice")
        return self(body, expr.then if chosen else expr.otherwise, scope)

    def _run_time_choice(self, body: Body, expr: ast.Conditional, condition: Val, scope: Scope) -> Val:
        test = body.bits(condition, expr.condition.span, "the condition")
        if test.type.width != 1:
            raise body.error(
                expr.condition.span,
                f"a condition is b1 or a vector of b1, not {type_name(test.type)}",
                "say x != 0",
            )
        before = len(body.emitter.block.ops)
        then, otherwise = self(body, expr.then, scope), self(body, expr.otherwise, scope)
        touches = Effect.LOADS | Effect.STORES
        if any(op.spec.effects & touches for op in body.emitter.block.ops[before:]):
            raise body.error(
                expr.span,
                "memory would be accessed whatever the condition is",
                "use `if` with a `var` instead of ?:",
            )
        return choose(body, expr, test, then, otherwise)

    # --- parts -------------------------------------------------------------------------------

    def _index(self, body: Body, expr: ast.Index, scope: Scope) -> Val:
        base = expr.base
        if isinstance(base, ast.Name) and scope.find(base.name) is None:
            if base.name == "mem":
                return self._memory(body, expr, scope)
            table = body.declarations.constants.get(base.name)
            values = body.declarations.globals.constant(base.name) if table is not None else 0
            if table is not None and isinstance(values, tuple):
                return self._element(body, expr, table, tuple(v for v in values if isinstance(v, int)), scope)
        if is_place(body, base, scope) and not _has_whole_value(body, base, scope):
            return read_place(body, resolve(body, expr, scope), expr.span)
        if len(expr.arguments) != 1:
            raise body.error(expr.span, f"one index is wanted here, not {len(expr.arguments)}")
        value, index = self(body, base, scope), self(body, expr.arguments[0], scope)
        if isinstance(value, Value) and isinstance(value.type, Vec):
            return _lane(body, expr, value, index)
        if isinstance(value, ListValue | tuple):
            raise body.error(expr.span, f"{describe(value)} cannot be indexed")
        return slice_value(
            body, expr, value, body.static(index, expr.arguments[0].span, "the bit's number"), 1
        )

    def _element(
        self, body: Body, expr: ast.Index, table: ast.ConstTable, values: tuple[int, ...], scope: Scope
    ) -> Val:
        index = self(body, expr.arguments[0], scope)
        place = as_static(index)
        if place is not None:
            return body.knowledge.known(element(values, place))
        run_time = body.bits(index, expr.arguments[0].span, "the index")
        if table.width is None:
            raise body.error(
                expr.span,
                f"the elements of {table.name} have no width",
                f"declare it as {table.name}: bN[{len(values)}]",
            )
        if isinstance(run_time.type, Vec):
            raise body.error(
                expr.span, "a table is indexed by bits, not by a vector", "use lanes(i, k, T[v[i]])"
            )
        values = tuple(value & ((1 << table.width) - 1) for value in values)
        return body.emitter.emit("lookup", [run_time], Bits(table.width), table=values)

    def _slice(self, body: Body, expr: ast.Slice, scope: Scope) -> Val:
        value = self(body, expr.base, scope)
        high = body.static(self(body, expr.high, scope), expr.high.span, "the slice's top bit")
        low = body.static(self(body, expr.low, scope), expr.low.span, "the slice's bottom bit")
        width = body.apply("add", body.apply("sub", high, low), 1)
        if as_static(value) is not None and not isinstance(width, int):
            return body.apply("bits", body.apply("shr", as_static(value) or 0, low), width)
        return slice_value(body, expr, value, low, body.constant(width, expr.span, "the slice's width"))

    def _list(self, body: Body, expr: ast.ListExpr, scope: Scope) -> Val:
        if expr.variable is None or expr.low is None or expr.high is None:
            return ListValue(tuple(self(body, item, scope) for item in expr.items))
        low = body.constant(self(body, expr.low, scope), expr.low.span, "a bound")
        high = body.constant(self(body, expr.high, scope), expr.high.span, "a bound")
        item, variable = expr.items[0], expr.variable
        return ListValue(tuple(self(body, item, Scope(scope, {variable: i})) for i in range(low, high)))


# --- names ---------------------------------------------------------------------------------------


def _name(body: Body, expr: ast.Name, scope: Scope) -> Val:
    found = scope.find(expr.name)
    if found is not None:
        return _bound(body, expr, found)
    known, name = body.declarations, expr.name
    if name == "here":
        if body.here is None:
            raise body.error(
                expr.span, "an outlined function has no address", "pass it as an argument: b(here, 64)"
            )
        return body.here
    if name in known.contexts:
        return body.context(name, expr.span)
    if name in known.groups:
        parts = [
            read_place(body, resolve(body, ast.Name(expr.span, flag), Scope()), expr.span)
            for flag in known.groups[name]
        ]
        value = parts[0]
        for part in parts[1:]:
            value = body.emitter.concat(value, part)
        return value
    if name in known.constants:
        constant = known.globals.constant(name)
        if isinstance(constant, tuple):
            raise body.error(expr.span, f"{name} is a table and wants an index", f"say {name}[i]")
        return constant
    if name in known.registers or name in known.views:
        return read_place(body, resolve(body, expr, scope), expr.span)
    raise body.error(
        expr.span,
        f"there is no {name} here",
        nearest(name, {*known.names(), *scope.all_names(), "here", "mem"}),
    )


def _bound(body: Body, expr: ast.Name, found: Val | Cell | Lazy) -> Val:
    if isinstance(found, Cell):
        return body.path.cells[found]
    if isinstance(found, Lazy):
        if found.value is None:
            if found.busy:
                raise body.error(expr.span, f"{expr.name} is defined by itself")
            found.busy = True
            value = body.evaluate(body, found.expr, found.scope)
            if as_static(value) is None:
                raise body.error(
                    found.expr.span,
                    f"{expr.name} is {describe(value)}, but what an instruction's `let` names is an int",
                    "move it into `do`",
                )
            found.value, found.busy = value, False
        return found.value
    return body.knowledge.known(found) if as_static(found) is not None else found  # type: ignore[arg-type]


def _has_whole_value(body: Body, base: ast.Expr, scope: Scope) -> bool:
    """Whether `base` is read by itself before it is indexed: `X[i][3]`, `R[3]` for a single register."""
    if isinstance(base, ast.Name):
        register = body.declarations.registers.get(base.name)
        view = body.declarations.views.get(base.name)
        return (register is not None and not register.is_file) or (view is not None and not view.index)
    return isinstance(base, ast.Index | ast.Slice)


# --- parts ---------------------------------------------------------------------------------------


def _lane(body: Body, expr: ast.Index, value: Value, index: Val) -> Value:
    assert isinstance(value.type, Vec)
    number = body.constant(index, expr.arguments[0].span, "the lane's number")
    if not 0 <= number < value.type.lanes:
        raise body.error(expr.arguments[0].span, f"there is no lane {number} in {type_name(value.type)}")
    return body.emitter.emit("lane", [value], Bits(value.type.width), index=number)


def slice_value(body: Body, expr: ast.Expr, value: Val, low: StaticExpr, width: int) -> Val:
    """Bits low … low+width-1; `low` may be a hole."""
    if width < 1:
        raise body.error(expr.span, "the slice has no bits", "a slice is [high:low], bit 0 is the lowest")
    static = as_static(value)
    if static is not None:
        body.check_range(low, 0, 1 << 62, expr.span, "the lowest bit")
        return body.apply("bits", body.apply("shr", static, low), width)
    bits = body.bits(value, expr.span, "what is sliced")
    if isinstance(bits.type, Vec):
        raise body.error(
            expr.span, f"{type_name(bits.type)} has lanes, not bits", "say bits(v)[high:low] or v[lane]"
        )
    body.check_range(
        low,
        0,
        bits.type.width - width,
        expr.span,
        "the slice's lowest bit",
        "a slice is [high:low], bit 0 is the lowest",
    )
    if isinstance(low, int):
        return body.emitter.extract(bits, low, width)
    shifted = body.emitter.emit("lshr", [bits, body.emitter.hole(low, bits.type)], bits.type)
    return body.emitter.extract(shifted, 0, width)
