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
    arguments: list[Value] = field(default_factory=list[Value])


@dataclass(eq=False, slots=True)
class Op:
    """One operation. `attrs` holds what the table names: int, string, tuple of ints, StaticExpr or None."""

    name: str
    operands: list[Value] = field(default_factory=list[Value])
    results: list[Value] = field(default_factory=list[Value])
    attrs: dict[str, Any] = field(default_factory=dict[str, Any])
    successors: list[Successor] = field(default_factory=list[Successor])

    @property
    def spec(self) -> OpSpec:
        """The operation's row of the table."""
        return OPS[self.name]


@dataclass(eq=False, slots=True)
class Block:
    label: str
    arguments: list[Value] = field(default_factory=list[Value])
    ops: list[Op] = field(default_factory=list[Op])

    @property
    def terminator(self) -> Op:
        """The last operation."""
        return self.ops[-1]


@dataclass(eq=False, slots=True)
class Function:
    """An instruction's meaning (no results; ends in `next`, `goto`, …) or an outlined function (`ret`).

    `label` tells apart functions of one name: an instruction's shapes (`sf=1,S=0`).
    """

    name: str
    blocks: list[Block] = field(default_factory=list[Block])
    results: tuple[Type, ...] = ()
    label: str = ""

    @property
    def entry(self) -> Block:
        """The first block; its arguments are the function's parameters."""
        return self.blocks[0]
