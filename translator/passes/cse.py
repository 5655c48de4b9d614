"""Common subexpressions by dominators: what is computed where the same was computed on every way there is not computed
again.

Pure operations only: floating-point operations raise flags, accesses can fault, and reads of state may differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyqemu.translator.ir.cfg import dominator_children, immediate_dominators
from pyqemu.translator.ir.function import Block, Function, Op, Value
from pyqemu.translator.ir.ops import PURE
from pyqemu.translator.passes.fold import COMMUTATIVE
from pyqemu.translator.passes.rewrite import replace_uses

_Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Cse:
    """Uses the first of equal operations, where it dominates the others."""

    def run(self, function: Function) -> bool:
        """Changes `function` in place; whether anything changed."""
        search = _Search()
        search.down(function)
        replace_uses(function, search.replaced)
        return bool(search.replaced)


class _Search:
    """Finds equal operations and removes the later ones."""

    def __init__(self) -> None:
        self.replaced: dict[Value, Value] = {}

    def down(self, function: Function) -> None:
        """The whole function, each block with what is known at the end of the one that dominates it."""
        children = dominator_children(function, immediate_dominators(function))
        stack: list[tuple[Block, dict[_Key, Op]]] = [(function.entry, {})]
        while stack:
            block, known = stack.pop()
            self.block(block, known)
            below = children[block]
            stack += [(child, dict(known)) for child in below[1:]]
            stack += [(child, known) for child in below[:1]]  # nobody else needs it any more

    def block(self, block: Block, known: dict[_Key, Op]) -> None:
        """One block; `known` are operations that were done before, and is added to."""
        kept: list[Op] = []
        for op in block.ops:
            if op.name in PURE:
                first = known.setdefault(self._key(op), op)
                if first is not op:
                    self.replaced.update(zip(op.results, first.results, strict=True))
                    continue
            kept.append(op)
        block.ops = kept

    def _key(self, op: Op) -> _Key:
        """The same for operations with the same results."""
        operands = [id(self.replaced.get(value, value)) for value in op.operands]
        if op.name in COMMUTATIVE:
            operands.sort()
        types = tuple(value.type for value in op.results)
        return (op.name, types, tuple(op.attrs.items()), *operands)
