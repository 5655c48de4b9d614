"""Built-in functions on ints, bits and vectors; builtins_memory.py and builtins_float.py have the others."""

from __future__ import annotations

from collections.abc import Callable

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.arguments import (
    Builtin,
    argument,
    float_or_int_operands,
    int_argument,
    operand,
    want_arguments,
    width_argument,
)
from pyqemu.translator.adl.body import Body
from pyqemu.translator.adl.operators import shift, unify
from pyqemu.translator.adl.types_of import static_count
from pyqemu.translator.adl.values import ListValue, Scope, Val, as_static, describe, type_name
from pyqemu.translator.ir.function import Value
from pyqemu.translator.ir.types import Bits, Vec, with_width
from pyqemu.translator.static import StaticExpr, element

# --- families ------------------------------------------------------------------------------------


def _unary(name: str) -> Builtin:
    def run(body: Body, call: ast.Call, scope: Scope) -> Val:
        want_arguments(body, call, 1)
        value = argument(body, call, 0, scope)
        static = as_static(value)
        if static is not None and name in _STATIC_UNARY:
            return _STATIC_UNARY[name](body, static)
        x = operand(body, call, 0, value)
        if name == "bswap" and x.type.width % 8:
            raise body.error(call.span, f"bswap wants whole bytes, not {type_name(x.type)}")
        return body.emitter.emit(name, [x], x.type)

    return run


def _static_abs(body: Body, value: StaticExpr) -> StaticExpr:
    return body.apply("select", body.apply("lt", value, 0), body.apply("neg", value), value)


_STATIC_UNARY: dict[str, Callable[[Body, StaticExpr], StaticExpr]] = {
    "abs": _static_abs,
    "popcount": lambda body, value: body.apply("popcount", value),
}


def _binary(name: str) -> Builtin:
    def run(body: Body, call: ast.Call, scope: Scope) -> Val:
        a, b = float_or_int_operands(body, call, scope, 2)
        return body.emitter.emit(name, [a, b], a.type)

    return run


def _resize(name: str) -> Builtin:
    def run(body: Body, call: ast.Call, scope: Scope) -> Val:
        want_arguments(body, call, 2)
        value = operand(body, call, 0, argument(body, call, 0, scope))
        width = width_argument(body, call, 1, scope)
        have = value.type.width
        if (width > have and name == "trunc") or (width < have and name != "trunc"):
            advice = "say zext or sext" if name == "trunc" else f"say trunc(x, {width})"
            raise body.error(call.span, f"{name} cannot make {width} bits of {type_name(value.type)}", advice)
        return body.emitter.resize(name, value, with_width(value.type, width))

    return run


def _shift(name: str) -> Builtin:
    def run(body: Body, call: ast.Call, scope: Scope) -> Val:
        want_arguments(body, call, 2)
        value = operand(body, call, 0, argument(body, call, 0, scope))
        return shift(body, name, value, argument(body, call, 1, scope), call.arguments[1].span)

    return run


def _carry(name: str) -> Builtin:
    def run(body: Body, call: ast.Call, scope: Scope) -> Val:
        want_arguments(body, call, 3)
        a, b = unify(
            body, argument(body, call, 0, scope), argument(body, call, 1, scope),
            call.arguments[0].span, call.arguments[1].span,
        )  # fmt: skip
        carry_type = with_width(a.type, 1)
        carry = body.to_type(argument(body, call, 2, scope), carry_type, call.arguments[2].span, "the carry")
        return body.emitter.emit(name, [a, b, carry], carry_type)

    return run


# --- ints ----------------------------------------------------------------------------------------


def _bits(body: Body, call: ast.Call, scope: Scope) -> Val:
    """`bits(e, n)` on an int, `bits(v)` on a vector."""
    value = argument(body, call, 0, scope) if call.arguments else ()
    if len(call.arguments) == 1:
        vector = body.bits(value, call.arguments[0].span, "the vector")
        return body.emitter.bitcast(vector, Bits(vector.type.total))
    want_arguments(body, call, 2)
    static = as_static(value)
    if static is None:
        raise body.error(
            call.span, f"bits(e, n) cuts an int, and this is {describe(value)}", "say trunc(x, n)"
        )
    return body.apply("bits", static, int_argument(body, call, 1, scope))


def _sbits(body: Body, call: ast.Call, scope: Scope) -> Val:
    want_arguments(body, call, 2)
    return body.apply("sbits", int_argument(body, call, 0, scope), int_argument(body, call, 1, scope))


