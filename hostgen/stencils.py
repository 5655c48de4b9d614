"""Stencils: instructions' IR to LLVM functions, compiled in batches, read back as code with relocations.

A hole's symbol is `H<insn>.<value>.<range>`: number of the instruction (0, or 1 in a fused stencil), number
of the program's value, and the range that the value is known to lie in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pyqemu.hostgen.emit import Emitter, Module, Operand
from pyqemu.hostgen.layout import Layout
from pyqemu.hostgen.lower import Lowering, Machine, touches_fp
from pyqemu.hostgen.lower_exit import SIGNATURE, Ends, following
from pyqemu.hostgen.pack_format import Attribute
from pyqemu.hostgen.program import Program, fits, shift_right
from pyqemu.translator.errors import UnsupportedError
from pyqemu.translator.ir.function import Block, Function, Op
from pyqemu.translator.static import Here, StaticExpr, apply, fields_of, interval, substitute
from pyqemu.translator.target import SECOND

_INT32 = (-(1 << 31), (1 << 31) - 1)


def hole_range(expr: StaticExpr, width: int) -> tuple[str, int, int]:
    """Name and bounds (upper one excluded) of the range in which a hole's value lies.

    LLVM takes a symbol for a signed n-bit immediate if its range is within 2^n either way (n: 8 or 32), so
    the ranges between that and 2^(n-1) are given as wider ones. (32 bits without a sign: see
    `StencilFrame.hole`.)
    """
    low, high = interval(expr)
    if low >= 0 and high < 1 << min(width, 63):
        bits = max(high.bit_length(), 1)
        bits += bits == 8
        return f"u{bits}", 0, 1 << bits
    if width == 64 and fits((low, high), _INT32):
        bits = max(low.bit_length(), high.bit_length()) + 1
        bits += bits == 9
        return f"s{bits}", -(1 << bits - 1), 1 << bits - 1
    return "x64", -(1 << 63), (1 << 63)


@dataclass(slots=True)
class StencilFrame:
    """Holes and ends of one stencil; see `lower.Frame`."""

    program: Program
    ends: Ends

    def locate(self, expr: StaticExpr) -> tuple[int, int]:
        """Which instruction's value `expr` is (0; 1 for the second of a fused stencil), and its number."""
        return 0, self.program.value(expr)

    def hole(self, f: Lowering, expr: StaticExpr, ty: str) -> Operand:
        width = int(ty[1:])
        if width > 64:
            return self._wide(f, expr, width)
        value = expr if width == 64 else apply("bits", expr, width)
        if isinstance(value, int):
            return Operand(ty, str(value))
        key, low, high = hole_range(value, width)
        name = "H{}.{}.{}".format(*self.locate(value), key)
        symbol = f.e.module.hole(name, low, high)
        if width < 32 and (width > 8 or high > 1 << 7):  # no relocations of 16 bits, nor of 8 without a sign
            return f.e.resize(f.e.opaque(Operand("i32", f"ptrtoint (ptr {symbol} to i32)")), ty)
        if width == 64 and key == "u32":
            return f.e.cast("zext", Operand("i32", f"ptrtoint (ptr {symbol} to i32)"), ty)
        operand = Operand(ty, f"ptrtoint (ptr {symbol} to {ty})")
        if width == 64 and not fits((low, high - 1), _INT32):  # LLVM would make it a 32-bit displacement
            return f.e.opaque(operand)
        return operand

    def _wide(self, f: Lowering, expr: StaticExpr, width: int) -> Operand:
        """In words of 64 bits."""
        e = f.e
        count = (width + 63) // 64
        words = [f.hole(shift_right(expr, 64 * i), "i64") for i in range(count)]
        ty = f"i{64 * count}"
        return e.resize(e.cast("bitcast", e.gather(words, f"<{count} x i64>"), ty), f"i{width}")

    def leave(self, f: Lowering, op: Op) -> None:
        self.ends.leave(f, op)


@dataclass(slots=True)
class FusedFrame(StencilFrame):
    """Of a fused stencil: its values are those of the two instructions' programs."""

    second: Program
    first_bytes: int  # size of the first instruction

    def locate(self, expr: StaticExpr) -> tuple[int, int]:
        second = {field.name for field in fields_of(expr) if field.name.startswith(SECOND)}
        if not second:
            return 0, self.program.value(expr)
        if len(second) != len(fields_of(expr)):
            raise UnsupportedError("a value made of two instructions' fields")
        return 1, self.of_second(expr)

    def of_second(self, expr: StaticExpr) -> int:
        """`expr` as a value of the second instruction, whose `here` is further on."""
        names: dict[str, StaticExpr] = {
            field.name: replace(field, name=field.name.removeprefix(SECOND)) for field in fields_of(expr)
        }
        return self.second.value(substitute(expr, names, here=apply("add", Here(), -self.first_bytes)))


