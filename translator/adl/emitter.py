"""Appends operations to the IR function being built, folding what needs no operation.

Only what elaboration itself produces in plenty is folded here (slices of concatenations, extensions by
nothing, choices between equal values); everything else is for translator.passes.
"""

from __future__ import annotations

from typing import Any

from pyqemu.translator.ir.function import Block, Function, Op, Successor, Value
from pyqemu.translator.ir.types import I1, Bits, Type, Vec
from pyqemu.translator.static import StaticExpr


class Emitter:
    """Builds `function`; `block` is where operations go."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.definitions: dict[Value, Op] = {}
        self._labels = 0
        self.block = self.new_block("entry")

    def new_block(self, label: str = "") -> Block:
        """A block at the end of the function."""
        if not label or any(block.label == label for block in self.function.blocks):
            label = f"{label or 'b'}{self._labels}"
        block = Block(label)
        self._labels += 1
        self.function.blocks.append(block)
        return block

    def emit(self, name: str, operands: list[Value], ty: Type, **attrs: Any) -> Value:
        """Appends an operation with one result."""
        result = Value(ty)
        op = Op(name, operands, [result], attrs)
        self.block.ops.append(op)
        self.definitions[result] = op
        return result

    def effect(self, name: str, operands: list[Value], **attrs: Any) -> None:
        """Appends an operation without results."""
        self.block.ops.append(Op(name, operands, [], attrs))

    def call(self, function: str, operands: list[Value], types: tuple[Type, ...]) -> list[Value]:
        """Appends a call of an outlined function."""
        results = [Value(ty) for ty in types]
        op = Op("call", operands, results, {"fn": function})
        self.block.ops.append(op)
        self.definitions.update((result, op) for result in results)
        return results

    def jump(self, target: Block, arguments: list[Value]) -> None:
        self.block.ops.append(Op("jump", successors=[Successor(target, arguments)]))

    def branch(self, condition: Value, then: Block, otherwise: Block) -> None:
        self.block.ops.append(Op("branch", [condition], successors=[Successor(then), Successor(otherwise)]))

    def constant_of(self, value: Value) -> int | None:
        """The value of a constant, else None."""
        op = self.definitions.get(value)
        return op.attrs["value"] if op is not None and op.name == "const" else None

    def const(self, value: int, ty: Type) -> Value:
        """A constant, cut to the element's width."""
        return self.emit("const", [], ty, value=value & ((1 << ty.width) - 1))

    def hole(self, expr: StaticExpr, ty: Type) -> Value:
        """A decode-time integer of `ty`."""
        if isinstance(expr, int):
            return self.const(expr, ty)
        if isinstance(ty, Vec):
            return self.splat(self.hole(expr, Bits(ty.width)), ty.lanes)
        return self.emit("hole", [], ty, expr=expr)

    def splat(self, value: Value, lanes: int) -> Value:
        known = self.constant_of(value)
        ty = Vec(lanes, value.type.width)
        return self.const(known, ty) if known is not None else self.emit("splat", [value], ty)

    def resize(self, name: str, value: Value, ty: Type) -> Value:
        """zext, sext or trunc to `ty`, which may be the type that `value` has."""
        if value.type == ty:
            return value
        known = self.constant_of(value)
        if known is not None:
            if name == "sext" and known >> (value.type.width - 1):
                known -= 1 << value.type.width
            return self.const(known, ty)
        if name == "trunc" and isinstance(ty, Bits):
            return self.extract(value, 0, ty.width)
        return self.emit(name, [value], ty)

    def bitcast(self, value: Value, ty: Type) -> Value:
        if value.type == ty:
            return value
        op = self.definitions.get(value)
        if op is not None and op.name == "bitcast":
            return self.bitcast(op.operands[0], ty)
        return self.emit("bitcast", [value], ty)

    def concat(self, high: Value, low: Value) -> Value:
        a, b = self.constant_of(high), self.constant_of(low)
        ty = Bits(high.type.width + low.type.width)
        if a is not None and b is not None:
            return self.const(a << low.type.width | b, ty)
        if a == 0:
            return self.emit("zext", [low], ty)
        return self.emit("concat", [high, low], ty)

    def extract(self, value: Value, low: int, width: int) -> Value:
        """Bits low … low+width-1 of a bit vector."""
        if low == 0 and width == value.type.width:
            return value
        op = self.definitions.get(value)
        if op is not None:
            if op.name == "const":
                return self.const(op.attrs["value"] >> low, Bits(width))
            if op.name == "extract":
                return self.extract(op.operands[0], low + op.attrs["lo"], width)
            if op.name == "concat":
                high_part, low_part = op.operands
                border = low_part.type.width
                if low >= border:
                    return self.extract(high_part, low - border, width)
                if low + width <= border:
                    return self.extract(low_part, low, width)
            if op.name == "zext":
                inner = op.operands[0].type.width
                if low >= inner:
                    return self.const(0, Bits(width))
                if low + width <= inner:
                    return self.extract(op.operands[0], low, width)
        if low == 0:
            return self.emit("trunc", [value], Bits(width))
        return self.emit("extract", [value], Bits(width), lo=low)

    def insert(self, base: Value, part: Value, low: int) -> Value:
        if base.type.width == part.type.width:
            return part
        return self.emit("insert", [base, part], base.type, lo=low)

    def select(self, condition: Value, then: Value, otherwise: Value) -> Value:
        known = self.constant_of(condition)
        if known is not None and isinstance(condition.type, Bits):
            return then if known else otherwise
        if then is otherwise:
            return then
        return self.emit("select", [condition, then, otherwise], then.type)

    def logic(self, name: str, a: Value, b: Value) -> Value:
        """`and` or `or` of two i1, with constants folded."""
        neutral = 1 if name == "and" else 0
        for known, other in ((self.constant_of(a), b), (self.constant_of(b), a)):
            if known is not None:
                return other if known == neutral else self.const(1 - neutral, I1)
        return self.emit(name, [a, b], I1)

    def negate(self, condition: Value) -> Value:
        """The opposite of an i1."""
        op = self.definitions.get(condition)
        if op is not None and op.name == "not":
            return op.operands[0]
        known = self.constant_of(condition)
        return self.const(1 - known, I1) if known is not None else self.emit("not", [condition], I1)
