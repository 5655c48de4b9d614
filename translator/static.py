"""Decode-time expressions: integers computed from an instruction's fields before it runs.

They are what holes, shapes and guards are made of. The description's elaborator builds them, the IR carries
them in `hole`, `read`, `write` and `goto`, and the pack writer brings them into quick forms for the runtime.
Integers are unbounded here; `interval` bounds them, so that users can check what fits where.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Interval = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the encoding: `width` bits, read as signed or not."""

    name: str
    width: int
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Here:
    """The guest address of the instruction itself; `width` bits."""

    width: int = 64


@dataclass(frozen=True, slots=True)
class Ctx:
    """A context variable of `width` bits, unsigned."""

    name: str
    width: int


@dataclass(frozen=True, slots=True)
class Apply:
    """`op` (a key of OPERATIONS) applied to arguments."""

    op: str
    args: tuple[StaticExpr, ...]


@dataclass(frozen=True, slots=True)
class Element:
    """Element `index` of a constant table (values given in full); 0 beyond its end."""

    table: tuple[int, ...]
    index: StaticExpr


StaticExpr = int | Field | Here | Ctx | Apply | Element

_MASK = (1 << 64) - 1
_UNARY: Mapping[str, Callable[[int], int]] = {
    "neg": lambda a: -a,
    "inv": lambda a: ~a,
    "log2": lambda a: a.bit_length() - 1,
    "popcount": lambda a: (a & _MASK).bit_count(),
}
_BINARY: Mapping[str, Callable[[int, int], int]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a // b if b else 0,
    "mod": lambda a, b: a % b if b else a,
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b,
    "shl": lambda a, b: a << b if b >= 0 else 0,
    "shr": lambda a, b: a >> b if b >= 0 else 0,
    "eq": lambda a, b: int(a == b),
    "ne": lambda a, b: int(a != b),
    "lt": lambda a, b: int(a < b),
    "le": lambda a, b: int(a <= b),
    "bits": lambda a, n: a & ((1 << n) - 1),
    "sbits": lambda a, n: ((a & ((1 << n) - 1)) ^ (1 << n >> 1)) - (1 << n >> 1),
}
_TERNARY: Mapping[str, Callable[[int, int, int], int]] = {"select": lambda c, a, b: a if c else b}
#: name -> meaning on unbounded ints. Shifts take amounts 0..;
#: `bits(x,n)` is x mod 2^n, `sbits` reads it as signed.
OPERATIONS: Mapping[str, Callable[..., int]] = {**_UNARY, **_BINARY, **_TERNARY}

#: Operations that give 0 or 1.
_BOOLEAN = frozenset({"eq", "ne", "lt", "le"})
#: Shift amounts beyond this are taken for this when ranges are computed; no description shifts so far.
_MAX_SHIFT = 4096


# --- meaning -------------------------------------------------------------------------------------


def evaluate(
    expr: StaticExpr, fields: Mapping[str, int], here: int = 0, ctx: Mapping[str, int] | None = None
) -> int:
    """The value of `expr` for the given field values, address and context; KeyError for a missing one."""
    match expr:
        case int():
            return expr
        case Field(name):
            return fields[name]
        case Here(width):
            return here & ((1 << width) - 1)
        case Ctx(name):
            return (ctx or {})[name]
        case Element(table, index):
            place = evaluate(index, fields, here, ctx)
            return table[place] if 0 <= place < len(table) else 0
        case Apply("select", (condition, then, otherwise)):
            return evaluate(then if evaluate(condition, fields, here, ctx) else otherwise, fields, here, ctx)
        case Apply(op, args):
            return OPERATIONS[op](*[evaluate(arg, fields, here, ctx) for arg in args])


def leaves_of(expr: StaticExpr) -> frozenset[Field | Here | Ctx]:
    """All fields, context variables and `here` that `expr` depends on."""
    match expr:
        case int():
            return frozenset()
        case Field() | Here() | Ctx():
            return frozenset({expr})
        case Element(_, index):
            return leaves_of(index)
        case Apply(_, args):
            return frozenset[Field | Here | Ctx]().union(*[leaves_of(arg) for arg in args])


def fields_of(expr: StaticExpr) -> frozenset[Field]:
    """The encoding's fields that `expr` depends on."""
    return frozenset(leaf for leaf in leaves_of(expr) if isinstance(leaf, Field))


