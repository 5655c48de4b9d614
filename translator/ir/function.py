"""Functions, blocks, operations and values: how the IR is stored.

A function is a list of blocks with arguments; there are no phi nodes. The first block is the entry.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pyqemu.translator.ir.ops import OPS, OpSpec
from pyqemu.translator.ir.types import Type


@dataclass(eq=False, slots=True)
class Value:
    """An SSA value: result of an operation or argument of a block. Identity is object identity."""

    type: Type
    name: str = ""


@dataclass(eq=False, slots=True)
class Successor:
    """An edge to a block, with the arguments it passes."""

    block: Block
    arguments: list[Value] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Op:
    """One operation. `attrs` holds what the table names: ints, strings, tuples of ints, StaticExpr or None."""

    name: str
    operands: list[Value] = field(default_factory=list)
    results: list[Value] = field(default_factory=list)
    attrs: dict[str, Any] = field(default_factory=dict)
    successors: list[Successor] = field(default_factory=list)

    @property
    def spec(self) -> OpSpec:
        """The operation's row of the table."""
        return OPS[self.name]


@dataclass(eq=False, slots=True)
class Block:
    label: str
    arguments: list[Value] = field(default_factory=list)
    ops: list[Op] = field(default_factory=list)

    @property
    def terminator(self) -> Op:
        """The last operation."""
        return self.ops[-1]


@dataclass(eq=False, slots=True)
class Function:
    """An instruction's meaning (no results; ends in `next`, `goto`, …) or an outlined function (ends in `ret`)."""

    name: str
    blocks: list[Block] = field(default_factory=list)
    results: tuple[Type, ...] = ()

    @property
    def entry(self) -> Block:
        """The first block; its arguments are the function's parameters."""
        return self.blocks[0]
