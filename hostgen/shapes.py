"""All shapes of a target's instructions, elaborated once for all host levels, and pairs that are worth
fusing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pyqemu.translator.ir.function import Function
from pyqemu.translator.passes.forward_state import ForwardState
from pyqemu.translator.target import Decisions, Encoding, ShapeChoice, ShapeLeaf, ShapeTree, Target


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """One shape of one encoding, and how it is reached."""

    encoding: Encoding
    leaf: ShapeLeaf
    decisions: Decisions

    @property
    def label(self) -> str:
        return f"{self.encoding.name}[{self.leaf.label}]" if self.leaf.label else self.encoding.name


class Shapes:
    """Shapes in order; `trees` by number of encoding."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.trees: list[ShapeTree] = [target.shapes(encoding) for encoding in target.encodings]
        self.guards: list[ShapeTree | None] = [target.guard(encoding) for encoding in target.encodings]
        self.all = [
            shape
            for encoding, tree in zip(target.encodings, self.trees, strict=True)
            for shape in shapes_of(encoding, tree)
        ]
        self._fused: dict[tuple[int, int], Function | None] = {}

    def fused(self, first: Shape, second: Shape) -> Function | None:
        """IR of both, if there is such a thing."""
        key = id(first), id(second)
        if key not in self._fused:
            self._fused[key] = fuse(self._target, first, second)
        return self._fused[key]


def fuse(target: Target, first: Shape, second: Shape) -> Function | None:
    """IR of two neighbouring instructions; None if there is no such thing."""
    function = target.fuse(first.encoding, first.decisions, second.encoding, second.decisions)
    if function is not None:
        ForwardState().run(function)  # what the first wrote the second need not read
    return function


def shapes_of(encoding: Encoding, tree: ShapeTree) -> Iterator[Shape]:
    """All shapes in the tree of an encoding."""
    for decisions, leaf in _leaves(tree, ()):
        yield Shape(encoding, leaf, decisions)


def _leaves(tree: ShapeTree, above: Decisions) -> Iterator[tuple[Decisions, ShapeLeaf]]:
    match tree:
        case ShapeLeaf():
            yield above, tree
        case ShapeChoice(expr, children):
            for value in sorted(children):
                yield from _leaves(children[value], (*above, (expr, value)))
        case _:
            return
