"""LLVM text: a module's declarations and the body of one function, and nothing of what they mean.

Text is written rather than built through a binding: it is what LLVM's documentation speaks, it can be
printed and tried by hand, and worker processes take it as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple


class Operand(NamedTuple):
    """An LLVM value with its type: `i64 %t3`. A tuple, as many are made."""

    type: str
    ref: str

    def __str__(self) -> str:
        return f"{self.type} {self.ref}"


CPU = Operand("ptr", "%cpu")
MEM = Operand("ptr", "%mem")
#: LLVM's floats, by bits.
FLOATS = {16: "half", 32: "float", 64: "double"}


@cache
def element_type(ty: str) -> str:
    """`i8` of `<16 x i8>`; the type itself if it is no vector."""
    return ty.split(" x ")[1][:-1] if ty.startswith("<") else ty


@cache
def lanes_of(ty: str) -> int:
    """16 of `<16 x i8>`; 0 if it is no vector."""
    return int(ty[1:].split(" x ")[0]) if ty.startswith("<") else 0


@cache
def like(ty: str, element: str) -> str:
    """`ty` with its elements replaced by `element`."""
    return f"<{lanes_of(ty)} x {element}>" if ty.startswith("<") else element


@cache
def width_of(ty: str) -> int:
    """Bits of one element of an integer type."""
    return int(element_type(ty)[1:])


def constant(ty: str, value: int) -> Operand:
    """`value`, cut to the element's width, in every element."""
    if not ty.startswith("<"):
        return Operand(ty, str(value & ((1 << width_of(ty)) - 1)))
    one = constant(element_type(ty), value)
    return Operand(ty, "zeroinitializer" if one.ref == "0" else f"splat ({one})")


@dataclass(slots=True)
class Module:
    """What a module's functions need around them: holes, declarations, constant tables."""

    triple: str
    globals: dict[str, str] = field(default_factory=dict[str, str])
    holes: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    functions: list[str] = field(default_factory=list[str])
    assembly: list[str] = field(default_factory=list[str])

    #: Metadata that every module has: weights of a likely and of an unlikely branch, the range of a flag.
    _METADATA = (
        '!0 = !{!"branch_weights", i32 2000, i32 1}',
        '!1 = !{!"branch_weights", i32 1, i32 2000}',
        "!2 = !{i8 0, i8 2}",
    )

    def hole(self, name: str, low: int, high: int) -> str:
        """Declares hole `name`, a value in [low, high)."""
        self.holes[name] = (low, high)
        return f'@"{name}"'

    def declare(self, name: str, text: str) -> None:
        """Adds a declaration once."""
        self.globals.setdefault(name, text)

    def merge(self, other: Module) -> None:
        """Takes over all that is in `other`; equal names have to mean the same."""
        self.globals.update(other.globals)
        self.holes.update(other.holes)
        self.functions += other.functions

    def text(self) -> str:
        """The whole module."""
        lines = [f'target triple = "{self.triple}"']
        lines += [f'module asm "{line}"' for line in self.assembly]
        lines += self.globals.values()
        numbers: dict[tuple[int, int], int] = {}
        for name, bounds in self.holes.items():
            number = numbers.setdefault(bounds, len(numbers) + len(self._METADATA))
            lines.append(f'@"{name}" = extern_weak global i8, !absolute_symbol !{number}')
        lines += self.functions
        lines += self._METADATA
        for (low, high), number in numbers.items():
            bounds = "i64 -1, i64 -1" if high - low >= 1 << 64 else f"i64 {low}, i64 {high}"
            lines.append(f"!{number} = !{{{bounds}}}")
        return "\n".join(lines) + "\n"


LIKELY = "!prof !0"
UNLIKELY = "!prof !1"
FLAG_RANGE = "!range !2"


