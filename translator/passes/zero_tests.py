"""Asks a whole vector whether a reduction of it is zero.

Guests' string routines look for a byte among 16: they join the lanes of a comparison's result pair by pair until they
fit a general register, and compare that with zero. What they want to know, whether any lane is set (or any is 0), hosts
can ask of the vector itself. The reduction stays for those who see its value (defer_results.py, dce.py).

It runs when registers are values (promote_state.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pyqemu.translator.ir.function import Function, Op, Value
from pyqemu.translator.ir.types import Bits, Type, Vec
from pyqemu.translator.passes.rewrite import ops_of

#: The registers that vectors lie in.
_WHOLE = Bits(128)
#: Joins that are zero just if both operands are.
_JOINS = ("umax", "or")


@dataclass(frozen=True, slots=True)
class ZeroTests:
    """`eq` and `ne` of a reduction and zero become those of what it is a reduction of."""

    def run(self, function: Function) -> bool:
        """Changes `function` in place; whether anything changed."""
        if not any(op.name == "shuffle" for op in ops_of(function)):
            return False
        tests = _Tests({result: op for op in ops_of(function) for result in op.results})
        changed = False
        for block in function.blocks:
            kept: list[Op] = []
            for op in block.ops:
                changed |= tests.rewrite(op, kept)
                kept.append(op)
            block.ops = kept
        return changed


@dataclass(frozen=True, slots=True)
class _Part:
    """A vector, or the lower half of one."""

    value: Value
    half: bool = False


@dataclass(slots=True)
class _Tests:
    definitions: dict[Value, Op]
    kept: list[Op] = field(default_factory=list[Op])  # operations before the one that is looked at

    def rewrite(self, op: Op, kept: list[Op]) -> bool:
        """Changes `op`, if it is such a test; what that needs is added to `kept`."""
        scalar = op.name in ("eq", "ne") and isinstance(op.operands[0].type, Bits)
        if not scalar or not self._is_zero(op.operands[1]):
            return False
        self.kept = kept
        whole = self._whole(op.operands[0])
        if whole is not None:
            op.operands = [whole, self._op("const", [], _WHOLE, value=0)]
        return whole is not None

    def _whole(self, value: Value) -> Value | None:
        """128 bits that are zero just if `value` is, which is a reduction of them; None if it is none."""
        part = self._stripped(_Part(value))
        mask = None if part.half else self._op_of(part.value)
        if mask is not None and mask.name == "eq" and self._is_zero(mask.operands[1]):
            width = mask.operands[0].type.width
            least = self._vectors(self._narrowed(_Part(mask.operands[0])), ("umin",), width)
            return None if least is None else self._set_lanes("umin", "eq", least, width)
        vectors = self._vectors(part, _JOINS, None)
        return None if vectors is None else self._set_lanes("or", "ne", vectors, 8)

    def _set_lanes(self, join: str, relation: str, vectors: list[Value], width: int) -> Value:
        """128 bits: which lanes of the vectors, joined, are (`relation`) zero. Lanes and no numbers, since LLVM takes a
        comparison of 128 bits apart where it is another block's.
        """
        ty = Vec(_WHOLE.total // width, width)
        joined = self._cast(vectors[0], ty)
        for vector in vectors[1:]:
            joined = self._op(join, [joined, self._cast(vector, ty)], ty)
        mask = self._op(relation, [joined, self._op("const", [], ty, value=0)], Vec(ty.lanes, 1))
        return self._cast(self._op("sext", [mask], ty), _WHOLE)

    # --- what a value is a reduction of ---

    def _vectors(self, part: _Part, joins: tuple[str, ...], width: int | None) -> list[Value] | None:
        """Those whose lanes, all of them, `part` joins, lanes of `width` bits if that matters; None if it is no join of
        whole vectors.
        """
        found: list[Value] = []
        pending = [part]
        while pending:
            one = pending.pop()
            inner = self._joined(one, joins, width)
            if inner is not None:
                pending += inner
            elif one is part or one.half or one.value.type.total != _WHOLE.total:
                return None
            elif one.value not in found:
                found.append(one.value)
        return found

    def _joined(self, part: _Part, joins: tuple[str, ...], width: int | None) -> list[_Part] | None:
        """The vectors of which `part` joins pairs of lanes, if it takes each lane."""
        op, ty = self._op_of(part.value), part.value.type
        if op is None or op.name not in joins or not isinstance(ty, Vec) or ty.total != _WHOLE.total:
            return None
        if width not in (None, ty.width):
            return None
        first, second = (self._op_of(operand) for operand in op.operands)
        if first is None or second is None or (first.name, second.name) != ("shuffle", "shuffle"):
            return None
        if first.operands != second.operands:
            return None
        lanes = ty.lanes
        a, b = (self._narrowed(_Part(operand)) for operand in first.operands)
        if any(operand.type != ty for operand in first.operands) or a.half or b.half:
            return None
        count = lanes // 2 if part.half else lanes
        taken = {index % lanes if a == b else index for op in (first, second) for index in op.attrs["mask"][:count]}
        if taken == set(range(lanes)):
            return [a]
        return [a, b] if taken == set(range(2 * lanes)) else None

    def _stripped(self, part: _Part) -> _Part:
        """Without what leaves zero zero and anything else not."""
        while True:
            part = self._narrowed(part)
            op = self._op_of(part.value)
            if op is None:
                return part
            match op.name:
                case "zext" if isinstance(op.operands[0].type, Bits) and op.operands[0].type.total <= 64:
                    part = _Part(op.operands[0])
                case "sext" if not part.half:
                    part = _Part(op.operands[0])
                case "sub" if self._is_zero(op.operands[1]):
                    part = _Part(op.operands[0], part.half)
                case _:
                    return part

    def _narrowed(self, part: _Part) -> _Part:
        """Without casts, and without a `trunc` to the lower half."""
        while True:
            op = self._op_of(part.value)
            if op is not None and op.name == "bitcast":
                part = _Part(op.operands[0], part.half)
            elif op is not None and op.name == "trunc" and not part.half and _halves(op):
                part = _Part(op.operands[0], True)
            else:
                return part

    def _op_of(self, value: Value) -> Op | None:
        return self.definitions.get(value)

    def _is_zero(self, value: Value) -> bool:
        op = self._op_of(value)
        return op is not None and op.name == "const" and op.attrs["value"] == 0

    # --- what is made ---

    def _cast(self, value: Value, ty: Type) -> Value:
        return value if value.type == ty else self._op("bitcast", [value], ty)

    def _op(self, name: str, operands: list[Value], ty: Type, **attrs: object) -> Value:
        value = Value(ty)
        op = Op(name, operands, [value], attrs)
        self.definitions[value] = op
        self.kept.append(op)
        return value


def _halves(op: Op) -> bool:
    """Whether a `trunc` gives the lower half of a whole register."""
    (a,), (result,) = op.operands, op.results
    return a.type == _WHOLE and result.type == Bits(64)
