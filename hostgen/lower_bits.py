"""Lowering of operations that move bits about: width changes, fields, lanes, tables."""

from __future__ import annotations

import hashlib

from pyqemu.hostgen.emit import FLOATS, Operand, constant, element_type, lanes_of, like, width_of
from pyqemu.hostgen.lower import Lowering, lowers
from pyqemu.translator.ir.function import Op
from pyqemu.translator.ir.types import Bits, Vec

#: As what the bits of vectors are kept, by their number.
_WHOLE = {64: "double", 128: "<2 x double>"}


@lowers("zext", "sext", "trunc")
def _resize(f: Lowering, op: Op) -> Operand:
    (a,), (result,) = op.operands, op.results
    kept = f.kept_float(a)
    if kept is not None and op.name == "trunc" and result.type.total in (32, 64) and a.type.total == 128:
        return _float_lane(f, kept, result.type.total, 0)
    if kept is not None and op.name == "zext" and result.type.total == 128:
        vector = f"<{128 // a.type.total} x {kept.type}>"
        return f.e.with_lane(Operand(vector, "zeroinitializer"), kept, 0)
    return f.e.cast(op.name, f.of(a), f.type(op))


@lowers("bitcast")
def _bitcast(f: Lowering, op: Op) -> Operand:
    """What is kept as floats stays so: a vector register's whole content, and its lower half."""
    (a,), (result,) = op.operands, op.results
    kept = f.kept_float(a)
    if kept is not None:
        return kept
    whole = f.keeps_floats and isinstance(a.type, Vec) and isinstance(result.type, Bits)
    return f.e.cast("bitcast", f.of(a), _WHOLE.get(a.type.total, f.type(op)) if whole else f.type(op))


def _float_lane(f: Lowering, vector: Operand, width: int, index: int) -> Operand:
    """A lane of a 128-bit vector, as a float."""
    return f.e.lane(f.e.cast("bitcast", vector, f"<{128 // width} x {FLOATS[width]}>"), index)


@lowers("concat")
def _concat(f: Lowering, op: Op) -> Operand:
    high, low = f.args(op)
    if (high.type, low.type) == ("i64", "i64"):
        return f.e.cast("bitcast", f.e.gather([low, high], "<2 x i64>"), "i128")
    ty = f.type(op)
    shifted = f.e.op("shl", f.e.cast("zext", high, ty), width_of(low.type))
    return f.e.op("or", shifted, f.e.cast("zext", low, ty))


def _lane_of_wide(total: int, width: int, low: int) -> str | None:
    """The vector type as which a wide value has bits low … low+width-1 in one lane."""
    if total > 64 and width in (8, 16, 32, 64) and low % width == 0 and total % width == 0:
        return f"<{total // width} x i{width}>"
    return None


