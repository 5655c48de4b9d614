"""Finds values that are other values, or pieces of them, and uses those directly.

The IR has no copies; what stands for one is a block argument that always gets the same value, or a piece
taken out of something that was just put together: extract of insert, lane of splat.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyqemu.translator.ir.function import Block, Function, Op, Value
from pyqemu.translator.ir.types import Bits
from pyqemu.translator.passes.rewrite import Facts, Rewrite, Simplified, ops_of, replace_uses, simplify_all


@dataclass(frozen=True, slots=True)
class CopyProp:
    """Replaces values that are copies by what they are copies of."""

    def run(self, function: Function) -> bool:
        """Changes `function` in place; whether anything changed."""
        changed = simplify_all(function, _simplify)
        while _drop_copied_arguments(function):
            changed = True
        return changed


def _simplify(op: Op, facts: Facts) -> Simplified:
    match op.name:
        case "extract":
            return _piece(op, op.attrs["lo"], facts)
        case "trunc" if isinstance(op.results[0].type, Bits):
            return _piece(op, 0, facts)
        case "insert":
            return _insert(op, facts)
        case "concat" if facts.constant(op.operands[0]) == 0:
            return Rewrite("zext", (op.operands[1],))
        case "bitcast":
            return _bitcast(op, facts)
        case "lane":
            return _lane(op, facts)
        case _:
            return None


def _take(value: Value, lo: int, op: Op) -> Simplified:
    """Bits of `value` from `lo` on, as many as `op` gives."""
    ty = op.results[0].type
    if lo == 0:
        return value if value.type == ty else Rewrite("trunc", (value,))
    return Rewrite("extract", (value,), {"lo": lo})


def _piece(op: Op, lo: int, facts: Facts) -> Simplified:
    (whole,) = op.operands
    width = op.results[0].type.width
    inner = facts.op(whole, "extract", "trunc", "zext", "concat", "insert")
    if inner is None:
        return _take(whole, 0, op) if lo == 0 and op.name == "extract" else None
    source = inner.operands[0]
    match inner.name:
        case "extract":
            return _take(source, lo + inner.attrs["lo"], op)
        case "trunc":
            return _take(source, lo, op)
        case "zext" if lo + width <= source.type.width:
            return _take(source, lo, op)
        case "zext" if lo >= source.type.width:
            return 0
        case "concat":
            split = inner.operands[1].type.width
            if lo + width <= split:
                return _take(inner.operands[1], lo, op)
            return _take(source, lo - split, op) if lo >= split else None
        case "insert":
            start, part = inner.attrs["lo"], inner.operands[1]
            if start <= lo and lo + width <= start + part.type.width:
                return _take(part, lo - start, op)
            return _take(source, lo, op) if lo + width <= start or lo >= start + part.type.width else None
        case _:
            return _take(whole, 0, op) if lo == 0 and op.name == "extract" else None


def _insert(op: Op, facts: Facts) -> Simplified:
    base, part = op.operands
    if part.type == base.type:
        return part
    inner = facts.op(base, "insert")
    if inner and inner.attrs["lo"] == op.attrs["lo"] and inner.operands[1].type == part.type:
        return Rewrite("insert", (inner.operands[0], part), op.attrs)
    source = facts.op(part, "extract", "trunc")
    if source and source.operands[0] is base and source.attrs.get("lo", 0) == op.attrs["lo"]:
        return base
    return None


def _bitcast(op: Op, facts: Facts) -> Simplified:
    inner = facts.op(op.operands[0], "bitcast")
    source = inner.operands[0] if inner else op.operands[0]
    if source.type == op.results[0].type:
        return source
    return Rewrite("bitcast", (source,)) if inner else None


def _lane(op: Op, facts: Facts) -> Simplified:
    inner = facts.op(op.operands[0], "splat", "with_lane")
    if inner is None:
        return None
    if inner.name == "splat":
        return inner.operands[0]
    if inner.attrs["index"] == op.attrs["index"]:
        return inner.operands[1]
    return Rewrite("lane", (inner.operands[0],), op.attrs)


def _drop_copied_arguments(function: Function) -> bool:
    """Removes block arguments that get one and the same value on every edge (but for themselves)."""
    incoming: dict[Block, list[list[Value]]] = {block: [] for block in function.blocks}
    for op in ops_of(function):
        for edge in op.successors:
            incoming[edge.block].append(edge.arguments)
    for block in function.blocks[1:]:
        for place, argument in enumerate(block.arguments):
            sources = {arguments[place] for arguments in incoming[block]} - {argument}
            if len(sources) == 1:
                for arguments in incoming[block]:
                    del arguments[place]
                del block.arguments[place]
                replace_uses(function, {argument: sources.pop()})
                return True
    return False
