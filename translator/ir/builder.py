"""Makes IR, one checked operation at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pyqemu.translator.errors import VerifyError
from pyqemu.translator.ir.attributes import check_attributes, with_defaults
from pyqemu.translator.ir.function import Block, Function, Op, Successor, Value
from pyqemu.translator.ir.ops import OPS, Effect
from pyqemu.translator.ir.signature import Stated, result_types
from pyqemu.translator.ir.types import Bits, Type, Vec, with_width
from pyqemu.translator.static import StaticExpr


def make_op(
    name: str,
    operands: Sequence[Value] = (),
    stated: Stated = None,
    attrs: dict[str, Any] | None = None,
    successors: Sequence[Successor] = (),
) -> Op:
    """An operation with new result values; VerifyError if operands, attributes or the type do not fit."""
    if name not in OPS:
        raise VerifyError(f"no operation {name!r}")
    filled = with_defaults(name, attrs or {})
    check_attributes(name, filled)
    types = result_types(name, [value.type for value in operands], filled, stated)
    return Op(name, list(operands), [Value(ty) for ty in types], filled, list(successors))


class Builder:
    """Appends operations to blocks of `function`; starts at the end of its last block, if it has one."""

    __slots__ = ("_block", "_labels", "function")

    def __init__(self, function: Function) -> None:
        self.function = function
        self._block: Block | None = function.blocks[-1] if function.blocks else None
        self._labels = {block.label for block in function.blocks}

    # --- blocks ---

    def block(self, label: str, arg_types: Iterable[Type] = ()) -> Block:
        """A new block at the end of the function; building goes on where it was. The label is made unique."""
        unique, number = label, 0
        while unique in self._labels:
            number += 1
            unique = f"{label}.{number}"
        self._labels.add(unique)
        block = Block(unique, [Value(ty) for ty in arg_types])
        self.function.blocks.append(block)
        return block

    def at(self, block: Block) -> Builder:
        """Goes on at the end of `block`."""
        self._block = block
        return self

    @property
    def current(self) -> Block:
        """The block that is being built."""
        if self._block is None:
            self._block = self.block("entry")
        return self._block

    @property
    def terminated(self) -> bool:
        """Whether the current block has its terminator."""
        ops = self.current.ops
        return bool(ops) and Effect.ENDS_BLOCK in ops[-1].spec.effects

    # --- operations ---

    def append(self, op: Op) -> Op:
        """Appends a ready operation."""
        if self.terminated:
            raise VerifyError(f"{op.name} after {self.current.terminator.name} in block {self.current.label}")
        self.current.ops.append(op)
        return op

    def op(
        self, name: str, /, *operands: Value, type: Stated = None, **attrs: Any
    ) -> Value | list[Value] | None:
        """Any operation: gives its result, None if it has none, a list for `call`."""
        results = self.append(make_op(name, operands, type, attrs)).results
        if name == "call":
            return results
        return results[0] if results else None

    def value(self, name: str, /, *operands: Value, type: Type | None = None, **attrs: Any) -> Value:
        """An operation with one result."""
        (result,) = self.append(make_op(name, operands, type, attrs)).results
        return result

    def call(self, fn: str, arguments: Sequence[Value], results: Sequence[Type]) -> list[Value]:
        """Calls an outlined function."""
        return self.append(make_op("call", arguments, results, {"fn": fn})).results

    # --- constants and conversions ---

    def const(self, value: int, type: Type) -> Value:
        """`value` cut to the type's element width, in every lane."""
        return self.value("const", type=type, value=value & ((1 << type.width) - 1))

    def hole(self, expr: StaticExpr, type: Type) -> Value:
        """A decode-time integer; a constant if it is known already."""
        return self.const(expr, type) if isinstance(expr, int) else self.value("hole", type=type, expr=expr)

    def zext(self, value: Value, width: int) -> Value:
        """`value` (each lane) widened to `width` bits with zeros; itself if it is so wide."""
        return self._resize("zext", value, width)

    def sext(self, value: Value, width: int) -> Value:
        """`value` (each lane) widened to `width` bits with its sign; itself if it is so wide."""
        return self._resize("sext", value, width)

    def trunc(self, value: Value, width: int) -> Value:
        """The low `width` bits of `value` (of each lane); itself if it is so wide."""
        return self._resize("trunc", value, width)

    def _resize(self, name: str, value: Value, width: int) -> Value:
        if value.type.width == width:
            return value
        return self.value(name, value, type=with_width(value.type, width))

    def bitcast(self, value: Value, type: Type) -> Value:
        """The same bits as another type; itself if it has that type."""
        return value if value.type == type else self.value("bitcast", value, type=type)

    def concat(self, high: Value, low: Value) -> Value:
        """`high` above `low`."""
        return self.value("concat", high, low, type=Bits(high.type.width + low.type.width))

    def extract(self, value: Value, lo: int, width: int) -> Value:
        """Bits lo … lo+width-1; itself if that is all of it."""
        if lo == 0 and value.type == Bits(width):
            return value
        return self.value("extract", value, type=Bits(width), lo=lo)

    def insert(self, value: Value, part: Value, lo: int) -> Value:
        """`value` with `part` in place of its bits from `lo` on."""
        return part if part.type == value.type else self.value("insert", value, part, type=value.type, lo=lo)

    def splat(self, value: Value, lanes: int) -> Value:
        """A vector whose every lane is `value`."""
        return self.value("splat", value, type=Vec(lanes, value.type.width))

    def shuffle(self, first: Value, second: Value, mask: Sequence[int]) -> Value:
        """Lanes picked from `first` and then `second`."""
        ty = Vec(len(mask), first.type.width)
        return self.value("shuffle", first, second, type=ty, mask=tuple(mask))

    def select(self, condition: Value, then: Value, otherwise: Value) -> Value:
        """`then` where `condition` (i1, or a lane mask) is 1."""
        return self.value("select", condition, then, otherwise)

    # --- state and memory ---

    def read(self, reg: str, type: Type, index: StaticExpr | None = None, zero: int | None = None) -> Value:
        """The whole of a register."""
        return self.value("read", type=type, reg=reg, index=index, zero=zero)

    def write(self, value: Value, reg: str, index: StaticExpr | None = None, zero: int | None = None) -> None:
        """Sets the whole of a register."""
        self.op("write", value, reg=reg, index=index, zero=zero)

    def load(self, address: Value, type: Type, order: str = "plain", endian: str = "le") -> Value:
        """Loads a value of `type` from guest address `address` (i64)."""
        return self.value("load", address, type=type, order=order, endian=endian)

    def store(self, address: Value, value: Value, order: str = "plain", endian: str = "le") -> None:
        """Stores `value` to guest address `address` (i64)."""
        self.op("store", address, value, order=order, endian=endian)

    # --- terminators ---

    def jump(self, block: Block, *arguments: Value) -> None:
        """Goes on at `block`."""
        self.append(make_op("jump", successors=[Successor(block, list(arguments))]))

    def branch(
        self,
        condition: Value,
        then: Block,
        otherwise: Block,
        then_arguments: Sequence[Value] = (),
        otherwise_arguments: Sequence[Value] = (),
    ) -> None:
        """Goes on at `then` if `condition` (i1) is 1, else at `otherwise`."""
        edges = [Successor(then, list(then_arguments)), Successor(otherwise, list(otherwise_arguments))]
        self.append(make_op("branch", [condition], successors=edges))

    def next(self) -> None:
        """Goes on with the next guest instruction."""
        self.op("next")

    def goto(self, target: StaticExpr, kind: str = "plain") -> None:
        """Goes to a guest address known at decode time."""
        self.op("goto", target=target, kind=kind)

    def goto_indirect(self, address: Value, kind: str = "plain") -> None:
        """Goes to guest address `address` (i64)."""
        self.op("goto_indirect", address, kind=kind)

    def raise_(self, exception: str, *arguments: Value) -> None:
        """Takes a guest exception."""
        self.op("raise", *arguments, exception=exception)

    def ret(self, *values: Value) -> None:
        """Returns from an outlined function."""
        self.op("ret", *values)
