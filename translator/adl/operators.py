"""Operators: on ints, on bits, and where the two meet."""

from __future__ import annotations

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.body import Body
from pyqemu.translator.adl.values import Choice, Val, as_static, type_name
from pyqemu.translator.ir.function import Value
from pyqemu.translator.ir.types import I1, Bits, Type, Vec, with_width
from pyqemu.translator.static import OPERATIONS, StaticExpr

_STATIC_BINARY = {
    "+": "add", "-": "sub", "*": "mul", "/": "div", "%": "mod", "<<": "shl", ">>": "shr", "&": "and",
    "|": "or", "^": "xor", "==": "eq", "!=": "ne", "<": "lt", "<=": "le",
}  # fmt: skip
_SWAPPED = {">": "<", ">=": "<=", ">u": "<u", ">=u": "<=u", ">s": "<s", ">=s": "<=s"}
_ARITHMETIC = {"+": "add", "-": "sub", "*": "mul", "&": "and", "|": "or", "^": "xor"}
_COMPARISONS = {"==": "eq", "!=": "ne", "<u": "ult", "<=u": "ule", "<s": "slt", "<=s": "sle"}


def unary(body: Body, expr: ast.Unary, value: Val) -> Val:
    """`-x`, `~x` or `!x`."""
    static = as_static(value)
    if static is not None:
        match expr.op:
            case "-":
                return body.apply("neg", static)
            case "~":
                return body.apply("inv", static)
            case _:
                return body.apply("eq", static, 0)
    operand = body.bits(value, expr.operand.span, "the operand")
    match expr.op:
        case "-":
            return body.emitter.emit("neg", [operand], operand.type)
        case "~":
            return body.emitter.emit("not", [operand], operand.type)
        case _:
            if operand.type.width != 1:
                raise body.error(
                    expr.span,
                    f"! is for b1, not {type_name(operand.type)}",
                    "say x == 0, or ~x for the complement",
                )
            if operand.type == I1:
                return body.emitter.negate(operand)
            return body.emitter.emit("not", [operand], operand.type)


def static_binary(body: Body, expr: ast.Binary, a: StaticExpr, b: StaticExpr) -> Val:
    """An operator between ints."""
    op = expr.op
    if op in (">", ">="):
        op, a, b = _SWAPPED[op], b, a
    name = _STATIC_BINARY.get(op)
    if name is None:
        raise body.error(expr.span, f"{expr.op} is for bits; both sides are ints", f"say {expr.op[:-1]}")
    return body.apply(name, a, b)


def binary(body: Body, expr: ast.Binary, left: Val, right: Val) -> Value:
    """An operator with at least one run-time operand."""
    op = expr.op
    if op in ("<<", ">>"):
        value = body.bits(left, expr.left.span, "what is shifted")
        return shift(body, "shl" if op == "<<" else "lshr", value, right, expr.right.span)
    if op in _ARITHMETIC:
        a, b = unify(body, left, right, expr.left.span, expr.right.span)
        return _arithmetic(body, _ARITHMETIC[op], a, b)
    if op in ("/", "%"):
        raise body.error(expr.span, f"{op} is for ints", "say udiv, sdiv, urem or srem")
    if op in _SWAPPED:
        op, left, right = _SWAPPED[op], right, left
    if op not in _COMPARISONS:
        raise body.error(expr.span, f"{expr.op} is for ints; these are bits", f"say {expr.op}u or {expr.op}s")
    a, b = unify(body, left, right, expr.left.span, expr.right.span)
    return _compare(body, _COMPARISONS[op], a, b)


def _arithmetic(body: Body, name: str, a: Value, b: Value) -> Value:
    if a.type == I1 and name in ("and", "or"):
        return body.emitter.logic(name, a, b)
    x, y = body.emitter.constant_of(a), body.emitter.constant_of(b)
    if x is not None and y is not None and name in _ARITHMETIC.values():
        return body.emitter.const(OPERATIONS[name](x, y), a.type)
    if name == "and" and (x == 0 or y == 0):
        return body.emitter.const(0, a.type)
    if name in ("add", "or", "xor") and (x == 0 or y == 0):
        return b if x == 0 else a
    return body.emitter.emit(name, [a, b], a.type)


