"""Dead code elimination."""

from __future__ import annotations

from dataclasses import dataclass

from pyqemu.translator.ir.function import Block, Function, Op, Successor, Value
from pyqemu.translator.ir.ops import Effect, having
from pyqemu.translator.passes.rewrite import ops_of

_STAYING = having(~Effect.READS_STATE) - {"fp_flags"}


@dataclass(frozen=True, slots=True)
class Dce:
    """Removes operations and block arguments whose results nothing needs.

    Loads stay, since a guest can see them fault, unless `loads`; so does what may raise sticky flags.
    """

    loads: bool = False

    def run(self, function: Function) -> bool:
        """Changes `function` in place; whether anything changed."""
        live = self._live_values(function)
        changed = False
        for block in function.blocks:
            kept = [
                op for op in block.ops if self._needed(op) or any(result in live for result in op.results)
            ]
            changed |= len(kept) != len(block.ops)
            block.ops = kept
        return _drop_arguments(function, live) or changed

    def _needed(self, op: Op) -> bool:
        """Whether the operation stays whatever becomes of its results."""
        return op.name in _STAYING and not (self.loads and op.name == "load")

    def _live_values(self, function: Function) -> set[Value]:
        """Values that something needed uses, directly or not."""
        sources: dict[Value, list[Value]] = {}
        for op in ops_of(function):
            for result in op.results:
                sources[result] = op.operands
            for edge in op.successors:
                for argument, value in zip(edge.block.arguments, edge.arguments, strict=True):
                    sources.setdefault(argument, []).append(value)
        live: set[Value] = set()
        pending = [value for op in ops_of(function) if self._needed(op) for value in op.operands]
        while pending:
            value = pending.pop()
            if value not in live:
                live.add(value)
                pending.extend(sources.get(value, ()))
        return live


def _drop_arguments(function: Function, live: set[Value]) -> bool:
    """Removes dead block arguments; a function's parameters stay."""
    incoming: dict[Block, list[Successor]] = {}
    for op in ops_of(function):
        for edge in op.successors:
            incoming.setdefault(edge.block, []).append(edge)
    changed = False
    for block in function.blocks[1:]:
        keep = [argument in live for argument in block.arguments]
        if not all(keep):
            changed = True
            for values in (block.arguments, *[edge.arguments for edge in incoming.get(block, ())]):
                values[:] = [value for value, kept in zip(values, keep, strict=True) if kept]
    return changed
