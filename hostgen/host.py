"""What hostgen asks of a host architecture; hosts/ has one module for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pyqemu.hostgen.emit import Emitter, Module, Operand
from pyqemu.hostgen.pack_format import RelocKind


@dataclass(frozen=True, slots=True)
class Level:
    """A set of host CPUs: LLVM's CPU and features, and what lowering may count on beyond them."""

    name: str
    cpu: str
    features: str
    #: "round" to integral values, "fma", "shuffle" of bytes, "shift" of vectors' lanes by different
    #: amounts, "clmul".
    has: frozenset[str]


@dataclass(frozen=True, slots=True)
class StateMove:
    """An instruction that moves `width` bits between register number `register` and the CPU state at an
    offset that lies as a displacement at `field` of the code; `size` is its length.
    """

    register: int
    width: int
    field: int
    size: int
    #: Of a load: the instruction after it reads and replaces the register, and only in this width.
    narrowed: bool = False
    #: Of a load: where the displacement of the instruction after it lies, if that combines the register with
    #: CPU state and the two operands may be exchanged.
    partner: int | None = None


@dataclass(frozen=True, slots=True)
class GuestAccess:
    """A load or store as inline assembly: LLVM's type of what it moves, its text ($0 is what is written, $1
    what is read) and the constraint of the operand that is not memory.
    """

    type: str
    text: str
    constraint: str


@dataclass(frozen=True, slots=True)
class HostInstruction:
    """An instruction of code, for people: where it is, its bytes' number, and its text.

    `target`: the offset in the code that it leads to or prepares to go to, if it has one; then the text ends in
    `operand`, which names it. `state`: the offset into the CPU state that it reads or writes, if it is a constant.
    """

    offset: int
    size: int
    text: str
    goes_on: bool
    target: int | None = None
    operand: str = ""
    state: int | None = None

    @property
    def end(self) -> int:
        """The offset behind it."""
        return self.offset + self.size


class Host(Protocol):
    """One host architecture at one level."""

    @property
    def triple(self) -> str: ...

    @property
    def level(self) -> Level: ...

    @property
    def elf_machine(self) -> int:
        """e_machine of the host's ELF files."""
        ...

    @property
    def jump_bytes(self) -> int:
        """Length of an unconditional jump, with whose address field it ends."""
        ...

    def reloc_kind(self, number: int) -> RelocKind | None:
        """What an object's relocation means in a stencil; None if it is to an address (rel32)."""
        ...

    def turn_branch(self, code: bytes, near: int, far: int) -> bytes | None:
        """If code ends in a conditional and then an unconditional jump whose address fields are at `near`
        and `far`: the code with the condition inverted, for the fields' contents to be exchanged. Else
        None.
        """
        ...

    def last_store(self, code: bytes, next_field: int) -> StateMove | None:
        """The 64-bit store to the CPU state that comes just before the last jump, whose field is at
        `next_field`, if no other way leads to that jump.
        """
        ...

    def first_load(self, code: bytes) -> StateMove | None:
        """The 32- or 64-bit load from the CPU state that the code starts with, if nothing jumps to it or to
        the instruction after it.
        """
        ...

    def elf_reloc(self, kind: RelocKind) -> int:
        """The object file's relocation type for a kind."""
        ...

    def fp_flags(self, e: Emitter) -> Operand:
        """Sticky flags (i8, as in the `fp_flags` operation) that the host's status register holds."""
        ...

    def fp_set_flags(self, e: Emitter, flags: Operand) -> None:
        """Sets them."""
        ...

    def fp_raise(self, e: Emitter, flags: Operand) -> None:
        """Ors into them."""
        ...

    def fp_set_mode(self, e: Emitter, mode: Operand) -> None:
        """Rounding mode (i8: 0 nearest-even 1 up 2 down 3 zero)."""
        ...

    def fp_mode(self, e: Emitter) -> Operand:
        """The rounding mode as i8."""
        ...

    def byte_shuffle(self, e: Emitter, table: Operand, index: Operand) -> Operand:
        """<16 x i8>: table[index & 15], or 0 where the index's top bit is set; needs "shuffle"."""
        ...

    def carryless_multiply(self, e: Emitter, a: Operand, b: Operand) -> Operand:
        """<2 x i64>: product of the low elements of two <2 x i64>; needs "clmul"."""
        ...

    def shift_by_hole(self, e: Emitter, op: str, a: Operand, symbol: str) -> Operand | None:
        """`a` shifted (shl lshr ashr rotr) by hole `symbol`, less than a's width; None if nothing is won."""
        ...

    def guest_access(self, bits: int, *, vector: bool, store: bool) -> GuestAccess | None:
        """The instruction that loads or stores `bits`, by a general or a vector register; None if there is
        none.
        """
        ...

    def jump_inside(self, here: int, inside: int, start: int) -> bytes:
        """Code at offset `here` that enters the function at `start` with `inside` as its third argument."""
        ...

    def define_entry(self, module: Module) -> None:
        """Adds `enter` (docs/pack.md) to the module."""
        ...

    def disassemble(self, code: bytes, offset: int) -> HostInstruction | None:
        """The instruction at an offset of `code`, which lies at address 0; None if there is none."""
        ...
