"""Constant folding and algebraic identities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyqemu.translator.ir.function import Function, Op
from pyqemu.translator.ir.interp_int import Runtime, lanes_of, pure_result
from pyqemu.translator.ir.ops import OPS, Effect
from pyqemu.translator.ir.types import Type, Vec
from pyqemu.translator.passes.rewrite import Facts, Rewrite, Simplified, simplify_all
from pyqemu.translator.static import apply


@dataclass(frozen=True, slots=True)
class Fold:
    """Computes what is constant, and drops operations that change nothing, such as x + 0."""

    def run(self, function: Function) -> bool:
        """Changes `function` in place; whether anything changed."""
        return simplify_all(function, _simplify)


#: Operations whose operands may change places.
COMMUTATIVE = frozenset({
    "add", "mul", "umulh", "smulh", "and", "or", "xor", "umin", "umax", "smin", "smax", "uadd_sat",
    "sadd_sat", "clmul", "eq", "ne",
})  # fmt: skip
#: op -> c with `x op c = x`; -1 stands for all ones.
_NEUTRAL: Mapping[str, int] = {
    "add": 0, "sub": 0, "or": 0, "xor": 0, "shl": 0, "lshr": 0, "ashr": 0, "rotr": 0, "umax": 0,
    "uadd_sat": 0, "sadd_sat": 0, "usub_sat": 0, "ssub_sat": 0,
    "mul": 1, "udiv": 1, "sdiv": 1, "and": -1, "umin": -1,
}  # fmt: skip
#: op -> (c, r) with `x op c = r` for every x.
_ABSORBING: Mapping[str, tuple[int, int]] = {
    "and": (0, 0), "mul": (0, 0), "umulh": (0, 0), "smulh": (0, 0), "clmul": (0, 0), "umin": (0, 0),
    "udiv": (0, 0), "sdiv": (0, 0), "ult": (0, 0), "or": (-1, -1), "umax": (-1, -1), "ule": (-1, 1),
}  # fmt: skip
#: op -> r with `x op x = r`.
_SAME: Mapping[str, int] = {
    "sub": 0, "xor": 0, "usub_sat": 0, "ssub_sat": 0, "ne": 0, "ult": 0, "slt": 0,
    "eq": 1, "ule": 1, "sle": 1,
}  # fmt: skip
_IDEMPOTENT = frozenset({"and", "or", "umin", "umax", "smin", "smax"})
_SHIFTS = frozenset({"shl", "lshr"})


def _simplify(op: Op, facts: Facts) -> Simplified:
    if op.name in ("read", "write"):
        return _zero_index(op)
    if op.name == "hole":
        expr = op.attrs["expr"]
        return expr if isinstance(expr, int) else None
    if len(op.results) != 1 or OPS[op.name].effects != Effect.PURE or op.name == "const":
        return None
    folded = _folded(op, facts)
    if folded is not None:
        return folded
    match op.name:
        case "select":
            return _select(op, facts)
        case "zext" | "sext" | "trunc":
            return _resize(op, facts)
        case "not" | "neg" | "bitrev" | "bswap":
            inner = facts.op(op.operands[0], op.name)
            return inner.operands[0] if inner else None
        case _:
            return _binary(op, facts) if len(op.operands) == 2 else _carry(op, facts)


def _zero_index(op: Op) -> Simplified:
    """Forgets the zero index where the index cannot be it; where it surely is, a read gives 0."""
    zero, index = op.attrs["zero"], op.attrs["index"]
    if zero is None:
        return None
    if index is None or apply("eq", index, zero) == 0:
        return Rewrite(op.name, tuple(op.operands), {**op.attrs, "zero": None})
    return 0 if op.name == "read" and index == zero else None


def _folded(op: Op, facts: Facts) -> int | None:
    return constant_result(op, [facts.constant(operand) for operand in op.operands])


def constant_result(op: Op, constants: Sequence[int | None]) -> int | None:
    """The constant that all lanes of a pure operation's result are, given those that its operands are."""
    values: list[Runtime] = []
    for operand, constant in zip(op.operands, constants, strict=True):
        if constant is None:
            return None
        values.append((constant,) * operand.type.lanes if isinstance(operand.type, Vec) else constant)
    result = pure_result(op, values)
    if result is None:
        return None
    lanes = set(lanes_of(result))
    return lanes.pop() if len(lanes) == 1 else None


def _ones(value: int, ty: Type) -> int:
    return value & ((1 << ty.width) - 1)


def _binary(op: Op, facts: Facts) -> Simplified:
    left, right = op.operands
    if op.name in COMMUTATIVE and facts.constant(left) is not None:
        return Rewrite(op.name, (right, left))  # two constants would have been folded
    if left is right:
        if op.name in _SAME:
            return _SAME[op.name]
        if op.name in _IDEMPOTENT:
            return left
    constant = facts.constant(right)
    if constant is None:
        return None
    if op.name in _NEUTRAL and constant == _ones(_NEUTRAL[op.name], right.type):
        return left
    if op.name in _ABSORBING and constant == _ones(_ABSORBING[op.name][0], right.type):
        return _ABSORBING[op.name][1]
    if op.name in _SHIFTS and constant >= left.type.width:
        return 0
    if op.name in ("eq", "ne") and left.type.width == 1:  # a boolean compared with a constant
        return left if (op.name == "eq") == (constant == 1) else Rewrite("not", (left,))
    if op.name in ("add", "and", "or", "xor"):
        return _reassociate(op, constant, facts)
    return None


def _reassociate(op: Op, constant: int, facts: Facts) -> Simplified:
    """(x op c) op d = x op (c op d), where c op d turns out to be c or d and so needs no new constant."""
    inner = facts.op(op.operands[0], op.name)
    if inner is None:
        return None
    first = facts.constant(inner.operands[1])
    if first is None:
        return None
    if op.name in ("and", "or"):
        both = first & constant if op.name == "and" else first | constant
        if both == constant:
            return Rewrite(op.name, (inner.operands[0], op.operands[1]))
        return inner.results[0] if both == first else None
    total = first ^ constant if op.name == "xor" else first + constant
    return inner.operands[0] if _ones(total, op.results[0].type) == 0 else None


def _carry(op: Op, facts: Facts) -> Simplified:
    """Nothing is carried out of x + 0 + 0."""
    if op.name in ("add_carry", "add_overflow") and facts.constant(op.operands[2]) == 0:
        return 0 if 0 in (facts.constant(op.operands[0]), facts.constant(op.operands[1])) else None
    return None


def _select(op: Op, facts: Facts) -> Simplified:
    condition, then, otherwise = op.operands
    known = facts.constant(condition)
    if known is not None:
        return then if known else otherwise
    if then is otherwise:
        return then
    negated = facts.op(condition, "not")
    if negated:
        return Rewrite("select", (negated.operands[0], otherwise, then))
    if then.type == condition.type and then.type.width == 1:
        match facts.constant(then), facts.constant(otherwise):
            case 1, 0:
                return condition
            case 0, 1:
                return Rewrite("not", (condition,))
            case _:
                return None
    return None


def _resize(op: Op, facts: Facts) -> Simplified:
    """Chains of widening and narrowing become one step, or none."""
    inner = facts.op(op.operands[0], "zext", "sext", "trunc")
    if inner is None:
        return None
    source, to = inner.operands[0], op.results[0].type.width
    if op.name == "trunc":
        if to == source.type.width:
            return source
        return Rewrite("trunc" if to < source.type.width else inner.name, (source,))
    if inner.name == op.name or (inner.name, op.name) == ("zext", "sext"):
        return Rewrite(inner.name, (source,))
    return None
