"""Values that a region only copies: loaded, handed from block to block, and stored.

A guest's loop that copies memory has its next eight registers on their way while it stores the last eight. Hosts have
fewer general registers, and spill; but nobody computes with these values, so vector registers hold them as well.
"""

from __future__ import annotations

from collections.abc import Iterator

from pyqemu.translator.ir.function import Block, Function, Op, Value
from pyqemu.translator.ir.types import Bits

#: What the values are, and how many a block has to get before it is worth it.
_TYPE = Bits(64)
_LEAST = 6


def only_copied(function: Function) -> frozenset[Value]:
    """Results of loads and arguments of blocks, if there are too many for general registers."""
    found = _candidates(function) - _computed_with(function)
    handed = [pair for block in function.blocks for pair in _handed(block)]
    origins = {value: op.name for block in function.blocks for op in block.ops for value in op.results}
    while True:
        lost = {value for value, argument in handed if value in found and argument not in found}
        lost |= {
            argument
            for value, argument in handed
            if argument in found and value not in found and origins.get(value) not in ("read", "any")
        }
        if not lost:
            break
        found -= lost
    most = max((sum(argument in found for argument in block.arguments) for block in function.blocks), default=0)
    return frozenset(found) if most >= _LEAST else frozenset()


def _candidates(function: Function) -> set[Value]:
    """What may be kept so, whatever becomes of it."""
    found = {argument for block in function.blocks[1:] for argument in block.arguments}
    for block in function.blocks:
        found.update(value for op in block.ops if op.name == "load" and _is_plain(op) for value in op.results)
    return {value for value in found if value.type == _TYPE}


def _computed_with(function: Function) -> set[Value]:
    """What is used in other ways than to store it, write it to a register or show it."""
    found: set[Value] = set()
    for block in function.blocks:
        for op in block.ops:
            if op.name == "store" and _is_plain(op):
                found.add(op.operands[0])
            elif op.name not in ("at", "write"):
                found.update(op.operands)
    return found


def _is_plain(op: Op) -> bool:
    return (op.attrs["order"], op.attrs["endian"]) == ("plain", "le")


def _handed(block: Block) -> Iterator[tuple[Value, Value]]:
    """What a block hands to others, and the arguments that get it."""
    for edge in block.terminator.successors:
        yield from zip(edge.arguments, edge.block.arguments, strict=True)