def _compare(body: Body, name: str, a: Value, b: Value) -> Value:
    x, y = body.emitter.constant_of(a), body.emitter.constant_of(b)
    if x is not None and y is not None and name in ("eq", "ne"):
        return body.emitter.const(int((x == y) == (name == "eq")), with_width(a.type, 1))
    return body.emitter.emit(name, [a, b], with_width(a.type, 1))


def unify(
    body: Body, left: Val, right: Val, left_span: ast.Span, right_span: ast.Span
) -> tuple[Value, Value]:
    """Both operands with one type: an int takes the other's, a scalar beside a vector is splatted."""
    if isinstance(left, Value) and isinstance(right, Value):
        if left.type == right.type:
            return left, right
        if isinstance(left.type, Bits) and isinstance(right.type, Bits):
            body.to_type(right, left.type, right_span, "the right side")  # an error: there is no wider one
        wider = left.type if isinstance(left.type, Vec) else right.type
        return body.to_type(left, wider, left_span, "the left side"), body.to_type(
            right, wider, right_span, "the right side"
        )
    if isinstance(left, Value):
        return left, body.to_type(right, left.type, right_span, "the right side")
    if isinstance(right, Value):
        return body.to_type(left, right.type, left_span, "the left side"), right
    return body.bits(left, left_span, "the left side"), body.bits(right, right_span, "the right side")


def shift(body: Body, name: str, value: Value, amount: Val, span: ast.Span) -> Value:
    """shl, lshr, ashr or rotr by an int or bits of any width."""
    ty = value.type
    static = as_static(amount)
    if static is not None:
        return _shift_by_int(body, name, value, static, span)
    by = body.bits(amount, span, "the amount")
    if isinstance(by.type, Vec) and by.type != ty:
        raise body.error(span, f"the amounts are {type_name(by.type)}, but the value is {type_name(ty)}")
    if isinstance(by.type, Bits):
        by = _amount_of_width(body, name, by, ty.width)
    return body.emitter.emit(name, [value, body.to_type(by, ty, span)], ty)


def _shift_by_int(body: Body, name: str, value: Value, amount: StaticExpr, span: ast.Span) -> Value:
    width = value.type.width
    body.check_range(amount, 0, 1 << 62, span, "the amount of a shift")
    if name == "rotr":
        if not isinstance(amount, int) or amount >= width:
            amount = body.apply("mod", amount, width)
    else:
        amount = body.apply("select", body.apply("lt", amount, width), amount, width)
    if amount == 0:
        return value
    if isinstance(amount, int) and amount >= width and name != "ashr":
        return body.emitter.const(0, value.type)
    if isinstance(amount, int) and width == 1:  # ashr of one bit by one or more
        return value
    return body.emitter.emit(name, [value, body.emitter.hole(amount, value.type)], value.type)


def _amount_of_width(body: Body, name: str, amount: Value, width: int) -> Value:
    """A scalar amount as `width` bits that shift as far."""
    ty = Bits(width)
    if amount.type.width <= width:
        return body.emitter.resize("zext", amount, ty)
    if name == "rotr":
        if width & (width - 1):
            amount = body.emitter.emit("urem", [amount, body.emitter.const(width, amount.type)], amount.type)
    else:
        amount = body.emitter.emit("umin", [amount, body.emitter.const(width, amount.type)], amount.type)
    return body.emitter.resize("trunc", amount, ty)


def choose(body: Body, expr: ast.Conditional, test: Value, then: Val, otherwise: Val) -> Val:
    """`test ? then : otherwise` at run time; tuples are chosen part by part."""
    if isinstance(then, tuple) and isinstance(otherwise, tuple) and len(then) == len(otherwise):
        return tuple(choose(body, expr, test, a, b) for a, b in zip(then, otherwise, strict=True))
    if not isinstance(then, Value) and not isinstance(otherwise, Value):
        return Choice(test, then, otherwise)
    a, b = unify(body, then, otherwise, expr.then.span, expr.otherwise.span)
    if isinstance(test.type, Vec):
        want: Type = Vec(test.type.lanes, a.type.width)
        a, b = body.to_type(a, want, expr.then.span), body.to_type(b, want, expr.otherwise.span)
    return body.emitter.select(test, a, b)