def _b(body: Body, call: ast.Call, scope: Scope) -> Val:
    want_arguments(body, call, 2)
    value = argument(body, call, 0, scope)
    static = as_static(value)
    width = width_argument(body, call, 1, scope)
    if static is None:
        raise body.error(
            call.span,
            f"b(e, w) gives an int a width, and this is {describe(value)}",
            "say zext, sext or trunc",
        )
    return body.hole(body.apply("bits", static, width), Bits(width))


def _log2(body: Body, call: ast.Call, scope: Scope) -> Val:
    want_arguments(body, call, 1)
    return body.apply("log2", int_argument(body, call, 0, scope))


def _extreme(smaller: bool) -> Builtin:
    def run(body: Body, call: ast.Call, scope: Scope) -> Val:
        want_arguments(body, call, 2)
        a, b = int_argument(body, call, 0, scope), int_argument(body, call, 1, scope)
        first, second = (a, b) if smaller else (b, a)
        return body.apply("select", body.apply("lt", a, b), first, second)

    return run


# --- concatenation and repetition ----------------------------------------------------------------


def _cat(body: Body, call: ast.Call, scope: Scope) -> Val:
    if not call.arguments:
        raise body.error(call.span, "cat wants at least one argument")
    parts = [
        operand(body, call, place, argument(body, call, place, scope)) for place in range(len(call.arguments))
    ]
    for part, where in zip(parts, call.arguments, strict=True):
        if isinstance(part.type, Vec):
            raise body.error(where.span, f"cat joins bits, and this is {type_name(part.type)}", "say bits(v)")
    result = parts[0]
    for part in parts[1:]:
        result = body.emitter.concat(result, part)
    return result


def _repl(body: Body, call: ast.Call, scope: Scope) -> Val:
    if len(call.arguments) == 3:
        return _repl_int(body, call, scope)
    want_arguments(body, call, 2)
    value = operand(body, call, 0, argument(body, call, 0, scope))
    count = static_count(body, call.arguments[1], scope, "the number of copies")
    if isinstance(value.type, Vec):
        raise body.error(call.span, f"repl repeats bits, and this is {type_name(value.type)}", "say shuffle")
    return body.emitter.bitcast(body.emitter.splat(value, count), Bits(value.type.width * count))


