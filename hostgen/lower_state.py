"""Lowering of guest state, guest memory and calls.

Guest accesses are volatile (a load is never dropped, none are joined or split in two ways) and unaligned
unless they are atomic. Nothing says that CPU state and guest memory do not overlap: that keeps state writes
behind the accesses that can fault (docs/pack.md).
"""

from __future__ import annotations

from pyqemu.hostgen.emit import CPU, FLAG_RANGE, MEM, Operand, constant, width_of
from pyqemu.hostgen.layout import storage_bits
from pyqemu.hostgen.lower import Lowering, llvm_type, lowers, result_type
from pyqemu.hostgen.lower_int import byte_swap
from pyqemu.hostgen.pack_format import CPU as CPU_MEMBERS
from pyqemu.translator.errors import UnsupportedError
from pyqemu.translator.ir.function import Op
from pyqemu.translator.ir.types import Type

_RMW = {
    "add": "add", "and": "and", "or": "or", "xor": "xor", "swap": "xchg",
    "umin": "umin", "umax": "umax", "smin": "min", "smax": "max",
}  # fmt: skip


def _as_pair(f: Lowering, a: Operand) -> Operand:
    """A 128-bit value as two 64-bit lanes: hosts load and store that at once, and forward it whole."""
    return f.e.cast("bitcast", a, "<2 x i64>") if a.type == "i128" else a


