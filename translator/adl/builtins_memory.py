"""Memory: `mem[a, n]` read and written, atomic operations, fences."""

from __future__ import annotations

from dataclasses import dataclass

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.arguments import Builtin, argument, text_argument, want_arguments
from pyqemu.translator.adl.body import Body
from pyqemu.translator.adl.knowledge import truth
from pyqemu.translator.adl.values import Scope, Val
from pyqemu.translator.ir.function import Value
from pyqemu.translator.ir.types import Bits

RMW = ("add", "and", "or", "xor", "swap", "umin", "umax", "smin", "smax")
#: Bytes that one access may have at most.
MOST_BYTES = 64
BYTE_ORDERS = ("le", "be")


@dataclass(frozen=True, slots=True)
class _Access:
    """The parts of `mem[a, n, option, …]`: where, how many bytes, memory order and byte order."""

    address: Value
    size: int
    order: str
    endian: str


def _parts(body: Body, expr: ast.Index, scope: Scope, orders: tuple[str, ...]) -> _Access:
    arguments = expr.arguments
    if len(arguments) < 2:
        options = ", ".join((*orders, *BYTE_ORDERS))
        raise body.error(expr.span, "memory is accessed as mem[address, bytes]", f"options: {options}")
    address = body.address(body.evaluate(body, arguments[0], scope), arguments[0].span)
    size = _size(body, arguments[1], scope)
    order = endian = ""
    for option in arguments[2:]:
        name = option.name if isinstance(option, ast.Name) else ""
        if name in orders and not order:
            order = name
        elif name in BYTE_ORDERS and not endian:
            endian = name
        else:
            left = (*(() if order else orders), *(() if endian else BYTE_ORDERS))
            wanted = f"one of {', '.join(left)} is wanted here" if left else "there is nothing more to say here"
            raise body.error(option.span, wanted)
    body.access(expr.span)
    return _Access(address, size, order or "plain", endian or _data_order(body, size, expr.span))


def _data_order(body: Body, size: int, span: ast.Span) -> str:
    """The byte order of an access of `size` bytes that does not say it; the shape splits if it depends on context."""
    base, other = body.declarations.data_order, body.declarations.data_order_if
    if other is None or size == 1:
        return base
    holds = body.constant(truth(body.substituted(other.condition)), span, "the byte order of this access")
    return other.order if holds else base


def _size(body: Body, expr: ast.Expr, scope: Scope) -> int:
    size = body.constant(body.evaluate(body, expr, scope), expr.span, "the size of an access")
    if not 1 <= size <= MOST_BYTES or size & (size - 1):
        raise body.error(
            expr.span, f"an access cannot have {size} bytes", "a power of two of bytes is wanted, not bits"
        )
    return size


def load(body: Body, expr: ast.Index, scope: Scope) -> Value:
    """The value of `mem[a, n]`."""
    access = _parts(body, expr, scope, ("acquire", "seqcst"))
    return body.emitter.emit("load", [access.address], Bits(8 * access.size), order=access.order, endian=access.endian)


def store(body: Body, expr: ast.Index, value: Val, span: ast.Span, scope: Scope) -> None:
    """`mem[a, n] := value`."""
    access = _parts(body, expr, scope, ("release", "seqcst"))
    what = f"the value stored in {access.size} byte{'s' if access.size > 1 else ''}"
    stored = body.to_type(value, Bits(8 * access.size), span, what)
    body.emitter.effect("store", [access.address, stored], order=access.order, endian=access.endian)


def _cas(body: Body, call: ast.Call, scope: Scope) -> Val:
    want_arguments(body, call, 4)
    address = body.address(argument(body, call, 0, scope), call.arguments[0].span)
    ty = Bits(8 * _size(body, call.arguments[1], scope))
    old, new = (
        body.to_type(argument(body, call, place, scope), ty, call.arguments[place].span, what)
        for place, what in ((2, "the old value"), (3, "the new value"))
    )
    body.access(call.span)
    endian = _data_order(body, ty.width // 8, call.span)
    return body.emitter.emit("cas", [address, old, new], ty, endian=endian)


def _rmw(body: Body, call: ast.Call, scope: Scope) -> Val:
    want_arguments(body, call, 4)
    op = text_argument(body, call, 0, RMW, scope)
    address = body.address(argument(body, call, 1, scope), call.arguments[1].span)
    ty = Bits(8 * _size(body, call.arguments[2], scope))
    value = body.to_type(argument(body, call, 3, scope), ty, call.arguments[3].span, "the operand")
    body.access(call.span)
    endian = _data_order(body, ty.width // 8, call.span)
    return body.emitter.emit("rmw", [address, value], ty, op=op, endian=endian)


def _fence(body: Body, call: ast.Call, scope: Scope) -> Val:
    want_arguments(body, call, 1)
    body.emitter.effect("fence", [], order=text_argument(body, call, 0, ("acquire", "release", "seqcst"), scope))
    return ()


def _isync(body: Body, call: ast.Call, scope: Scope) -> Val:
    want_arguments(body, call, 0)
    body.path.sync = True  # made after the writes: the instruction leaves there
    return ()


MEMORY_BUILTINS: dict[str, Builtin] = {
    "atomic_cas": _cas,
    "atomic_rmw": _rmw,
    "fence": _fence,
    "isync": _isync,
}
