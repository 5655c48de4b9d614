"""Guest instructions as the lifter sees them: their meaning with holes, the word's fields, and where they may go.

A meaning (the function of one shape of an encoding) is looked at once, however often it occurs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Protocol

from pyqemu.translator.ir.function import Block, Function
from pyqemu.translator.ir.guarded import guarded
from pyqemu.translator.ir.ops import ACCESSES
from pyqemu.translator.program.contexts import Contexts
from pyqemu.translator.program.evaluators import Evaluator, make_evaluator
from pyqemu.translator.static import Here, StaticExpr, apply, substitute
from pyqemu.translator.target import Encoding, ShapeChoice, ShapeLeaf, ShapeTree, Target

#: What regions do not do; the baseline translator does these instructions one by one.
UNSUPPORTED = frozenset({"isync", "cas", "rmw"})


class GuestCode(Protocol):
    """The bytes of a guest module by module offset (docs/archive.md)."""

    def fetch(self, offset: int, size: int) -> bytes | None:
        """`size` bytes of executable code at module offset `offset`; None if they are not all there."""
        ...


class Shapes(Protocol):
    """Where shape trees come from: a `Target` makes them, and they may have been kept."""

    def shapes(self, encoding: Encoding) -> ShapeTree:
        """All shapes of an encoding."""
        ...

    def guard(self, encoding: Encoding) -> ShapeTree | None:
        """All shapes of its guard; see Target."""
        ...


@dataclass(frozen=True, slots=True)
class Goto:
    """A direct jump of a meaning: its target and kind."""

    target: StaticExpr
    kind: str


@dataclass(frozen=True, slots=True)
class Meaning:
    """A shape's function and what matters of it."""

    function: Function
    gotos: tuple[Goto, ...]
    goes_on: bool  # it may end in `next`, in a context that is known
    resumes: bool  # control comes back behind it from elsewhere: a call, a system call
    returns: bool
    accesses: bool
    unsupported: bool


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction at module offset `offset`, of `size` bytes.

    `context` is what it was decoded in; `falls_to` and `goes_to` are the contexts of what comes next, by `next` and by
    any other way; `comes_back` that in which control comes back behind it. Equal contexts are the same object.
    """

    offset: int
    size: int
    meaning: Meaning
    fields: Mapping[str, int]
    context: Mapping[str, int]
    falls_to: Mapping[str, int]
    goes_to: Mapping[str, int]
    comes_back: Mapping[str, int]

    @property
    def end(self) -> int:
        """Module offset of what follows it."""
        return self.offset + self.size


def contexts_written(block: Block) -> frozenset[str]:
    """The context variables that a block writes; its end leaves the region then."""
    return frozenset(op.attrs["ctx"] for op in block.ops if op.name == "set_ctx")


def look_at(function: Function) -> Meaning:
    """What a meaning does, by its operations."""
    ops = [op for block in function.blocks for op in block.ops]
    ends = [block.terminator for block in function.blocks if not contexts_written(block)]
    gotos = tuple(dict.fromkeys(Goto(op.attrs["target"], op.attrs["kind"]) for op in ends if op.name == "goto"))
    kinds = {op.attrs["kind"] for op in ops if op.name in ("goto", "goto_indirect")}
    goes_on = any(op.name == "next" for op in ends)
    return Meaning(
        function,
        gotos,
        goes_on=goes_on,
        resumes="call" in kinds or (not goes_on and any(op.name == "raise" for op in ops)),
        returns="return" in kinds,
        accesses=any(op.name in ACCESSES for op in ops),
        unsupported=any(op.name in UNSUPPORTED for op in ops),
    )


def _look_at_guarded(guard: Function | None, function: Function) -> Meaning:
    """What both do together; whether control comes back behind it is for the instruction to say."""
    whole = look_at(guarded(guard, function))
    return whole if guard is None else replace(whole, resumes=look_at(function).resumes)


class Reader:
    """Decodes a module's instructions. `context` is what those have that nothing comes before."""

    def __init__(self, target: Target, shapes: Shapes, code: GuestCode, context: Mapping[str, int]) -> None:
        self._target = target
        self._shapes = shapes
        self._code = code
        self.context = context
        self._contexts = Contexts(target, context)
        self._trees: dict[int, ShapeTree] = {}
        self._guards: dict[int, ShapeTree | None] = {}
        self._meanings: dict[tuple[int, int], Meaning] = {}
        self._evaluators: dict[int, Evaluator] = {}
        self._units = [(unit, unit.size) for unit in target.units]

    def on(self, code: GuestCode, context: Mapping[str, int]) -> Reader:
        """A reader of another module, which knows of instructions what this one has learnt."""
        other = copy(self)
        other._code = code
        other.context = self._contexts.same(context)
        return other

    def within(self, context: Mapping[str, int]) -> Reader:
        """This one for code that begins in another context."""
        return self if context == self.context else self.on(self._code, context)

    def read(self, offset: int, context: Mapping[str, int] | None = None) -> Instruction | None:
        """The instruction at `offset` in a context (the reader's); None if there is none that is defined."""
        if context is None:
            context = self.context
        for unit, size in self._units:
            data = self._code.fetch(offset, size)
            if data is None:
                continue
            word = unit.word_of(data)
            encoding = self._target.decode(word, unit.name, context)
            if encoding is not None:
                fields = encoding.fields_of(word)
                meaning = self._meaning(encoding, fields, context)
                if meaning is None:
                    return None
                after = self._contexts.after(encoding, fields, context)
                return Instruction(offset, size, meaning, fields, context, *after)
        return None

    def _meaning(
        self, encoding: Encoding, fields: Mapping[str, int], context: Mapping[str, int]
    ) -> Meaning | None:
        if encoding.number not in self._trees:
            self._trees[encoding.number] = self._shapes.shapes(encoding)
            self._guards[encoding.number] = self._shapes.guard(encoding)
        leaf = self._leaf(self._trees[encoding.number], fields, context)
        tree = self._guards[encoding.number]
        guard = None if tree is None else self._leaf(tree, fields, context)
        if leaf is None or (guard is None) != (tree is None):
            return None
        key = id(leaf), id(guard)
        known = self._meanings.get(key)
        if known is None:
            known = self._meanings[key] = _look_at_guarded(guard and guard.function, leaf.function)
        return known

    def _leaf(self, tree: ShapeTree, fields: Mapping[str, int], context: Mapping[str, int]) -> ShapeLeaf | None:
        while isinstance(tree, ShapeChoice):
            child = tree.children.get(self._evaluator(tree.expr).value(fields, 0, context))
            if child is None:
                return None
            tree = child
        return tree if isinstance(tree, ShapeLeaf) else None

    def targets(self, instruction: Instruction) -> Sequence[tuple[int, str]]:
        """Module offsets and kinds of its direct jumps."""
        if not instruction.meaning.gotos:
            return ()
        return [
            (self.offset_of(goto.target, instruction), goto.kind) for goto in instruction.meaning.gotos
        ]

    def offset_of(self, target: StaticExpr, instruction: Instruction) -> int:
        """The module offset that a jump's target is; negative if it lies before the module."""
        address = self._evaluator(target).value(instruction.fields, instruction.offset, instruction.context)
        return address - (1 << 64) if address >> 63 else address

    def settled(self, expr: StaticExpr, instruction: Instruction) -> StaticExpr:
        """`expr` with fields and context filled in, and `here` told from where the module begins."""
        if isinstance(expr, int):
            return expr
        evaluator = self._evaluator(expr)
        if not evaluator.needs_here:
            return evaluator.value(instruction.fields, 0, instruction.context)
        here = apply("add", Here(), instruction.offset)
        return substitute(expr, instruction.fields, instruction.context, here)

    def _evaluator(self, expr: StaticExpr) -> Evaluator:
        """Kept by identity: expressions live as long as the meanings that they are in."""
        known = self._evaluators.get(id(expr))
        if known is None:
            known = self._evaluators[id(expr)] = make_evaluator(expr)
        return known
