"""Within a block, takes a register's value from the write or read before, rather than reading it again."""

from __future__ import annotations

from dataclasses import dataclass

from pyqemu.translator.ir.function import Block, Function, Op, Value
from pyqemu.translator.ir.ops import Effect
from pyqemu.translator.passes.locations import Location
from pyqemu.translator.passes.rewrite import replace_uses


@dataclass(frozen=True, slots=True)
class ForwardState:
    """Replaces reads whose value is known from earlier in their block."""

    def run(self, function: Function) -> bool:
        """Changes `function` in place; whether anything changed."""
        replacements: dict[Value, Value] = {}
        for block in function.blocks:
            _forward(block, replacements)
        replace_uses(function, replacements)
        return bool(replacements)


def _forward(block: Block, replacements: dict[Value, Value]) -> None:
    """Finds the reads of `block` that can go, and takes them out."""
    known: dict[Location, Value] = {}
    kept: list[Op] = []
    for op in block.ops:
        if op.name == "read":
            location, result = Location.of(op), op.results[0]
            value = known.setdefault(location, result)
            if value is not result and value.type == result.type:
                replacements[result] = value
                continue
        elif op.name == "write":
            location = Location.of(op)
            known = {other: value for other, value in known.items() if not other.may_alias(location)}
            if location.zero is None:  # else a read may give 0 where something else was written
                known[location] = op.operands[0]
        elif Effect.CALLS in op.spec.effects:
            known.clear()
        kept.append(op)
    block.ops = kept
