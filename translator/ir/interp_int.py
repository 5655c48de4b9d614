"""Meaning of the integer operations, element by element; also what constant folding computes with.

Elements are unsigned Python ints. Each function takes the operands' element width and the elements; the
caller cuts the result to the result's element width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pyqemu.translator.ir.function import Op
from pyqemu.translator.ir.types import Bits, Type, Vec

#: What a value is at run time: an int, or a tuple of lanes for a vector.
Runtime = int | tuple[int, ...]


def signed(value: int, width: int) -> int:
    """`value`'s low `width` bits read as a signed number."""
    value &= (1 << width) - 1
    return value - (value >> (width - 1) << width)


def _clamp_unsigned(value: int, width: int) -> int:
    return min(max(value, 0), (1 << width) - 1)


def _clamp_signed(value: int, width: int) -> int:
    return min(max(value, -(1 << width >> 1)), (1 << width >> 1) - 1)


def _sdiv(width: int, a: int, b: int) -> int:
    x, y = signed(a, width), signed(b, width)
    if y == 0:
        return 0
    return abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)


def _srem(width: int, a: int, b: int) -> int:
    x, y = signed(a, width), signed(b, width)
    if y == 0:
        return x
    return abs(x) % abs(y) * (-1 if x < 0 else 1)


def _rotr(width: int, a: int, b: int) -> int:
    amount = b % width
    return a >> amount | a << (width - amount)


def _clmul(width: int, a: int, b: int) -> int:
    product = 0
    for bit in range(width):
        if b >> bit & 1:
            product ^= a << bit
    return product


def _add_overflow(width: int, a: int, b: int, carry: int) -> int:
    total = signed(a, width) + signed(b, width) + carry
    return int(total != _clamp_signed(total, width))


def _ctz(width: int, a: int) -> int:
    return (a & -a).bit_length() - 1 if a else width