def substitute(
    expr: StaticExpr,
    fields: Mapping[str, StaticExpr],
    ctx: Mapping[str, StaticExpr] | None = None,
    here: StaticExpr | None = None,
) -> StaticExpr:
    """`expr` with the named fields and context variables (and `here`, if given) replaced, and simplified."""
    match expr:
        case int():
            return expr
        case Field(name):
            return fields.get(name, expr)
        case Here():
            return expr if here is None else here
        case Ctx(name):
            return (ctx or {}).get(name, expr)
        case Element(table, index):
            return element(table, substitute(index, fields, ctx, here))
        case Apply(op, args):
            return apply(op, *[substitute(arg, fields, ctx, here) for arg in args])


def as_address(expr: StaticExpr, width: int) -> StaticExpr:
    """`expr`, cut to `width` bits if it can be outside of them: addresses wrap."""
    low, high = interval(expr)
    return expr if low >= 0 and high < 1 << width else apply("bits", expr, width)


# --- simplifying constructors --------------------------------------------------------------------


def element(table: tuple[int, ...], index: StaticExpr) -> StaticExpr:
    """Element `index` of `table`, folded if the index is known."""
    if isinstance(index, int):
        return table[index] if 0 <= index < len(table) else 0
    return Element(table, index)


def apply(op: str, *args: StaticExpr) -> StaticExpr:
    """`op(args)`, folded if all arguments are known, and without identities such as x + 0."""
    constants = [arg for arg in args if isinstance(arg, int)]
    if len(constants) == len(args):
        return OPERATIONS[op](*constants)
    if op == "select":
        return _apply_select(*args)
    if op in ("bits", "sbits"):
        return _apply_bits(op, *args)
    if op in _BOOLEAN:
        return _apply_comparison(op, *args)
    if len(args) == 1:
        inner = args[0]
        if op in ("neg", "inv") and isinstance(inner, Apply) and inner.op == op:
            return inner.args[0]
        return Apply(op, args)
    return _apply_arithmetic(op, *args)


def _apply_select(condition: StaticExpr, then: StaticExpr, otherwise: StaticExpr) -> StaticExpr:
    low, high = interval(condition)
    if low == high == 0:
        return otherwise
    if low > 0 or high < 0 or then == otherwise:
        return then
    if (low, high, then, otherwise) == (0, 1, 1, 0):
        return condition
    return Apply("select", (condition, then, otherwise))


def _apply_bits(op: str, value: StaticExpr, width: StaticExpr) -> StaticExpr:
    if not isinstance(width, int):
        return Apply(op, (value, width))
    low, high = interval(value)
    if width <= 0:
        return 0
    least, most = (0, (1 << width) - 1) if op == "bits" else (-(1 << width >> 1), (1 << width >> 1) - 1)
    if least <= low and high <= most:
        return value
    if isinstance(value, Apply) and value.op in ("bits", "sbits"):
        inner = value.args[1]
        if isinstance(inner, int) and inner >= width:  # the inner cut changes no bit that is kept
            return apply(op, value.args[0], width)
    return Apply(op, (value, width))


def _apply_comparison(op: str, left: StaticExpr, right: StaticExpr) -> StaticExpr:
    if left == right:
        return int(op in ("eq", "le"))
    (low, high), (other_low, other_high) = interval(left), interval(right)
    if op in ("eq", "ne"):
        if high < other_low or other_high < low:
            return int(op == "ne")
        return _apply_equality(op, left, right, (low, high))
    strict = op == "lt"
    if high < other_low or (not strict and high <= other_low):
        return 1
    if low > other_high or (strict and low >= other_high):
        return 0
    return Apply(op, (left, right))


def _apply_equality(op: str, left: StaticExpr, right: StaticExpr, bounds: Interval) -> StaticExpr:
    """A boolean compared with 0 or 1 is that boolean, or its opposite."""
    if isinstance(left, int):
        return apply(op, right, left)
    if bounds == (0, 1) and isinstance(right, int):
        if (op == "ne") == (right == 0):
            return left
        if isinstance(left, Apply) and left.op in _BOOLEAN:
            a, b = left.args
            match left.op:
                case "eq":
                    return apply("ne", a, b)
                case "ne":
                    return apply("eq", a, b)
                case "lt":
                    return apply("le", b, a)
                case _:
                    return apply("lt", b, a)
    return Apply(op, (left, right))


_RIGHT_IDENTITY: Mapping[str, int] = {
    "add": 0, "sub": 0, "mul": 1, "div": 1, "and": -1, "or": 0, "xor": 0, "shl": 0, "shr": 0,
}  # fmt: skip
_COMMUTATIVE = frozenset({"add", "mul", "and", "or", "xor"})
_ASSOCIATIVE = _COMMUTATIVE


