"""All shapes of a target's instructions, elaborated once for all host levels, and pairs that are worth
fusing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pyqemu.translator.ir.function import Function
from pyqemu.translator.ir.guarded import constant_guard
from pyqemu.translator.ir.printer import print_function
from pyqemu.translator.passes.forward_state import ForwardState
from pyqemu.translator.static import Apply, Element, Field, fields_of
from pyqemu.translator.target import Decisions, Encoding, ShapeChoice, ShapeLeaf, ShapeTree, Target, Undefined


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
        self.guard_of: dict[int, Shape] = {}  # by identity of a guard's leaf: the first one that does the same
        self._find_guards()
        self._fused: dict[tuple[int, int], Function | None] = {}

    def _find_guards(self) -> None:
        known: dict[tuple[object, ...], Shape] = {}
        for encoding, tree in zip(self._target.encodings, self.guards, strict=True):
            for guard in shapes_of(encoding, tree or Undefined()):
                if constant_guard(guard.leaf.function) != 1:
                    self.guard_of[id(guard.leaf)] = known.setdefault(_meaning(guard), guard)

    @property
    def distinct_guards(self) -> list[Shape]:
        """Guards that do not always hold, each once."""
        return list(dict.fromkeys(self.guard_of.values()))

    def fused(self, first: Shape, second: Shape) -> Function | None:
        """IR of both, if there is such a thing; `second` may be a guard."""
        key = id(first), id(second)
        if key not in self._fused:
            make = fuse_guard if id(second.leaf) in self.guard_of else fuse
            self._fused[key] = make(self._target, replace(first, decisions=self._unguarded(first)), second)
        return self._fused[key]

    def _unguarded(self, shape: Shape) -> Decisions:
        """The shape's decisions, and those by which its guard always holds: only then is it fused."""
        tree = self.guards[shape.encoding.number] or Undefined()
        always = [one.decisions for one in shapes_of(shape.encoding, tree) if constant_guard(one.leaf.function) == 1]
        return (*shape.decisions, *always[0]) if len(always) == 1 else shape.decisions


def _meaning(guard: Shape) -> tuple[object, ...]:
    """Equal for guards that do the same with the same bits of words of one unit."""
    text = print_function(replace(guard.leaf.function, name="", label=""))
    used = {field.name for field in fields_in(guard.leaf.function)}
    return guard.encoding.unit, text, tuple(field for field in guard.encoding.fields if field.name in used)


def fields_in(function: Function) -> set[Field]:
    """The fields that a function's decode-time expressions are made of."""
    values = (value for block in function.blocks for op in block.ops for value in op.attrs.values())
    return {field for value in values if isinstance(value, Field | Element | Apply) for field in fields_of(value)}


def fuse(target: Target, first: Shape, second: Shape) -> Function | None:
    """IR of two neighbouring instructions; None if there is no such thing."""
    function = target.fuse(first.encoding, first.decisions, second.encoding, second.decisions)
    if function is not None:
        ForwardState().run(function)  # what the first wrote the second need not read
    return function


def fuse_guard(target: Target, first: Shape, guard: Shape) -> Function | None:
    """IR of an instruction and the guard of the next one; None if there is no such thing."""
    function = target.fuse_guard(first.encoding, first.decisions, guard.encoding, guard.decisions)
    if function is not None:
        ForwardState().run(function)
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