_UNARY: Mapping[str, Callable[[int, int], int]] = {
    "not": lambda n, a: ~a,
    "neg": lambda n, a: -a,
    "abs": lambda n, a: abs(signed(a, n)),
    "clz": lambda n, a: n - a.bit_length(),
    "ctz": _ctz,
    "popcount": lambda n, a: a.bit_count(),
    "bitrev": lambda n, a: int(f"{a:0{n}b}"[::-1], 2),
    "bswap": lambda n, a: int.from_bytes(a.to_bytes(n // 8, "little"), "big"),
    "zext": lambda n, a: a,
    "sext": lambda n, a: signed(a, n),
    "trunc": lambda n, a: a,
}
_BINARY: Mapping[str, Callable[[int, int, int], int]] = {
    "add": lambda n, a, b: a + b,
    "sub": lambda n, a, b: a - b,
    "mul": lambda n, a, b: a * b,
    "umulh": lambda n, a, b: a * b >> n,
    "smulh": lambda n, a, b: signed(a, n) * signed(b, n) >> n,
    "udiv": lambda n, a, b: a // b if b else 0,
    "sdiv": _sdiv,
    "urem": lambda n, a, b: a % b if b else a,
    "srem": _srem,
    "and": lambda n, a, b: a & b,
    "or": lambda n, a, b: a | b,
    "xor": lambda n, a, b: a ^ b,
    "shl": lambda n, a, b: a << b if b < n else 0,
    "lshr": lambda n, a, b: a >> b if b < n else 0,
    "ashr": lambda n, a, b: signed(a, n) >> min(b, n),
    "rotr": _rotr,
    "umin": lambda n, a, b: min(a, b),
    "umax": lambda n, a, b: max(a, b),
    "smin": lambda n, a, b: min(signed(a, n), signed(b, n)),
    "smax": lambda n, a, b: max(signed(a, n), signed(b, n)),
    "uadd_sat": lambda n, a, b: _clamp_unsigned(a + b, n),
    "sadd_sat": lambda n, a, b: _clamp_signed(signed(a, n) + signed(b, n), n),
    "usub_sat": lambda n, a, b: _clamp_unsigned(a - b, n),
    "ssub_sat": lambda n, a, b: _clamp_signed(signed(a, n) - signed(b, n), n),
    "clmul": _clmul,
    "eq": lambda n, a, b: a == b,
    "ne": lambda n, a, b: a != b,
    "ult": lambda n, a, b: a < b,
    "ule": lambda n, a, b: a <= b,
    "slt": lambda n, a, b: signed(a, n) < signed(b, n),
    "sle": lambda n, a, b: signed(a, n) <= signed(b, n),
}
_TERNARY: Mapping[str, Callable[[int, int, int, int], int]] = {
    "add_carry": lambda n, a, b, c: (a + b + c) >> n,
    "add_overflow": _add_overflow,
}
ELEMENTWISE: Mapping[str, Callable[..., int]] = {**_UNARY, **_BINARY, **_TERNARY}


def pack(value: Runtime, ty: Type) -> int:
    """A value's bits as one int, lane 0 lowest."""
    if isinstance(value, int):
        return value
    packed = 0
    for lane in reversed(value):
        packed = packed << ty.width | lane
    return packed


def unpack(bits: int, ty: Type) -> Runtime:
    """The opposite of `pack`; bits above the type's are cut."""
    mask = (1 << ty.width) - 1
    if isinstance(ty, Bits):
        return bits & mask
    return tuple(bits >> lane * ty.width & mask for lane in range(ty.lanes))


def lanes_of(value: Runtime) -> tuple[int, ...]:
    """The elements of a value, one for a scalar."""
    return value if isinstance(value, tuple) else (value,)


def elementwise(
    operand: Type, result: Type, meaning: Callable[..., int], values: Sequence[Runtime]
) -> Runtime:
    """`meaning` for each lane, cut to the result's element width."""
    mask, width = (1 << result.width) - 1, operand.width
    if isinstance(result, Bits):
        return int(meaning(width, *values)) & mask
    lanes = zip(*map(lanes_of, values), strict=True)
    return tuple(int(meaning(width, *lane)) & mask for lane in lanes)


def _select(op: Op, values: Sequence[Runtime]) -> Runtime:
    condition, then, otherwise = values
    if isinstance(condition, int):
        return then if condition else otherwise
    chosen = zip(condition, lanes_of(then), lanes_of(otherwise), strict=True)
    return tuple(a if bit else b for bit, a, b in chosen)


def _insert(op: Op, values: Sequence[Runtime]) -> Runtime:
    whole, part = map(_scalar, values)
    mask = ((1 << op.operands[1].type.width) - 1) << op.attrs["lo"]
    return whole & ~mask | part << op.attrs["lo"]


def _vtable(op: Op, values: Sequence[Runtime]) -> Runtime:
    table, places = map(lanes_of, values)
    return tuple(table[place] if place < len(table) else 0 for place in places)


def _lane(op: Op, values: Sequence[Runtime]) -> Runtime:
    index: int = op.attrs["index"]
    return lanes_of(values[0])[index]


def _with_lane(op: Op, values: Sequence[Runtime]) -> Runtime:
    lanes, index = list(lanes_of(values[0])), op.attrs["index"]
    lanes[index] = _scalar(values[1])
    return tuple(lanes)


def _shuffle(op: Op, values: Sequence[Runtime]) -> Runtime:
    lanes = (*lanes_of(values[0]), *lanes_of(values[1]))
    mask: tuple[int, ...] = op.attrs["mask"]
    return tuple(lanes[place] for place in mask)


def _lookup(op: Op, values: Sequence[Runtime]) -> Runtime:
    table: tuple[int, ...] = op.attrs["table"]
    place = _scalar(values[0])
    return table[place] & ((1 << op.results[0].type.width) - 1) if place < len(table) else 0


def _const(op: Op, values: Sequence[Runtime]) -> Runtime:
    ty = op.results[0].type
    return (op.attrs["value"],) * ty.lanes if isinstance(ty, Vec) else op.attrs["value"]


def _splat(op: Op, values: Sequence[Runtime]) -> Runtime:
    ty = op.results[0].type
    return (_scalar(values[0]),) * (ty.lanes if isinstance(ty, Vec) else 1)


def _scalar(value: Runtime) -> int:
    assert isinstance(value, int)
    return value


def _extract(op: Op, values: Sequence[Runtime]) -> Runtime:
    return _scalar(values[0]) >> op.attrs["lo"] & ((1 << op.results[0].type.width) - 1)


#: Operations that are not element by element.
WHOLE: Mapping[str, Callable[[Op, Sequence[Runtime]], Runtime]] = {
    "const": _const,
    "select": _select,
    "bitcast": lambda op, v: unpack(pack(v[0], op.operands[0].type), op.results[0].type),
    "concat": lambda op, v: _scalar(v[0]) << op.operands[1].type.width | _scalar(v[1]),
    "extract": _extract,
    "insert": _insert,
    "splat": _splat,
    "lane": _lane,
    "with_lane": _with_lane,
    "shuffle": _shuffle,
    "vtable": _vtable,
    "lookup": _lookup,
}


def pure_result(op: Op, values: Sequence[Runtime]) -> Runtime | None:
    """The result of a pure operation on known values; None if the operation depends on anything else."""
    if op.name in ELEMENTWISE:
        return elementwise(op.operands[0].type, op.results[0].type, ELEMENTWISE[op.name], values)
    meaning = WHOLE.get(op.name)
    return None if meaning is None else meaning(op, values)