@dataclass(slots=True)
class Stencil:
    """A stencil's LLVM function and what the pack says of it."""

    label: str
    body: str  # the function's text without its name
    program: Program
    attributes: Attribute
    exit_values: tuple[int, ...]
    exit_kinds: tuple[int, ...]
    reads: int
    writes: int
    module: Module  # the declarations that it needs

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for stencils that are the same but for their names."""
        return (
            self.body, tuple(self.program.steps), len(self.program.fields), self.attributes,
            self.exit_values, self.exit_kinds, self.reads, self.writes,
        )  # fmt: skip


def make_stencil(
    label: str,
    function: Function,
    machine: Machine,
    *,
    fields: Sequence[str],
    unit_bytes: int,
    dead: frozenset[str] = frozenset(),
    synced: bool = False,
) -> Stencil:
    """Lowers one instruction. Writes of the flags `dead` are left out; `synced` is for its ends (see Ends)."""
    module = Module(machine.host.triple)
    ends = Ends(following(unit_bytes), machine.pc_shift, machine.exceptions, synced)
    ends.plan(function)
    frame = StencilFrame(Program(fields, machine.context), ends)
    lines = Lowering(Emitter(module), machine, frame, dead=dead).lower(function, [])
    exits = tuple(frame.program.value(exit_.target) for exit_ in ends.exits)
    return _finished(label, function, machine, module, frame, lines, exits, dead)


def make_fused(
    label: str,
    function: Function,
    machine: Machine,
    first: Stencil,
    second: Stencil,
    *,
    first_bytes: int,
    second_bytes: int,
    dead: frozenset[str] = frozenset(),
) -> Stencil:
    """Lowers two neighbouring instructions; what values it needs is added to their programs."""
    module = Module(machine.host.triple)
    ends = Ends(following(first_bytes + second_bytes), machine.pc_shift, machine.exceptions)
    ends.plan(function)
    frame = FusedFrame(first.program, ends, second.program, first_bytes)
    lines = Lowering(Emitter(module), machine, frame, dead=dead).lower(function, [])
    exits = tuple(frame.of_second(exit_.target) for exit_ in ends.exits)
    empty = StencilFrame(Program((), machine.context), ends)  # a fused stencil has no program of its own
    return _finished(label, function, machine, module, empty, lines, exits, dead)


def _finished(
    label: str,
    function: Function,
    machine: Machine,
    module: Module,
    frame: StencilFrame,
    lines: Sequence[str],
    exits: tuple[int, ...],
    dead: frozenset[str],
) -> Stencil:
    strict = "strictfp " if touches_fp(function) else ""
    body = "\n".join([f'{SIGNATURE} nounwind {strict}"no-builtins" "no-jump-tables"="true" {{', *lines, "}"])
    reads, writes = flag_masks(function, machine.layout)
    kinds = tuple(frame.ends.exit_kinds())
    attributes = frame.ends.attributes
    return Stencil(label, body, frame.program, attributes, exits, kinds, reads, 0 if dead else writes, module)


def dead_flags(function: Function, machine: Machine) -> frozenset[str]:
    """The flags that a variant of the stencil may leave out: all that it writes, if it always writes all of
    them.
    """
    written = {
        op.attrs["reg"]
        for block in function.blocks
        for op in block.ops
        if op.name == "write" and op.attrs["reg"] in machine.layout.flags
    }
    _, always = flag_masks(function, machine.layout)
    mask = sum(machine.layout.flag_mask(flag) for flag in written)
    calls = any(op.name == "call" for block in function.blocks for op in block.ops)
    return frozenset(written) if mask == always and not calls else frozenset()


def makes_flags(stencil: Stencil) -> bool:
    """Whether it does nothing but compute, flags among other things, and goes on."""
    return stencil.attributes == Attribute.FALLS_THROUGH and stencil.writes != 0 and stencil.reads == 0


def branches_on_flags(stencil: Stencil) -> bool:
    """Whether it is a conditional branch by flags."""
    return (
        stencil.attributes & ~Attribute.FALLS_BY_EXIT == Attribute.ENDS_BLOCK
        and len(stencil.exit_values) > 1
        and stencil.reads != 0
        and stencil.writes == 0
    )


def is_guard_on_flags(stencil: Stencil) -> bool:
    """Whether it is a guard that depends on flags."""
    return Attribute.GUARD in stencil.attributes and stencil.reads != 0


def flag_masks(function: Function, layout: Layout) -> tuple[int, int]:
    """Flags that may be read, and flags that are written on every way to an end."""
    reads = 0
    calls = False
    for block in function.blocks:
        for op in block.ops:
            calls |= op.name == "call"
            if op.name == "read":
                reads |= layout.flag_mask(op.attrs["reg"])
    every = (1 << len(layout.flags)) - 1
    return every if calls else reads, _always_written(function.entry, layout, {})


def _always_written(block: Block, layout: Layout, known: dict[int, int]) -> int:
    """Backward over an acyclic graph; a loop's back edge is taken to write nothing."""
    if id(block) in known:
        return known[id(block)]
    known[id(block)] = 0
    own = 0
    for op in block.ops:
        if op.name == "write":
            own |= layout.flag_mask(op.attrs["reg"])
    later = [_always_written(successor.block, layout, known) for successor in block.terminator.successors]
    common = later[0] if later else 0
    for mask in later[1:]:
        common &= mask
    known[id(block)] = own | common
    return own | common
