"""Lowering of pure operations on bits and vectors. Every result is defined for every input."""

from __future__ import annotations

from pyqemu.hostgen.comparisons import emit, known_bit, relation_of
from pyqemu.hostgen.emit import Operand, constant, element_type, lanes_of, like, width_of
from pyqemu.hostgen.lower import Lowering, lowers
from pyqemu.translator.errors import UnsupportedError
from pyqemu.translator.ir.function import Op, Value
from pyqemu.translator.static import apply, interval

_BINARY = {"add": "add", "sub": "sub", "mul": "mul", "and": "and", "or": "or", "xor": "xor"}
_INTRINSIC = {
    "umin": "umin", "umax": "umax", "smin": "smin", "smax": "smax",
    "uadd_sat": "uadd.sat", "sadd_sat": "sadd.sat", "usub_sat": "usub.sat", "ssub_sat": "ssub.sat",
    "popcount": "ctpop", "bitrev": "bitreverse",
}  # fmt: skip
_COUNTING = {"abs": "abs", "clz": "ctlz", "ctz": "cttz"}
_COMPARE = {"eq": "eq", "ne": "ne", "ult": "ult", "ule": "ule", "slt": "slt", "sle": "sle"}


@lowers("const")
def _const(f: Lowering, op: Op) -> Operand:
    return constant(f.type(op), op.attrs["value"])


@lowers("any")
def _any(f: Lowering, op: Op) -> Operand:
    return Operand(f.type(op), "poison")


@lowers("hole")
def _hole(f: Lowering, op: Op) -> Operand:
    ty = f.type(op)
    value = f.hole(op.attrs["expr"], element_type(ty))
    return f.e.splat(value, ty) if lanes_of(ty) else value


@lowers(*_BINARY)
def _binary(f: Lowering, op: Op) -> Operand:
    if op.name in ("and", "or") and op.operands[0].type.total == 1:
        together = _together(f, op)
        if together is not None:
            return together
    a, b = f.args(op)
    if _is_known(a) and _is_known(b):  # LLVM would take symbol + offset for an address
        a, b = f.e.opaque(a), f.e.opaque(b)
    return f.e.op(_BINARY[op.name], a, b)


def _is_known(a: Operand) -> bool:
    """A hole or a constant."""
    return not a.ref.startswith(("%", "<", "splat"))


@lowers(*_INTRINSIC)
def _intrinsic(f: Lowering, op: Op) -> Operand:
    return f.e.intrinsic(_INTRINSIC[op.name], *f.args(op))


@lowers(*_COUNTING)
def _counting(f: Lowering, op: Op) -> Operand:
    return f.e.intrinsic(_COUNTING[op.name], f.args(op)[0], "i1 false")


@lowers("bswap")
def _bswap(f: Lowering, op: Op) -> Operand:
    return byte_swap(f, f.args(op)[0])


def byte_swap(f: Lowering, a: Operand) -> Operand:
    """Bytes of each element in reverse order, for any multiple of 8 bits."""
    width = width_of(a.type)
    if width == 8:
        return a
    if width % 16 == 0:
        return f.e.intrinsic("bswap", a)
    wide = f.e.intrinsic("bswap", f.e.cast("zext", a, like(a.type, f"i{width + 8}")))
    return f.e.cast("trunc", f.e.op("lshr", wide, 8), a.type)


@lowers("not")
def _not(f: Lowering, op: Op) -> Operand:
    return f.e.invert(f.args(op)[0])


@lowers("neg")
def _neg(f: Lowering, op: Op) -> Operand:
    (a,) = f.args(op)
    return f.e.op("sub", constant(a.type, 0), a)


@lowers("umulh", "smulh")
def _high_product(f: Lowering, op: Op) -> Operand:
    a, b = f.args(op)
    width = width_of(a.type)
    extend = "zext" if op.name == "umulh" else "sext"
    wide = like(a.type, f"i{2 * width}")
    product = f.e.op("mul", f.e.cast(extend, a, wide), f.e.cast(extend, b, wide))
    return f.e.cast("trunc", f.e.op("lshr", product, width), a.type)