def _apply_arithmetic(op: str, left: StaticExpr, right: StaticExpr) -> StaticExpr:
    if op == "sub":
        if left == right:
            return 0
        if isinstance(right, int):
            op, right = "add", -right
    if op in _COMMUTATIVE and isinstance(left, int):
        left, right = right, left
    if isinstance(right, int):
        if _RIGHT_IDENTITY.get(op) == right:
            return left
        if right == 0 and op in ("mul", "and"):
            return 0
        if op == "and" and right > 0 and right & (right + 1) == 0:
            return apply("bits", left, right.bit_length())
        if op in _ASSOCIATIVE and isinstance(left, Apply) and left.op == op and isinstance(left.args[1], int):
            return apply(op, left.args[0], OPERATIONS[op](left.args[1], right))
    if left == 0 and op in ("shl", "shr", "div", "mod"):
        return 0
    if left == right:
        if op in ("and", "or"):
            return left
        if op == "xor":
            return 0
    return Apply(op, (left, right))


# --- ranges --------------------------------------------------------------------------------------


def interval(expr: StaticExpr) -> Interval:
    """Bounds (both included) of what `expr` can be; not always the tightest."""
    match expr:
        case int():
            return expr, expr
        case Field(_, width, signed):
            return (-(1 << width >> 1), (1 << width >> 1) - 1) if signed else (0, (1 << width) - 1)
        case Here(width) | Ctx(_, width):
            return 0, (1 << width) - 1
        case Element(table, index):
            low, high = interval(index)
            reached = list(table[max(low, 0) : max(high + 1, 0)])
            if low < 0 or high >= len(table):
                reached.append(0)
            return min(reached), max(reached)
        case Apply(op, args):
            return _interval_of_apply(op, [interval(arg) for arg in args])


def _interval_of_apply(op: str, args: list[Interval]) -> Interval:
    low, high = args[0]
    match op:
        case "neg":
            return -high, -low
        case "inv":
            return ~high, ~low
        case "select":
            if low == high == 0:
                return args[2]
            return args[1] if low > 0 or high < 0 else _hull(args[1], args[2])
        case "log2":  # bit_length counts the bits of the magnitude
            least = 0 if low <= 0 <= high else min(abs(low), abs(high))
            return least.bit_length() - 1, max(abs(low), abs(high)).bit_length() - 1
        case "popcount":
            return 0, high.bit_length() if low >= 0 and high <= _MASK else 64
        case _ if op in _BOOLEAN:
            return 0, 1
        case "bits" | "sbits":
            return _interval_of_bits(op, args[0], args[1])
        case "and" | "or" | "xor":
            return _interval_of_logic(op, args[0], args[1])
        case _:
            return _interval_of_arithmetic(op, args[0], args[1])


def _hull(a: Interval, b: Interval) -> Interval:
    return min(a[0], b[0]), max(a[1], b[1])


def _interval_of_bits(op: str, value: Interval, width: Interval) -> Interval:
    most = 1 << max(min(width[1], _MAX_SHIFT), 0)
    bounds = (0, most - 1) if op == "bits" else (-(most >> 1), max((most >> 1) - 1, 0))
    if width[0] == width[1] and bounds[0] <= value[0] and value[1] <= bounds[1]:
        return value
    return bounds


def _interval_of_logic(op: str, a: Interval, b: Interval) -> Interval:
    if op == "and" and (a[0] >= 0 or b[0] >= 0):
        return 0, min(x[1] for x in (a, b) if x[0] >= 0)
    size = max(max(x, ~x).bit_length() for x in (*a, *b))
    if a[0] >= 0 and b[0] >= 0:
        return max(a[0], b[0]) if op == "or" else 0, (1 << size) - 1
    return -(1 << size), (1 << size) - 1


def _interval_of_arithmetic(op: str, a: Interval, b: Interval) -> Interval:
    match op:
        case "add":
            return a[0] + b[0], a[1] + b[1]
        case "sub":
            return a[0] - b[1], a[1] - b[0]
        case "mul":
            products = [x * y for x in a for y in b]
            return min(products), max(products)
        case "div":
            size = max(abs(a[0]), abs(a[1]))
            if b[0] <= 0:
                return -size, size
            quotients = [x // y for x in a for y in b]
            return min(quotients), max(quotients)
        case "mod":  # Python's sign: that of the divisor; x mod 0 is x
            if b[0] <= 0:
                size = max(abs(x) for x in (*a, *b))
                return -size, size
            return (0, min(a[1], b[1] - 1)) if a[0] >= 0 else (0, b[1] - 1)
        case "shl" | "shr":
            amounts = [min(max(x, 0), _MAX_SHIFT) for x in b]
            shifted = [x << y if op == "shl" else x >> y for x in a for y in amounts]
            if b[0] < 0:  # a negative amount gives 0
                shifted.append(0)
            return min(shifted), max(shifted)
        case _:
            raise ValueError(f"unknown operation {op!r}")
