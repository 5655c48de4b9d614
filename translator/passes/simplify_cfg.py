"""Straightens control flow: known branches, empty blocks, chains of blocks, blocks that nothing reaches."""

from __future__ import annotations

from dataclasses import dataclass

from pyqemu.translator.ir.cfg import predecessors, reachable
from pyqemu.translator.ir.function import Block, Function, Op, Successor, Value
from pyqemu.translator.passes.rewrite import Facts, replace_uses


@dataclass(frozen=True, slots=True)
class SimplifyCfg:
    """Leaves as few blocks and branches as it can without copying or reordering operations."""

    def run(self, function: Function) -> bool:
        """Changes `function` in place; whether anything changed."""
        changed = False
        facts = Facts(function)  # of conditions, which stay what they are
        while (
            _fold_branches(function, facts) | _skip_empty(function) | _drop_unreachable(function) | _merge(function)
        ):
            changed = True
        return changed


def _fold_branches(function: Function, facts: Facts) -> bool:
    """A branch that is decided, or has one way only, becomes a jump; one on `not x` is turned."""
    changed = False
    for block in function.blocks:
        op = block.terminator
        if op.name != "branch":
            continue
        known, negated = facts.constant(op.operands[0]), facts.op(op.operands[0], "not")
        first, second = op.successors
        if known is None and first.block is second.block and first.arguments == second.arguments:
            known = 1
        if known is not None:
            block.ops[-1] = Op("jump", successors=[first if known else second])
            changed = True
        elif negated:
            op.operands, op.successors = [negated.operands[0]], [second, first]
            changed = True
    return changed


def _skip_empty(function: Function) -> bool:
    """Edges to a block that only jumps go where it jumps."""
    changed = False
    for block in function.blocks:
        for edge in block.terminator.successors:
            target = edge.block
            if (
                len(target.ops) == 1
                and target.ops[0].name == "jump"
                and _arguments_are_local(function, target)
            ):
                (onward,) = target.ops[0].successors
                if onward.block is target or onward.block is function.entry:
                    continue
                passed = dict(zip(target.arguments, edge.arguments, strict=True))
                edge.arguments = [passed.get(value, value) for value in onward.arguments]
                edge.block = onward.block
                changed = True
    return changed


def _arguments_are_local(function: Function, block: Block) -> bool:
    """Whether the arguments of `block`, which only jumps, are used by its jump alone."""
    if not block.arguments:
        return True
    arguments = set(block.arguments)
    return not any(
        arguments.intersection(op.operands)
        or any(arguments.intersection(edge.arguments) for edge in op.successors)
        for other in function.blocks
        if other is not block
        for op in other.ops
    )


def _drop_unreachable(function: Function) -> bool:
    reached = reachable(function)
    before = len(function.blocks)
    function.blocks = [block for block in function.blocks if block in reached]
    return len(function.blocks) != before


def _merge(function: Function) -> bool:
    """A block that is left by a jump to a block which nothing else goes to takes that block's operations."""
    incoming = predecessors(function)
    replacements: dict[Value, Value] = {}
    gone: set[Block] = set()
    for block in function.blocks:
        if block in gone:
            continue
        while block.terminator.name == "jump":
            edge: Successor = block.terminator.successors[0]
            target = edge.block
            if len(incoming[target]) != 1 or target is block or target is function.entry:
                break
            replacements.update(zip(target.arguments, edge.arguments, strict=True))
            block.ops[-1:] = target.ops
            gone.add(target)
    function.blocks = [block for block in function.blocks if block not in gone]
    replace_uses(function, replacements)
    return bool(gone)