@lowers("extract")
def _extract(f: Lowering, op: Op) -> Operand:
    (a,) = f.args(op)
    low, ty = op.attrs["lo"], f.type(op)
    width = width_of(ty)
    vector = _lane_of_wide(width_of(a.type), width, low)
    if vector is not None and low > 0:
        return f.e.lane(f.e.cast("bitcast", a, vector), low // width)
    return f.e.resize(f.e.op("lshr", a, low) if low else a, ty)


@lowers("insert")
def _insert(f: Lowering, op: Op) -> Operand:
    e = f.e
    a, b = f.args(op)
    low, width = op.attrs["lo"], width_of(b.type)
    vector = _lane_of_wide(width_of(a.type), width, low)
    if vector is not None:
        return e.cast("bitcast", e.with_lane(e.cast("bitcast", a, vector), b, low // width), a.type)
    kept = e.op("and", a, ~(((1 << width) - 1) << low))
    placed = e.resize(b, a.type)
    return e.op("or", kept, e.op("shl", placed, low) if low else placed)


@lowers("splat")
def _splat(f: Lowering, op: Op) -> Operand:
    (a,), ty = op.operands, f.type(op)
    one = f.kept_float(a) or f.of(a)
    if not lanes_of(ty):
        return one
    return f.e.cast("bitcast", f.e.splat(one, like(ty, one.type)), ty)


@lowers("lane")
def _lane(f: Lowering, op: Op) -> Operand:
    (a,) = op.operands
    kept = f.kept_float(a)
    if kept is not None:
        return kept
    if f.keeps_floats and a.type.total == 128 and a.type.width in (32, 64):
        return _float_lane(f, f.of(a), a.type.width, op.attrs["index"])
    vector = f.of(a)
    return f.e.lane(vector, op.attrs["index"]) if lanes_of(vector.type) else vector


@lowers("with_lane")
def _with_lane(f: Lowering, op: Op) -> Operand:
    a, b = op.operands
    one, ty = f.kept_float(b) or f.of(b), f.type(op)
    if not lanes_of(ty):
        return one
    vector = f.e.cast("bitcast", f.of(a), like(ty, one.type))
    return f.e.cast("bitcast", f.e.with_lane(vector, one, op.attrs["index"]), ty)


@lowers("shuffle")
def _shuffle(f: Lowering, op: Op) -> Operand:
    a, b = f.args(op)
    ty = f.type(op)
    mask: tuple[int, ...] = op.attrs["mask"]
    if not lanes_of(a.type):
        picked = [(a, b)[index] for index in mask]
        return f.e.gather(picked, ty) if len(mask) > 1 else picked[0]
    if len(mask) == 1:
        lanes = lanes_of(a.type)
        return f.e.lane(a if mask[0] < lanes else b, mask[0] % lanes)
    text = ", ".join(f"i32 {index}" for index in mask)
    return f.e.let(ty, f"shufflevector {a}, {b}, <{len(mask)} x i32> <{text}>")


@lowers("vtable")
def _vtable(f: Lowering, op: Op) -> Operand:
    table, index = (_as_vector(f, a) for a in f.args(op))
    lanes = lanes_of(table.type)
    bytes_ = width_of(table.type) == 8 and lanes % 8 == 0 and 1 < lanes_of(index.type) <= 16
    if bytes_ and "shuffle" in f.host.level.has:
        return _vtable_by_shuffle(f, table, index)
    result = _vtable_by_lane(f, table, index)
    return result if lanes_of(f.type(op)) else f.e.lane(result, 0)


def _as_vector(f: Lowering, a: Operand) -> Operand:
    return a if lanes_of(a.type) else f.e.cast("bitcast", a, f"<1 x {a.type}>")


def _vtable_by_shuffle(f: Lowering, table: Operand, index: Operand) -> Operand:
    """16 bytes of the table (or fewer and zeros) at a time: an index beyond gets its top bit set, which
    gives 0.
    """
    e = f.e
    lanes, wanted = lanes_of(table.type), lanes_of(index.type)
    full = "<16 x i8>"
    wide_index = _pick(f, index, 0, 16)
    result: Operand | None = None
    for start in range(0, lanes, 16):
        chunk = _pick(f, table, start, 16)
        place = e.op("sub", wide_index, start) if start else wide_index
        marked = e.intrinsic("uadd.sat", place, constant(full, 0x70))
        part = f.host.byte_shuffle(e, chunk, marked)
        result = part if result is None else e.op("or", result, part)
    assert result is not None
    return result if wanted == 16 else _pick(f, result, 0, wanted)


def _pick(f: Lowering, a: Operand, start: int, count: int) -> Operand:
    """Lanes start … start+count-1; 0 beyond the end."""
    lanes = lanes_of(a.type)
    if start == 0 and lanes == count:
        return a
    mask = ", ".join(f"i32 {min(start + i, lanes)}" for i in range(count))
    ty = f"<{count} x {element_type(a.type)}>"
    return f.e.let(ty, f"shufflevector {a}, {a.type} zeroinitializer, <{count} x i32> <{mask}>")


def _vtable_by_lane(f: Lowering, table: Operand, index: Operand) -> Operand:
    e = f.e
    lanes = lanes_of(table.type)
    ty = like(index.type, element_type(table.type))
    results: list[Operand] = []
    for number in range(lanes_of(index.type)):
        place = e.lane(index, number)
        inside = e.icmp("ult", place, lanes) if lanes < 1 << width_of(place.type) else Operand("i1", "true")
        safe = e.select(inside, place, constant(place.type, 0))
        entry = e.let(element_type(ty), f"extractelement {table}, {safe}")
        results.append(e.select(inside, entry, constant(entry.type, 0)))
    return e.gather(results, ty)


@lowers("lookup")
def _lookup(f: Lowering, op: Op) -> Operand:
    e = f.e
    (index,) = f.args(op)
    table: tuple[int, ...] = op.attrs["table"]
    ty = f.type(op)
    symbol = table_symbol(f, ty, table)
    place = e.resize(index, "i64") if width_of(index.type) < 64 else index
    reach = 1 << width_of(index.type)
    if len(table) >= reach:
        return e.load(ty, e.let("ptr", f"getelementptr {ty}, ptr {symbol}, {place}"), 1)
    inside = e.icmp("ult", index, len(table))
    safe = e.resize(e.select(inside, index, constant(index.type, 0)), "i64")
    entry = e.load(ty, e.let("ptr", f"getelementptr {ty}, ptr {symbol}, {safe}"), 1)
    return e.select(inside, entry, constant(ty, 0))


def table_symbol(f: Lowering, ty: str, table: tuple[int, ...]) -> str:
    """A constant table of the module, named by its content so that packs hold it once."""
    items = [constant(ty, value) for value in table]
    name = "table." + hashlib.sha256(repr((ty, table)).encode()).hexdigest()[:16]
    text = ", ".join(str(item) for item in items)
    f.e.module.declare(name, f'@"{name}" = linkonce_odr hidden constant [{len(items)} x {ty}] [{text}], align 16')
    return f'@"{name}"'
