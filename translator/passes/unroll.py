"""Doubles the bodies of short loops, so that a poll and the moves at a loop's end are paid for every other round."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pyqemu.translator.ir.cfg import predecessors
from pyqemu.translator.ir.function import Block, Function, Op, Successor, Value

#: Operations of a body, at most: it is compiled twice.
_MOST_OPS = 130


@dataclass(frozen=True, slots=True)
class Unroll:
    """Two rounds to a poll, in loops whose only poll is their head's. Each round still asks whether it is the last one.

    It runs while registers are still read and written as instructions do it: then no value lives from block to block
    but within an instruction.
    """

    def run(self, function: Function) -> bool:
        """Changes `function` in place; whether anything changed."""
        incoming = predecessors(function)
        onward = {block: _successors(block) for block in incoming}
        changed = False
        for head in [block for block in function.blocks if _polls(block)]:
            body = _body(head, incoming, onward)
            if body and sum(len(block.ops) for block in body) <= _MOST_OPS and _stands_alone(function, head, body):
                _double(function, head, body)
                onward.update((block, _successors(block)) for block in body)
                changed = True
        return changed


def _polls(block: Block) -> bool:
    return block.ops[0].name == "poll" and len(block.ops) == 2 and not block.arguments


def _body(
    head: Block, incoming: Mapping[Block, list[Block]], onward: Mapping[Block, list[Block]]
) -> list[Block]:
    """The blocks between the head's poll and the jumps back to it, without other polls; none if there is no such loop,
    or if it can be entered elsewhere.
    """
    reached = _reached(head, onward)
    found = [block for block in _reached(head, incoming) if block in reached]
    inside = {head, *found}
    if any(block not in inside for one in found for block in incoming[one]):
        return []
    return found


def _successors(block: Block) -> list[Block]:
    return [edge.block for edge in block.terminator.successors]


def _reached(head: Block, edges: Mapping[Block, list[Block]]) -> dict[Block, None]:
    """What can be reached from `head` over `edges` without coming to a poll, in a fixed order."""
    found: dict[Block, None] = {}
    pending = list(edges[head])
    while pending:
        block = pending.pop()
        if block not in found and not _polls(block):
            found[block] = None
            pending += edges[block]
    return found


def _stands_alone(function: Function, head: Block, body: Iterable[Block]) -> bool:
    """Whether no value of the head or the body is used outside."""
    inside = {head, *body}
    defined = {value for block in inside for op in block.ops for value in op.results}
    defined.update(value for block in inside for value in block.arguments)
    for block in function.blocks:
        if block not in inside:
            used = [op.operands for op in block.ops] + [edge.arguments for edge in block.terminator.successors]
            if not all(map(defined.isdisjoint, used)):
                return False
    return True


def _double(function: Function, head: Block, body: list[Block]) -> None:
    """Puts a copy of the body behind it, where the body goes instead of back to the head."""
    (start,) = [block for block in _successors(head) if block in body]
    copy = _Copy(body).blocks
    place = max(function.blocks.index(block) for block in body) + 1
    function.blocks[place:place] = copy.values()
    for block in body:
        for edge in block.terminator.successors:
            if edge.block is head:
                edge.block = copy[start]


class _Copy:
    """A copy of some blocks; what leads outside leads there from the copy as well."""

    def __init__(self, body: list[Block]) -> None:
        self._values: dict[Value, Value] = {}
        self.blocks = {block: Block(block.label + ".again") for block in body}
        for block, copy in self.blocks.items():
            copy.arguments = [self._define(value) for value in block.arguments]
            for op in block.ops:
                for value in op.results:
                    self._define(value)
        for block, copy in self.blocks.items():
            copy.ops = [self._op(op) for op in block.ops]

    def _define(self, value: Value) -> Value:
        made = self._values[value] = Value(value.type)
        return made

    def _of(self, values: list[Value]) -> list[Value]:
        return [self._values.get(value, value) for value in values]

    def _op(self, op: Op) -> Op:
        edges = [Successor(self.blocks.get(edge.block, edge.block), self._of(edge.arguments)) for edge in op.successors]
        return Op(op.name, self._of(op.operands), self._of(op.results), op.attrs, edges)
