"""Dead code elimination."""

from __future__ import annotations

from dataclasses import dataclass

from pyqemu.translator.ir.function import Block, Function, Successor, Value
from pyqemu.translator.ir.ops import Effect, having

_STAYING = having(~Effect.READS_STATE) - {"fp_flags"}


@dataclass(frozen=True, slots=True)
class Dce:
    """Removes operations and block arguments whose results nothing needs.

    Loads stay, since a guest can see them fault, unless `loads`; so does what may raise sticky flags.
    """

    loads: bool = False

    def run(self, function: Function) -> bool:
        """Changes `function` in place; whether anything changed."""
        staying = _STAYING - {"load"} if self.loads else _STAYING
        live = _live_values(function, staying)
        changed = False
        for block in function.blocks:
            kept = [op for op in block.ops if op.name in staying or not live.isdisjoint(op.results)]
            changed |= len(kept) != len(block.ops)
            block.ops = kept
        return _drop_arguments(function, live) or changed


def _live_values(function: Function, staying: frozenset[str]) -> set[Value]:
    """Values that operations of those names use, directly or not: they stay whatever becomes of their results."""
    sources: dict[Value, list[Value]] = {}
    pending: list[Value] = []
    for block in function.blocks:
        for op in block.ops:
            for result in op.results:
                sources[result] = op.operands
            if op.name in staying:
                pending += op.operands
        for edge in block.terminator.successors:
            for argument, value in zip(edge.block.arguments, edge.arguments, strict=True):
                sources.setdefault(argument, []).append(value)
    live: set[Value] = set()
    while pending:
        value = pending.pop()
        if value not in live:
            live.add(value)
            pending.extend(sources.get(value, ()))
    return live


def _drop_arguments(function: Function, live: set[Value]) -> bool:
    """Removes dead block arguments; a function's parameters stay."""
    incoming: dict[Block, list[Successor]] = {}
    for source in function.blocks:
        for edge in source.terminator.successors:
            incoming.setdefault(edge.block, []).append(edge)
    changed = False
    for block in function.blocks[1:]:
        keep = [argument in live for argument in block.arguments]
        if not all(keep):
            changed = True
            for values in (block.arguments, *[edge.arguments for edge in incoming.get(block, ())]):
                values[:] = [value for value, kept in zip(values, keep, strict=True) if kept]
    return changed
