"""What the rest of pyqemu sees of an architecture: plain data and a few functions.

`translator.adl` makes a `Target` from a description; the pack writer, the interpreter's driver, the
region lifter and the tests take it from here, and know nothing of the language it was written in.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pyqemu.translator.ir.function import Function
from pyqemu.translator.static import StaticExpr, evaluate


@dataclass(frozen=True, slots=True)
class Unit:
    """A code unit of `width` bits. It is made of pieces of `piece` bits, mostly of one: the first one on top, each
    aligned and with its bytes in `order` ('le' or 'be').
    """

    name: str
    width: int
    order: str
    piece: int

    @property
    def size(self) -> int:
        """Its bytes."""
        return self.width // 8

    def bit_of(self, byte: int) -> int:
        """The lowest of the word's bits that byte number `byte` in memory has."""
        number, within = divmod(byte, self.piece // 8)
        top = self.width - number * self.piece
        return top - 8 - 8 * within if self.order == "be" else top - self.piece + 8 * within

    def word_of(self, code: bytes) -> int:
        """The word that as many bytes are."""
        if self.piece == self.width:
            return int.from_bytes(code, "little" if self.order == "le" else "big")
        return sum(value << self.bit_of(byte) for byte, value in enumerate(code))

    def code_of(self, word: int) -> bytes:
        """The bytes of a word in memory."""
        return bytes(word >> self.bit_of(byte) & 0xFF for byte in range(self.size))


def alignment(units: Sequence[Unit]) -> int:
    """What addresses of instructions are multiples of, in bytes."""
    return min(unit.piece for unit in units) // 8


@dataclass(frozen=True, slots=True)
class Register:
    """Canonical storage: a file of `count` elements of `width` bits, or one register (`is_file` false).

    Flags are registers of width 1. `has_zero` says that some view of the file has a zero index, so that the
    state needs an element that reads 0 and one that takes dropped writes.
    """

    name: str
    width: int
    count: int
    is_file: bool
    is_flag: bool
    has_zero: bool


@dataclass(frozen=True, slots=True)
class ContextVariable:
    """`follows` is its value for the next instruction, over context variables, where the encoding says nothing else."""

    name: str
    width: int
    follows: StaticExpr | None = None


@dataclass(frozen=True, slots=True)
class ExceptionKind:
    """A guest exception; its number is its place in `Target.exceptions`."""

    name: str
    argument_widths: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CpuModel:
    name: str
    features: frozenset[str]
    resets: tuple[tuple[str, int | None, int], ...]  # register, index, value


@dataclass(frozen=True, slots=True)
class FieldSlice:
    """`width` bits of the word from bit `source` are bits `target` … of the field."""

    source: int
    width: int
    target: int


@dataclass(frozen=True, slots=True)
class EncodingField:
    name: str
    width: int
    signed: bool
    slices: tuple[FieldSlice, ...]

    def extract(self, word: int) -> int:
        """The field's value in `word`, sign-extended if it is signed."""
        value = 0
        for piece in self.slices:
            value |= ((word >> piece.source) & ((1 << piece.width) - 1)) << piece.target
        if self.signed and value >> (self.width - 1):
            value -= 1 << self.width
        return value

    def insert(self, value: int) -> int:
        """The word's bits that give the field this value; bits beyond its width are dropped."""
        return sum((value >> piece.target & ((1 << piece.width) - 1)) << piece.source for piece in self.slices)


@dataclass(frozen=True, slots=True)
class Encoding:
    """One encoding of one instruction; `number` is its place in `Target.encodings`.

    A word belongs to it if `word & mask == value` and `guard` (1 if there is none) is nonzero for its fields.
    `should_mask`/`should_value` are should-be bits: a word that differs is UNPREDICTABLE. `next`: context variables
    that have other values for what is done after it, over its fields and the context that it is decoded in (see
    `following`). `guarded`: whether it is done depends on the state, as `Target.guard` says or its shapes do.
    """

    number: int
    name: str
    instruction: str
    reference: str
    unit: Unit
    mask: int
    value: int
    should_mask: int
    should_value: int
    fields: tuple[EncodingField, ...]
    guard: StaticExpr
    features: frozenset[str]
    next: tuple[tuple[str, StaticExpr], ...] = ()
    guarded: bool = False

    def fields_of(self, word: int) -> dict[str, int]:
        """The values of all fields in `word`."""
        return {field.name: field.extract(word) for field in self.fields}

    def word_of(self, fields: Mapping[str, int]) -> int:
        """The word with these values of all fields, should-be bits as they should be and 0 in ignored ones."""
        return self.value | self.should_value | sum(field.insert(fields[field.name]) for field in self.fields)


@dataclass(frozen=True, slots=True)
class CodeWord:
    """A word of code, its unit, and the encoding that it belongs to."""

    word: int
    unit: Unit
    encoding: Encoding

    def code(self) -> bytes:
        """Its bytes in memory."""
        return self.unit.code_of(self.word)


@dataclass(frozen=True, slots=True)
class DecodeLeaf:
    """Candidates in the order to be tried; the first whose mask, value and guard match is the instruction."""

    candidates: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DecodeBranch:
    """Child (word >> shift) & (2^bits - 1)."""

    shift: int
    bits: int
    children: tuple[DecodeTree, ...]


DecodeTree = DecodeLeaf | DecodeBranch


@dataclass(frozen=True, slots=True)
class Undefined:
    """This shape is UNDEFINED."""


@dataclass(frozen=True, slots=True)
class ShapeLeaf:
    """The instruction's meaning for one shape: IR with holes. `label` tells shapes apart: `sf=1,S=0`."""

    label: str
    function: Function


@dataclass(frozen=True, slots=True)
class ShapeChoice:
    """Child for each value that `expr` can have; any other value is UNDEFINED."""

    expr: StaticExpr
    children: Mapping[int, ShapeTree]


ShapeTree = Undefined | ShapeLeaf | ShapeChoice

#: The way from a shape tree's root to a leaf: what was decided how.
Decisions = Sequence[tuple[StaticExpr, int]]


def reach(
    tree: ShapeTree, fields: Mapping[str, int], context: Mapping[str, int]
) -> tuple[Decisions, ShapeLeaf] | None:
    """The shape of an instruction with these fields, and what was decided on the way; None if it is UNDEFINED."""
    decisions: list[tuple[StaticExpr, int]] = []
    while isinstance(tree, ShapeChoice):
        value = evaluate(tree.expr, fields, 0, context)
        decisions.append((tree.expr, value))
        tree = tree.children.get(value, Undefined())
    return (tuple(decisions), tree) if isinstance(tree, ShapeLeaf) else None


def following(
    variables: Sequence[ContextVariable],
    encoding: Encoding,
    fields: Mapping[str, int],
    context: Mapping[str, int],
    *,
    falls: bool,
) -> dict[str, int]:
    """The variables that an instruction's context decides for the instruction after it.

    `falls`: it ended in `next`. If it is guarded that may be because it was not done; then `next` has no say.
    """
    values = {v.name: v.follows for v in variables if v.follows is not None}
    if not (falls and encoding.guarded):
        values |= dict(encoding.next)
    return {name: evaluate(value, fields, 0, context) for name, value in values.items()}


#: What stands before the names of the second instruction's fields in fused code.
SECOND = "b."


class Target(Protocol):
    """An architecture. Lists are in the order of their numbers."""

    name: str
    units: tuple[Unit, ...]
    registers: tuple[Register, ...]
    context: tuple[ContextVariable, ...]
    exceptions: tuple[ExceptionKind, ...]
    cpus: tuple[CpuModel, ...]
    features: tuple[str, ...]
    encodings: tuple[Encoding, ...]
    roots: Mapping[str, DecodeTree]  # by unit name
    address_width: int
    coherent_icache: bool
    tininess_before: bool
    undefined_exception: int

    def decode(self, word: int, unit: str, context: Mapping[str, int]) -> Encoding | None:
        """The encoding that `word` belongs to, or None."""
        ...

    def shapes(self, encoding: Encoding) -> ShapeTree:
        """All shapes of an encoding, as IR with holes; what they do, they do if `guard` holds."""
        ...

    def guard(self, encoding: Encoding) -> ShapeTree | None:
        """The shapes of an encoding's guard: functions that give i1. Where it is 0 the next instruction follows, and
        nothing else happens. None if there is no guard, or if it is part of `shapes`.
        """
        ...

    def fuse(
        self, first: Encoding, first_shape: Decisions, second: Encoding, second_shape: Decisions
    ) -> Function | None:
        """IR of two neighbouring instructions, or None; the second's fields are called `b.NAME` (SECOND)."""
        ...

    def fuse_guard(
        self, first: Encoding, first_shape: Decisions, second: Encoding, guard_shape: Decisions
    ) -> Function | None:
        """IR of an instruction and of the guard (of that shape) of the one after it, which it gives; or None."""
        ...

    def lift(self, encoding: Encoding, fields: Mapping[str, int], context: Mapping[str, int]) -> Function | Undefined:
        """IR of one instruction with its fields filled in (only `here` is left symbolic)."""
        ...

    def functions(self) -> Mapping[str, Function]:
        """Outlined functions made so far, by the name that `call` uses."""
        ...

    def disassemble(self, encoding: Encoding, fields: Mapping[str, int], here: int) -> str:
        """Assembly text."""
        ...

    def assemble(
        self,
        text: str,
        here: int = 0,
        context: Mapping[str, int] | None = None,
        features: Collection[str] | None = None,
    ) -> tuple[CodeWord, ...]:
        """All words that print as `text` at guest address `here`, the one to write first; raises AssemblyError.

        Blanks, upper case and the style of numbers do not matter. No word is UNDEFINED in `context` (what is not in
        it is 0). With `features` no encoding counts that needs others.
        """
        ...

    def unpredictable(self, encoding: Encoding, word: int) -> bool:
        """Whether `word` is UNPREDICTABLE (`unpred` conditions, should-be bits)."""
        ...
