"""Structural equality of functions: the same operations on the same values, whatever they are called."""

from __future__ import annotations

from pyqemu.translator.ir.function import Block, Function, Op, Value


def equal(first: Function, second: Function) -> bool:
    """Whether both have the same name, label, results, and the same blocks in the same order."""
    return (first.name, first.label, first.results) == (
        second.name,
        second.label,
        second.results,
    ) and _Pairing(first, second).holds()


class _Pairing:
    """Numbers values and blocks by their place; two functions are equal if all numbers agree."""

    def __init__(self, first: Function, second: Function) -> None:
        self._functions = (first, second)
        self._values: dict[Value, int] = {}
        self._blocks: dict[Block, int] = {}
        for function in self._functions:
            defined = [
                value
                for block in function.blocks
                for value in (*block.arguments, *[result for op in block.ops for result in op.results])
            ]
            self._values.update((value, number) for number, value in enumerate(defined))
            self._blocks.update((block, number) for number, block in enumerate(function.blocks))

    def holds(self) -> bool:
        first, second = self._functions
        return len(first.blocks) == len(second.blocks) and all(
            map(self._blocks_equal, first.blocks, second.blocks)
        )

    def _blocks_equal(self, first: Block, second: Block) -> bool:
        return (
            self._definitions(first.arguments) == self._definitions(second.arguments)
            and len(first.ops) == len(second.ops)
            and all(map(self._ops_equal, first.ops, second.ops))
        )

    def _ops_equal(self, first: Op, second: Op) -> bool:
        return (
            (first.name, first.attrs) == (second.name, second.attrs)
            and self._definitions(first.results) == self._definitions(second.results)
            and self._uses(first.operands) == self._uses(second.operands)
            and self._edges(first) == self._edges(second)
        )

    def _definitions(self, values: list[Value]) -> list[tuple[int, object]]:
        return [(self._values[value], value.type) for value in values]

    def _uses(self, values: list[Value]) -> list[int]:
        return [self._values[value] for value in values]

    def _edges(self, op: Op) -> list[tuple[int, list[int]]]:
        return [(self._blocks[edge.block], self._uses(edge.arguments)) for edge in op.successors]