def _alignment(width: int) -> int:
    return min(storage_bits(width) // 8, 16)


@lowers("read")
def _read(f: Lowering, op: Op) -> Operand:
    ty = f.type(op)
    if op.attrs["index"] is not None and op.attrs["index"] == op.attrs.get("zero"):
        return constant(ty, 0)
    return load_register(f, f.register(op, write=False), op.results[0].type)


def load_register(f: Lowering, pointer: Operand, type: Type) -> Operand:
    """What is in a register's storage."""
    ty, width = llvm_type(type), type.total
    if width == 1:
        byte = f.e.load("i8", pointer, 1, FLAG_RANGE)
        return f.e.cast("trunc", byte, "i1")
    storage = storage_bits(width)
    if storage == width:
        return f.e.load(ty, pointer, _alignment(width))
    return f.e.cast("trunc", f.e.load(f"i{storage}", pointer, _alignment(width)), ty)


@lowers("write")
def _write(f: Lowering, op: Op) -> None:
    (value,) = f.args(op)
    if op.attrs["reg"] in f.dead:
        return
    if op.attrs["index"] is not None and op.attrs["index"] == op.attrs.get("zero"):
        return
    store_register(f, value, f.register(op, write=True), op.operands[0].type.total)


def store_register(f: Lowering, value: Operand, pointer: Operand, width: int) -> None:
    """Puts a value of `width` bits into a register's storage."""
    storage = storage_bits(width)
    if storage != width:
        value = f.e.cast("zext", value, f"i{storage}")
    f.e.store(_as_pair(f, value), pointer, _alignment(width))


@lowers("set_ctx")
def _set_ctx(f: Lowering, op: Op) -> None:
    (value,) = f.args(op)
    f.e.store(f.e.resize(value, "i64"), f.e.at(CPU, context_offset(f, op.attrs["ctx"])), 8)


def context_offset(f: Lowering, name: str) -> int:
    """Where a context variable is, from `cpu` on; it takes 64 bits."""
    return CPU_MEMBERS["context"] + 8 * f.machine.context.index(name)


# --- memory --------------------------------------------------------------------------------------


def _guest(f: Lowering, address: Operand) -> Operand:
    return f.e.at(MEM, address)


def byte_order(f: Lowering, op: Op, a: Operand) -> Operand:
    """Big-endian accesses reverse the bytes of the whole value, whatever its lanes."""
    if op.attrs.get("endian", "le") != "be":
        return a
    if a.type.startswith("<"):
        total = width_of(a.type) * int(a.type[1:].split(" ")[0])
        return f.e.cast("bitcast", byte_swap(f, f.e.cast("bitcast", a, f"i{total}")), a.type)
    return byte_swap(f, a)


@lowers("load")
def _load(f: Lowering, op: Op) -> Operand:
    """Acquire and seqcst need nothing more than a load on hosts with total store order ."""
    ty = f.type(op)
    pointer = _guest(f, f.args(op)[0])
    loaded = "<2 x i64>" if ty == "i128" else ty
    value = f.e.let(loaded, f"load volatile {loaded}, {pointer}, align 1")
    return byte_order(f, op, f.e.cast("bitcast", value, ty))


@lowers("store")
def _store(f: Lowering, op: Op) -> None:
    address, value = f.args(op)
    value = _as_pair(f, byte_order(f, op, value))
    f.e.do(f"store volatile {value}, {_guest(f, address)}, align 1")
    if op.attrs.get("order") == "seqcst":
        f.e.do("fence seq_cst")


@lowers("cas")
def _cas(f: Lowering, op: Op) -> Operand:
    e = f.e
    address, old, new = f.args(op)
    ty = f.type(op)
    total = op.results[0].type.total
    bits = f"i{total}"
    expected, wanted = (e.cast("bitcast", byte_order(f, op, value), bits) for value in (old, new))
    pair = e.let(
        f"{{{bits}, i1}}",
        f"cmpxchg volatile {_guest(f, address)}, {expected}, {wanted} seq_cst seq_cst, align {total // 8}",
    )
    before = e.let(bits, f"extractvalue {pair}, 0")
    return byte_order(f, op, e.cast("bitcast", before, ty))


@lowers("rmw")
def _rmw(f: Lowering, op: Op) -> Operand:
    address, value = f.args(op)
    kind = op.attrs["op"]
    if value.type.startswith("<"):
        raise UnsupportedError("an atomic operation on a vector")
    swaps = op.attrs.get("endian", "le") == "be" and width_of(value.type) > 8
    if swaps and kind not in ("and", "or", "xor", "swap"):
        return _rmw_by_cas(f, kind, _guest(f, address), value)
    text = f"atomicrmw volatile {_RMW[kind]} {_guest(f, address)}, {byte_order(f, op, value)}"
    before = f.e.let(value.type, f"{text} seq_cst, align {width_of(value.type) // 8}")
    return byte_order(f, op, before)


def _rmw_by_cas(f: Lowering, kind: str, pointer: Operand, value: Operand) -> Operand:
    """A big-endian sum or minimum: read, compute, compare and swap until nobody came between."""
    e = f.e
    ty, align = value.type, width_of(value.type) // 8
    first = e.let(ty, f"load volatile {ty}, {pointer}, align 1")
    loop, done, start = e.new_label(), e.new_label(), e.label
    e.jump(loop)
    e.begin(loop)
    seen = f"%s{e.fresh()}"
    place = len(e.lines)
    before = byte_swap(f, Operand(ty, seen))
    after = e.op("add", before, value) if kind == "add" else e.intrinsic(kind, before, value)
    swapped = byte_swap(f, after)
    pair = e.let(f"{{{ty}, i1}}", f"cmpxchg volatile {pointer}, {ty} {seen}, {swapped} seq_cst seq_cst, align {align}")
    found = e.let(ty, f"extractvalue {pair}, 0")
    stored = e.let("i1", f"extractvalue {pair}, 1")
    e.lines.insert(place, f"  {seen} = phi {ty} [ {first.ref}, %{start} ], [ {found.ref}, %{loop} ]")
    e.branch(stored, done, loop)
    e.begin(done)
    return before


@lowers("fence")
def _fence(f: Lowering, op: Op) -> None:
    order = {"acquire": "acquire", "release": "release", "seqcst": "seq_cst"}[op.attrs["order"]]
    f.e.do(f"fence {order}")


@lowers("isync")
def _isync(f: Lowering, op: Op) -> None:
    """Nothing here: the exit that follows says kExitSync."""


# --- calls ---------------------------------------------------------------------------------------


@lowers("call")
def _call(f: Lowering, op: Op) -> None:
    e = f.e
    ty = result_type(tuple(value.type for value in op.results))
    name = function_symbol(op.attrs["fn"])
    result = e.call(ty, name, CPU, *f.args(op), attributes="strictfp", declared="hidden")
    if len(op.results) == 1:
        f.bind(op, result)
    elif op.results:
        types = [llvm_type(value.type) for value in op.results]
        f.bind(op, *(e.let(one, f"extractvalue {result}, {i}") for i, one in enumerate(types)))


def function_symbol(name: str) -> str:
    """The symbol of an outlined function."""
    return f"fn.{name}"