def _repl_int(body: Body, call: ast.Call, scope: Scope) -> StaticExpr:
    """`repl(e, w, k)`: e's low w bits, times a factor; a look-up of the factor while w is open."""
    value, width, count = (int_argument(body, call, place, scope) for place in range(3))
    if not isinstance(width, int):
        total = body.constant(body.apply("mul", width, count), call.span, "the width of all copies")
        low, high = body.knowledge.bounds(width)
        if low < 1 or high > total:
            raise body.error(call.arguments[1].span, f"this width can be {low} … {high}")
        factors = tuple(_factor(w, total // w) if total % w == 0 else 0 for w in range(low, high + 1))
        factor = element(factors, body.apply("sub", width, low))
    else:
        factor = _factor(width, body.constant(count, call.arguments[2].span, "the number of copies"))
    return body.apply("mul", body.apply("bits", value, width), factor)


def _factor(width: int, count: int) -> int:
    return sum(1 << (width * copy) for copy in range(count))


# --- vectors -------------------------------------------------------------------------------------


def _vec(body: Body, call: ast.Call, scope: Scope) -> Val:
    want_arguments(body, call, 2)
    value = operand(body, call, 0, argument(body, call, 0, scope))
    width = width_argument(body, call, 1, scope)
    if value.type.total % width:
        raise body.error(call.span, f"{type_name(value.type)} cannot be cut into lanes of {width} bits")
    return body.emitter.bitcast(value, Vec(value.type.total // width, width))


def _splat(body: Body, call: ast.Call, scope: Scope) -> Val:
    want_arguments(body, call, 2)
    value = operand(body, call, 0, argument(body, call, 0, scope))
    lanes = static_count(body, call.arguments[1], scope, "the number of lanes")
    if isinstance(value.type, Vec):
        raise body.error(call.span, f"{type_name(value.type)} is a vector already", "say shuffle")
    return body.emitter.splat(value, lanes)


def _vector(body: Body, call: ast.Call, place: int, scope: Scope) -> tuple[Value, Vec]:
    value = operand(body, call, place, argument(body, call, place, scope))
    if not isinstance(value.type, Vec):
        raise body.error(
            call.arguments[place].span,
            f"a vector is wanted, and this is {type_name(value.type)}",
            "say vec(x, n)",
        )
    return value, value.type


def _with_lane(body: Body, call: ast.Call, scope: Scope) -> Val:
    want_arguments(body, call, 3)
    vector, ty = _vector(body, call, 0, scope)
    lane = body.constant(argument(body, call, 1, scope), call.arguments[1].span, "the lane's number")
    if not 0 <= lane < ty.lanes:
        raise body.error(call.arguments[1].span, f"there is no lane {lane} in {type_name(ty)}")
    value = body.to_type(argument(body, call, 2, scope), Bits(ty.width), call.arguments[2].span, "the lane")
    return body.emitter.emit("with_lane", [vector, value], ty, index=lane)


def _lanes(body: Body, call: ast.Call, scope: Scope) -> Val:
    want_arguments(body, call, 3)
    variable = call.arguments[0]
    if not isinstance(variable, ast.Name):
        raise body.error(
            variable.span, "a name is wanted here", "lanes(i, k, e): e is evaluated for i = 0 … k-1"
        )
    count = static_count(body, call.arguments[1], scope, "the number of lanes")
    item = call.arguments[2]
    values = [body.evaluate(body, item, Scope(scope, {variable.name: i})) for i in range(count)]
    typed = [value for value in values if isinstance(value, Value)]
    if not typed or not isinstance(typed[0].type, Bits):
        raise body.error(item.span, f"a lane cannot be {describe(values[0])}", "give it a width: b(e, width)")
    lane_type = typed[0].type
    result = body.emitter.const(0, Vec(count, lane_type.width))
    for place, value in enumerate(values):
        lane = body.to_type(value, lane_type, item.span, f"lane {place}")
        result = body.emitter.emit("with_lane", [result, lane], result.type, index=place)
    return result


def _shuffle(body: Body, call: ast.Call, scope: Scope) -> Val:
    want_arguments(body, call, 3)
    (a, ty), (b, other) = _vector(body, call, 0, scope), _vector(body, call, 1, scope)
    if ty != other:
        raise body.error(call.arguments[1].span, f"the vectors are {type_name(ty)} and {type_name(other)}")
    picked, where = argument(body, call, 2, scope), call.arguments[2].span
    if not isinstance(picked, ListValue):
        raise body.error(
            where, f"a list of lanes is wanted, and this is {describe(picked)}", "[f(i) for i in a..b]"
        )
    mask = tuple(body.constant(item, where, "a lane's number") for item in picked.items)
    for lane in mask:
        if not 0 <= lane < 2 * ty.lanes:
            raise body.error(where, f"lane {lane} is not within 0 … {2 * ty.lanes - 1}")
    if not mask:
        raise body.error(where, "a vector has at least one lane")
    return body.emitter.emit("shuffle", [a, b], Vec(len(mask), ty.width), mask=mask)


def _vtable(body: Body, call: ast.Call, scope: Scope) -> Val:
    want_arguments(body, call, 2)
    (table, ty), (index, other) = _vector(body, call, 0, scope), _vector(body, call, 1, scope)
    if ty.width != other.width:
        raise body.error(
            call.arguments[1].span, f"the indices are {type_name(other)}, the lanes {ty.width} bits wide"
        )
    return body.emitter.emit("vtable", [table, index], other)


def _clmul(body: Body, call: ast.Call, scope: Scope) -> Val:
    a, b = float_or_int_operands(body, call, scope, 2)
    return body.emitter.emit("clmul", [a, b], with_width(a.type, 2 * a.type.width))


INTEGER_BUILTINS: dict[str, Builtin] = {
    **{name: _unary(name) for name in ("clz", "ctz", "popcount", "bitrev", "bswap", "abs")},
    **{
        name: _binary(name)
        for name in (
            "udiv", "sdiv", "urem", "srem", "umulh", "smulh", "umin", "umax", "smin", "smax",
            "uadd_sat", "sadd_sat", "usub_sat", "ssub_sat",
        )
    },
    **{name: _resize(name) for name in ("zext", "sext", "trunc")},
    **{name: _shift(op) for name, op in (("lsl", "shl"), ("lsr", "lshr"), ("asr", "ashr"), ("ror", "rotr"))},
    **{name: _carry(name) for name in ("add_carry", "add_overflow")},
    "bits": _bits,
    "sbits": _sbits,
    "b": _b,
    "log2": _log2,
    "min": _extreme(True),
    "max": _extreme(False),
    "cat": _cat,
    "repl": _repl,
    "vec": _vec,
    "splat": _splat,
    "with_lane": _with_lane,
    "lanes": _lanes,
    "shuffle": _shuffle,
    "vtable": _vtable,
    "clmul": _clmul,
}  # fmt: skip