@lowers("udiv", "urem")
def _unsigned_division(f: Lowering, op: Op) -> Operand:
    e = f.e
    a, b = f.args(op)
    _check_division(op, a)
    by_zero = e.icmp("eq", b, 0)
    safe = e.select(by_zero, constant(b.type, 1), b)
    result = e.op(op.name, a, safe)
    return e.select(by_zero, constant(a.type, 0) if op.name == "udiv" else a, result)


@lowers("sdiv", "srem")
def _signed_division(f: Lowering, op: Op) -> Operand:
    """MIN / -1 overflows on hosts, so -1 is treated apart."""
    e = f.e
    a, b = f.args(op)
    _check_division(op, a)
    by_zero, by_minus = e.icmp("eq", b, 0), e.icmp("eq", b, -1)
    safe = e.select(e.op("or", by_zero, by_minus), constant(b.type, 1), b)
    result = e.op(op.name, a, safe)
    zero = constant(a.type, 0)
    if op.name == "sdiv":
        result = e.select(by_minus, e.op("sub", zero, a), result)
        return e.select(by_zero, zero, result)
    result = e.select(by_minus, zero, result)
    return e.select(by_zero, a, result)


def _check_division(op: Op, a: Operand) -> None:
    if width_of(a.type) > 64:
        raise UnsupportedError(f"{op.name} of more than 64 bits")


@lowers("shl", "lshr", "ashr", "rotr")
def _shift(f: Lowering, op: Op) -> Operand:
    e = f.e
    a, b = f.args(op)
    width = width_of(a.type)
    bounded = _below_width(f, op.operands[1], width)
    if bounded and b.ref.startswith("ptrtoint (ptr "):
        symbol = b.ref.removeprefix("ptrtoint (ptr ").split(" to ")[0]
        result = f.host.shift_by_hole(e, op.name, a, symbol)
        if result is not None:
            return result
    if lanes_of(a.type) and width == 32 and "shift" not in f.host.level.has and not _is_uniform(f, op.operands[1]):
        # LLVM makes powers of two by a conversion from float there, which raises floating-point flags.
        lanes = [_shift_scalar(f, op.name, e.lane(a, i), e.lane(b, i), bounded) for i in range(lanes_of(a.type))]
        return e.gather(lanes, a.type)
    return _shift_scalar(f, op.name, a, b, bounded)


def _is_uniform(f: Lowering, amount: Value) -> bool:
    definition = f.definition(amount)
    return definition is not None and definition.name in ("const", "splat", "hole")


def _shift_scalar(f: Lowering, name: str, a: Operand, b: Operand, bounded: bool) -> Operand:
    """A shift of a scalar, or lane by lane."""
    e, width = f.e, width_of(a.type)
    if name == "rotr":
        return e.intrinsic("fshr", a, a, b)
    if bounded:
        return e.op(name, a, b)
    if name == "ashr":
        return e.op("ashr", a, e.intrinsic("umin", b, constant(b.type, width - 1)))
    inside = e.icmp("ult", b, width)
    safe = e.op("and", b, width - 1) if width & (width - 1) == 0 else e.select(inside, b, constant(b.type, 0))
    return e.select(inside, e.op(name, a, safe), constant(a.type, 0))


def _below_width(f: Lowering, amount: Value, width: int) -> bool:
    """Whether a shift amount is known to be less than the width."""
    definition = f.definition(amount)
    if definition is None:
        return False
    match definition.name:
        case "const":
            return definition.attrs["value"] & ((1 << amount.type.width) - 1) < width
        case "hole":
            low, high = interval(definition.attrs["expr"])
            return low >= 0 and high < width
        case "splat" | "zext":
            return _below_width(f, definition.operands[0], width)
        case "and":
            return any(_below_width(f, operand, width) for operand in definition.operands)
        case _:
            return False


