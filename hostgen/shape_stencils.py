"""Which stencils a pack has of instructions' shapes: one each, a variant without flags, and pairs as one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import partial

from pyqemu.hostgen import lower_bits, lower_fp, lower_int, lower_state
from pyqemu.hostgen.lower import Machine
from pyqemu.hostgen.shapes import Shape
from pyqemu.hostgen.stencils import (
    Stencil,
    branches_on_flags,
    dead_flags,
    is_guard_on_flags,
    make_fused,
    make_stencil,
    makes_flags,
)
from pyqemu.translator.errors import UnsupportedError
from pyqemu.translator.ir.function import Function

RULES = (lower_bits, lower_fp, lower_int, lower_state)  # importing them fills the table of lowerings
#: Of an instruction's shapes at most this many are fused, the simplest: there are many more, each of them seldom used.
MAX_FUSED_SHAPES = 16
#: Operations that cost nothing of their own, or not much.
_PLUMBING = frozenset({"read", "write", "const", "hole", "trunc", "zext", "sext", "not", "next"})
#: A stencil, and the variant to use where its flags are dead.
WithVariant = tuple[Stencil, Stencil | None]


def shape_stencils(shape: Shape, machine: Machine) -> WithVariant:
    """A shape's stencil, and the variant without flags if there is one. UnsupportedError names the shape."""
    function, encoding = shape.leaf.function, shape.encoding
    make = partial(
        make_stencil, function=function, machine=machine,
        fields=[field.name for field in encoding.fields], unit_bytes=encoding.unit.size,
    )  # fmt: skip
    try:
        stencil = make(shape.label)
        flags = frozenset[str]() if stencil.exit_values else dead_flags(function, machine)
        return stencil, make(f"{shape.label}.dead", dead=flags) if flags else None
    except UnsupportedError as error:
        raise UnsupportedError(f"{shape.label}: {error}") from error


def synced_stencil(shape: Shape, machine: Machine) -> Stencil:
    """As a shape's stencil, but its ends leave to have the runtime look at the context."""
    encoding = shape.encoding
    return make_stencil(
        f"{shape.label}.synced", shape.leaf.function, machine,
        fields=[field.name for field in encoding.fields], unit_bytes=encoding.unit.size, synced=True,
    )  # fmt: skip


def guard_stencil(guard: Shape, machine: Machine) -> Stencil:
    """The stencil of a guard: goes on, or skips what follows it. UnsupportedError names the guard."""
    try:
        return make_stencil(
            f"{guard.encoding.name}.guard[{guard.leaf.label}]", guard.leaf.function, machine,
            fields=[field.name for field in guard.encoding.fields], unit_bytes=guard.encoding.unit.size,
        )  # fmt: skip
    except UnsupportedError as error:
        raise UnsupportedError(f"{guard.encoding.name}'s guard: {error}") from error


def may_come_first(shape: Shape, stencil: Stencil, machine: Machine) -> bool:
    """Whether an instruction that makes flags may be one with the branch after it."""
    return makes_flags(stencil) and bool(dead_flags(shape.leaf.function, machine))


def only_makes_flags(shape: Shape, machine: Machine) -> bool:
    """Whether an instruction writes nothing but flags, as comparisons do."""
    ops = (op for block in shape.leaf.function.blocks for op in block.ops if op.name == "write")
    return all(op.attrs["reg"] in machine.layout.flags for op in ops)


def only_branches(shape: Shape) -> bool:
    """Whether an instruction writes nothing, as conditional branches do that are no calls."""
    return all(op.name != "write" for block in shape.leaf.function.blocks for op in block.ops)


def effort(shape: Shape) -> int:
    """How many operations an instruction computes with."""
    return sum(op.name not in _PLUMBING for block in shape.leaf.function.blocks for op in block.ops)


def simplest(shapes: Sequence[Shape], most: int = MAX_FUSED_SHAPES) -> list[Shape]:
    """Those of the least effort, at most so many: of shapes that take the same, all or none."""
    efforts = sorted(effort(shape) for shape in shapes)
    return [shape for shape in shapes if bisect_right(efforts, effort(shape)) <= most]


def can_pair(first: Shape, a: Stencil, second: Shape, b: Stencil) -> bool:
    """Whether `b` is a branch or guard that reads no other flags than `a` makes."""
    reads_flags = branches_on_flags(b) or is_guard_on_flags(b)
    return reads_flags and not b.reads & ~a.writes and first.encoding.unit == second.encoding.unit


def fused_stencils(
    first: Shape, a: Stencil, second: Shape, b: Stencil, function: Function, machine: Machine
) -> WithVariant:
    """The stencil of a pair, whose IR is `function`, and its variant. Adds to the programs of `a` and `b`."""
    size = first.encoding.unit.size
    make = partial(
        make_fused, function=function, machine=machine, first=a, second=b, first_bytes=size, second_bytes=size
    )
    label = f"{first.label}+{second.label}"
    stencil = make(label)
    # Not where it reads again what it wrote. At an exit all flags are live, so that no branch would use a variant.
    flags = frozenset[str]() if stencil.reads or stencil.exit_values else dead_flags(function, machine)
    return stencil, make(f"{label}.dead", dead=flags) if flags else None
