"""Removes writes of guest state that nobody can see: overwritten ones, and those of registers dead at exit.

The second is how variants of instructions without flags are made.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyqemu.translator.ir.function import Block, Function, Op
from pyqemu.translator.ir.ops import Effect
from pyqemu.translator.passes.locations import Location

#: After these the guest can see the state as it is: they may fault, raise, or look for themselves.
_OBSERVERS = Effect.LOADS | Effect.STORES | Effect.CALLS


@dataclass(frozen=True, slots=True)
class DeadState:
    """`dead`: names of registers whose values do not matter when control leaves, unless by an exception."""

    dead: tuple[str, ...] = ()

    def run(self, function: Function) -> bool:
        """Changes `function` in place; whether anything changed."""
        entering = self._solve(function)
        changed = False
        for block in function.blocks:
            removed = _Scan(self._leaving(block, entering) or _Dead()).block(block)
            block.ops = [op for op in block.ops if op not in removed]
            changed |= bool(removed)
        return changed

    def _solve(self, function: Function) -> dict[Block, _Dead]:
        """What is dead on entry of each block; a block that is not in it yet puts no limit on others."""
        entering: dict[Block, _Dead] = {}
        changed = True
        while changed:
            changed = False
            for block in reversed(function.blocks):
                leaving = self._leaving(block, entering)
                if leaving is None:
                    continue
                scan = _Scan(leaving)
                scan.block(block)
                if entering.get(block) != scan.dead:
                    entering[block] = scan.dead
                    changed = True
        return entering

    def _leaving(self, block: Block, entering: dict[Block, _Dead]) -> _Dead | None:
        op = block.terminator
        if not op.successors:
            return _Dead() if op.name == "raise" else _Dead(frozenset(self.dead))
        known = [entering[edge.block] for edge in op.successors if edge.block in entering]
        if not known:
            return None
        result = known[0]
        for other in known[1:]:
            result = _Dead(result.registers & other.registers, result.locations & other.locations)
        return result


@dataclass(frozen=True, slots=True)
class _Dead:
    """What need not be kept: whole registers (files), and single locations that are overwritten later."""

    registers: frozenset[str] = frozenset()
    locations: frozenset[Location] = frozenset()


class _Scan:
    """Goes backward through a block, keeping up with what is dead."""

    def __init__(self, dead: _Dead) -> None:
        self.dead = dead

    def block(self, block: Block) -> set[Op]:
        """The writes in `block` that can go; `dead` is then what is dead at its start."""
        return {op for op in reversed(block.ops) if self._step(op)}

    def _step(self, op: Op) -> bool:
        registers, locations = self.dead.registers, self.dead.locations
        if op.name == "write":
            location = Location.of(op)
            if location.index is not None and location.index == location.zero:
                return True
            if (
                location.reg in registers
                or {location, Location(location.reg, location.index, None)} & locations
            ):
                return True
            self.dead = _Dead(registers, locations | {location})
        elif op.name == "read":
            location = Location.of(op)
            still = frozenset(other for other in locations if not other.may_alias(location))
            self.dead = _Dead(registers - {location.reg}, still)
        elif op.spec.effects & _OBSERVERS:
            self.dead = _Dead()
        return False