@lowers("clmul")
def _carryless_product(f: Lowering, op: Op) -> Operand:
    e = f.e
    a, b = f.args(op)
    width, wide = width_of(a.type), f.type(op)
    if width == 64 and "clmul" in f.host.level.has and not lanes_of(a.type):
        pair = "<2 x i64>"
        x, y = (e.with_lane(Operand(pair, "zeroinitializer"), v, 0) for v in (a, b))
        return e.cast("bitcast", f.host.carryless_multiply(e, x, y), wide)
    wide_a, wide_b = e.cast("zext", a, wide), e.cast("zext", b, wide)
    result = constant(wide, 0)
    for bit in range(width):
        picked = e.op("and", e.op("lshr", wide_b, bit), 1)
        mask = e.op("sub", constant(wide, 0), picked)
        result = e.op("xor", result, e.op("and", mask, e.op("shl", wide_a, bit)))
    return result


@lowers(*_COMPARE)
def _compare(f: Lowering, op: Op) -> Operand:
    if op.operands[0].type.total == 1:
        together = _together(f, op)
        if together is not None:
            return together
    a, b = f.args(op)
    return f.e.icmp(_COMPARE[op.name], a, b)


def _together(f: Lowering, op: Op) -> Operand | None:
    """One comparison instead of an operation on flags."""
    relation = relation_of(f, op)
    return None if relation is None else emit(f, relation)


def _complement_of(f: Lowering, value: Value) -> Operand | None:
    """y where `value` is ~y: a + ~y + 1 is a - y, whose carry and overflow hosts give at once."""
    definition = f.definition(value)
    if definition is None:
        return None
    match definition.name:
        case "not":
            return f.of(definition.operands[0])
        case "const":
            return constant(f.of(value).type, ~definition.attrs["value"])
        case "hole":
            ty = f.of(value).type
            return f.hole(apply("inv", definition.attrs["expr"]), ty) if not lanes_of(ty) else None
        case _:
            return None


@lowers("add_carry")
def _add_carry(f: Lowering, op: Op) -> Operand:
    e = f.e
    a, b, c = f.args(op)
    carry = known_bit(f, op.operands[2])
    if carry == 0:
        return e.icmp("ult", e.op("add", a, b), a)
    if carry == 1:
        y = _complement_of(f, op.operands[1])
        return e.icmp("uge", a, y if y is not None else e.invert(b))
    total = e.op("add", a, b)
    first = e.icmp("ult", total, a)
    second = e.icmp("ult", e.op("add", total, e.cast("zext", c, total.type)), total)
    return e.op("or", first, second)


@lowers("add_overflow")
def _add_overflow(f: Lowering, op: Op) -> Operand:
    e = f.e
    a, b, c = f.args(op)
    if not lanes_of(a.type):
        carry = known_bit(f, op.operands[2])
        if carry == 0:
            return _overflow(f, "sadd", a, b)
        if carry == 1:
            y = _complement_of(f, op.operands[1])
            return _overflow(f, "ssub", a, y if y is not None else e.invert(b))
    total = e.op("add", e.op("add", a, b), e.cast("zext", c, a.type))
    changed = e.op("and", e.op("xor", total, a), e.op("xor", total, b))
    return e.icmp("slt", changed, 0)


def _overflow(f: Lowering, what: str, a: Operand, b: Operand) -> Operand:
    pair = f.e.call(f"{{{a.type}, i1}}", f"llvm.{what}.with.overflow.{a.type}", a, b)
    return f.e.let("i1", f"extractvalue {pair}, 1")


@lowers("select")
def _select(f: Lowering, op: Op) -> Operand:
    condition, *values = op.operands
    kept = [f.kept_float(value) for value in values]
    if kept[0] is not None and kept[1] is not None and kept[0].type == kept[1].type:
        return f.e.select(f.of(condition), kept[0], f.e.cast("bitcast", kept[1], kept[0].type))
    return f.e.select(*f.args(op))