class Emitter:
    """Writes one function's body, block after block."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.lines: list[str] = []
        self.label = ""
        self._count = 0
        self._slots: dict[str, str] = {}
        self._early: dict[str, str] = {}

    # --- text ---

    def fresh(self) -> int:
        """A number not used so far in this function."""
        self._count += 1
        return self._count

    def let(self, ty: str, text: str) -> Operand:
        """`%tN = text`, as a value of type `ty`."""
        self._count = number = self._count + 1
        self.lines.append(f"  %t{number} = {text}")
        return Operand(ty, f"%t{number}")

    def do(self, text: str) -> None:
        """An instruction without a result."""
        self.lines.append(f"  {text}")

    def new_label(self) -> str:
        """A name for a block to be begun later."""
        return f"x{self.fresh()}"

    def begin(self, label: str) -> None:
        """Starts block `label`."""
        self.label = label
        self.lines.append(f"{label}:")

    def keep_block(self) -> None:
        """Something that LLVM does not look into: the block is not empty then, so that values that it hands on are
        moved in it, and not in its predecessors.
        """
        self.do('call void asm sideeffect "", ""()')

    def slot(self, ty: str) -> Operand:
        """Stack space for one value of type `ty`; the same each time, for use within a few instructions."""
        name = f"%slot{len(self._slots)}"
        return Operand("ptr", self._slots.setdefault(ty, name))

    def early(self, ty: str, text: str) -> Operand:
        """As `let`, but made once, in the function's first block."""
        return Operand(ty, self._early.setdefault(text, f"%early{len(self._early)}"))

    def finish(self) -> list[str]:
        """The body, stack space allocated in its first block."""
        first = [f"  {name} = alloca {ty}" for ty, name in self._slots.items()]
        first += [f"  {name} = {text}" for text, name in self._early.items()]
        return [self.lines[0], *first, *self.lines[1:]]

    # --- integers and vectors ---

    def op(self, code: str, a: Operand, b: Operand | int) -> Operand:
        """A binary instruction; an int `b` is a constant of a's type."""
        right = constant(a.type, b) if isinstance(b, int) else b
        return self.let(a.type, f"{code} {a}, {right.ref}")

    def icmp(self, predicate: str, a: Operand, b: Operand | int) -> Operand:
        right = constant(a.type, b) if isinstance(b, int) else b
        return self.let(like(a.type, "i1"), f"icmp {predicate} {a}, {right.ref}")

    def cast(self, code: str, a: Operand, ty: str) -> Operand:
        """`code a to ty`; nothing if the type stays."""
        return a if a.type == ty else self.let(ty, f"{code} {a} to {ty}")

    def opaque(self, a: Operand) -> Operand:
        """`a` (64 bits at most) in a register; LLVM knows nothing of it."""
        if a.type not in ("i32", "i64"):
            wide = "i32" if width_of(a.type) < 32 else "i64"
            return self.resize(self.opaque(self.resize(a, wide)), a.type)
        return self.let(a.type, f'call {a.type} asm "", "=r,0"({a})')

    def resize(self, a: Operand, ty: str, *, signed: bool = False) -> Operand:
        """Extends or truncates to `ty`."""
        if width_of(a.type) > width_of(ty):
            return self.cast("trunc", a, ty)
        return self.cast("sext" if signed else "zext", a, ty)

    def invert(self, a: Operand) -> Operand:
        return self.op("xor", a, -1)

    def select(self, c: Operand, a: Operand, b: Operand) -> Operand:
        return self.let(a.type, f"select {c}, {a}, {b}")

    def lane(self, a: Operand, index: int) -> Operand:
        return self.let(element_type(a.type), f"extractelement {a}, i32 {index}")

    def with_lane(self, a: Operand, b: Operand, index: int) -> Operand:
        if b.ref.startswith("ptrtoint"):  # LLVM would load the lane from the symbol's address
            b = self.opaque(b)
        return self.let(a.type, f"insertelement {a}, {b}, i32 {index}")

    def splat(self, a: Operand, ty: str) -> Operand:
        """Vector type `ty` with `a` in every lane."""
        one = self.with_lane(Operand(ty, "poison"), a, 0)
        lanes = lanes_of(ty)
        return self.let(ty, f"shufflevector {one}, {ty} poison, <{lanes} x i32> zeroinitializer")

    def gather(self, lanes: Iterable[Operand], ty: str) -> Operand:
        """Vector of type `ty` made of its lanes."""
        result = Operand(ty, "poison")
        for index, value in enumerate(lanes):
            result = self.with_lane(result, value, index)
        return result

    # --- calls ---

    def call(self, ty: str, name: str, *args: Operand | str, attributes: str = "", declared: str = "") -> Operand:
        """Calls `@name`; `ty` void gives a meaningless operand. Strings are literal arguments (metadata,
        flags).
        """
        types = ", ".join(arg.type if isinstance(arg, Operand) else arg.split(" ")[0] for arg in args)
        self.module.declare(name, f'declare {declared} {ty} @"{name}"({types})')
        text = f'call {ty} @"{name}"({", ".join(str(arg) for arg in args)}) {attributes}'.rstrip()
        if ty == "void":
            self.do(text)
            return Operand("void", "")
        return self.let(ty, text)

    def intrinsic(self, name: str, a: Operand, *more: Operand | str) -> Operand:
        """`llvm.NAME` overloaded on a's type, with a result of that type."""
        return self.call(a.type, f"llvm.{name}.{mangle(a.type)}", a, *more)

    # --- memory ---

    def at(self, base: Operand, offset: Operand | int) -> Operand:
        """base + offset bytes."""
        if isinstance(offset, int):
            offset = Operand("i64", str(offset))
        return self.let("ptr", f"getelementptr i8, {base}, {offset}")

    def load(self, ty: str, pointer: Operand, align: int, extra: str = "") -> Operand:
        return self.let(ty, f"load {ty}, {pointer}, align {align}" + (f", {extra}" if extra else ""))

    def store(self, value: Operand, pointer: Operand, align: int) -> None:
        self.do(f"store {value}, {pointer}, align {align}")

    # --- control ---

    def jump(self, label: str) -> None:
        self.do(f"br label %{label}")

    def branch(self, condition: Operand, then: str, otherwise: str, weights: str = "") -> None:
        self.do(f"br {condition}, label %{then}, label %{otherwise}" + (f", {weights}" if weights else ""))

    def phi(self, ty: str, *incoming: tuple[Operand, str]) -> Operand:
        edges = ", ".join(f"[ {value.ref}, %{label} ]" for value, label in incoming)
        return self.let(ty, f"phi {ty} {edges}")


def mangle(ty: str) -> str:
    """How intrinsics spell a type: `v4i32`, `f64`."""
    names = {"float": "f32", "double": "f64", "half": "f16"}
    element = names.get(element_type(ty), element_type(ty))
    return f"v{lanes_of(ty)}{element}" if ty.startswith("<") else element
