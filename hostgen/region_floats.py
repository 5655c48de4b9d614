"""Values of a region that are floats, though their registers hold bits like any others.

A register file of 64 bits that is nothing but floats to its guest is a file of 64 bits in the IR. What is handed from
block to block there, loaded or stored would go by general registers, and be moved to those that hosts compute floats in
before each operation. So it is looked at what is done with a value, and with all that are copies of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pyqemu.translator.ir.function import Function, Op, Value

_WIDTHS = (32, 64)
#: What takes floats, and what gives them.
_TAKES = frozenset({
    "fadd", "fsub", "fmul", "fdiv", "fsqrt", "fma", "fcvt", "frint", "ftosi", "ftoui", "feq", "flt", "fle", "funord",
})  # fmt: skip
_GIVES = frozenset({"fadd", "fsub", "fmul", "fdiv", "fsqrt", "fma", "fcvt", "frint", "sitof", "uitof"})
#: What says nothing: it comes from or goes to memory or the state, is rare, or is how signs are changed.
_NEUTRAL = frozenset({"const", "any", "hole", "read", "write", "at", "load", "call", "and", "or", "xor", "not"})


def float_values(function: Function) -> frozenset[Value]:
    """Values of 32 or 64 bits that are rather floats than integers, those in vectors of one lane among them."""
    if not any(op.name in _TAKES or op.name in _GIVES for block in function.blocks for op in block.ops):
        return frozenset()
    found = _Copies()
    for block in function.blocks:
        for op in block.ops:
            for a, b in _copied(op):
                if _fits(a) and _fits(b):
                    found.join(a, b)
    votes: Counter[Value] = Counter()
    for block in function.blocks:
        for op in block.ops:
            for value, vote in _votes(op):
                if _fits(value):
                    votes[found.first(value)] += vote
    return frozenset(value for value in found.values(votes) if votes[found.first(value)] > 0)


def _fits(value: Value) -> bool:
    """Whether it is one number of a width that floats have."""
    return value.type.total in _WIDTHS and value.type.width == value.type.total


def _copied(op: Op) -> Iterator[tuple[Value, Value]]:
    """Values that are the same bits."""
    match op.name:
        case "select":
            yield from ((value, op.results[0]) for value in op.operands[1:])
        case "bitcast" | "splat" | "lane":
            yield op.operands[0], op.results[0]
        case _:
            for edge in op.successors:
                yield from zip(edge.arguments, edge.block.arguments, strict=True)


def _votes(op: Op) -> Iterator[tuple[Value, int]]:
    """For (1) or against (-1) that values are floats."""
    if op.name == "store":
        yield op.operands[0], -1
    elif op.name not in _NEUTRAL and not any(True for _ in _copied(op)):
        yield from ((value, 1 if op.name in _TAKES else -1) for value in op.operands)
        yield from ((value, 1 if op.name in _GIVES else -1) for value in op.results)


class _Copies:
    """Sets of values that are copies of one another."""

    def __init__(self) -> None:
        self._next: dict[Value, Value] = {}

    def first(self, value: Value) -> Value:
        """The one that stands for its set."""
        while (onward := self._next.get(value, value)) is not value:
            self._next[value] = self._next.get(onward, onward)
            value = onward
        return value

    def join(self, a: Value, b: Value) -> None:
        """Makes one set of two."""
        first, second = self.first(a), self.first(b)
        self._next.setdefault(first, first)
        self._next[second] = first

    def values(self, more: Counter[Value]) -> set[Value]:
        """All that are in a set of several, and `more`."""
        return {*self._next, *more}
