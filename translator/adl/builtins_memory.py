"""Memory: `mem[a, n]` read and written, atomic operations, fences."""

from __future__ import annotations

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.arguments import Builtin, argument, text_argument, want_arguments
from pyqemu.translator.adl.body import Body
from pyqemu.translator.adl.values import Scope, Val
from pyqemu.translator.ir.function import Value
from pyqemu.translator.ir.types import Bits

RMW = ("add", "and", "or", "xor", "swap", "umin", "umax", "smin", "smax")
#: Bytes that one access may have at most.
MOST_BYTES = 64


def _parts(body: Body, expr: ast.Index, scope: Scope, orders: tuple[str, ...]) -> tuple[Value, int, str]:
    """Address, size in bytes and order of `mem[a, n, order]`."""
    arguments = expr.arguments
    if len(arguments) not in (2, 3):
        raise body.error(
            expr.span, "memory is accessed as mem[address, bytes]", f"options: {', '.join(orders)}"
        )
    address = body.address(body.evaluate(body, arguments[0], scope), arguments[0].span)
    size = _size(body, arguments[1], scope)
    order = "plain"
    if len(arguments) == 3:
        option = arguments[2]
        if not isinstance(option, ast.Name) or option.name not in orders:
            raise body.error(option.span, f"one of {', '.join(orders)} is wanted here")
        order = option.name
    body.access(expr.span)
    return address, size, order


def _size(body: Body, expr: ast.Expr, scope: Scope) -> int:
    size = body.constant(body.evaluate(body, expr, scope), expr.span, "the size of an access")
    if not 1 <= size <= MOST_BYTES or size & (size - 1):
        raise body.error(
            expr.span, f"an access cannot have {size} bytes", "a power of two of bytes is wanted, not bits"
        )
    return size


def load(body: Body, expr: ast.Index, scope: Scope) -> Value:
    """The value of `mem[a, n]`."""
    address, size, order = _parts(body, expr, scope, ("acquire", "seqcst"))
    endian = body.declarations.data_order
    return body.emitter.emit("load", [address], Bits(8 * size), order=order, endian=endian)


def store(body: Body, expr: ast.Index, value: Val, span: ast.Span, scope: Scope) -> None:
    """`mem[a, n] := value`."""
    address, size, order = _parts(body, expr, scope, ("release", "seqcst"))
    what = f"the value stored in {size} byte{'s' if size > 1 else ''}"
    stored = body.to_type(value, Bits(8 * size), span, what)
    body.emitter.effect("store", [address, stored], order=order, endian=body.declarations.data_order)


def _cas(body: Body, call: ast.Call, scope: Scope) -> Val:
    want_arguments(body, call, 4)
    address = body.address(argument(body, call, 0, scope), call.arguments[0].span)
    ty = Bits(8 * _size(body, call.arguments[1], scope))
    old, new = (
        body.to_type(argument(body, call, place, scope), ty, call.arguments[place].span, what)
        for place, what in ((2, "the old value"), (3, "the new value"))
    )
    body.access(call.span)
    return body.emitter.emit("cas", [address, old, new], ty, endian=body.declarations.data_order)


def _rmw(body: Body, call: ast.Call, scope: Scope) -> Val:
    want_arguments(body, call, 4)
    op = text_argument(body, call, 0, RMW, scope)
    address = body.address(argument(body, call, 1, scope), call.arguments[1].span)
    ty = Bits(8 * _size(body, call.arguments[2], scope))
    value = body.to_type(argument(body, call, 3, scope), ty, call.arguments[3].span, "the operand")
    body.access(call.span)
    return body.emitter.emit("rmw", [address, value], ty, op=op, endian=body.declarations.data_order)


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
