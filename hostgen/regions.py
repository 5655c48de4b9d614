"""Regions to LLVM functions (docs/archive.md): their entries, exits through the table, polls and exceptions.

Guest accesses and what a fault shows are region_access's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pyqemu.hostgen.emit import CPU, FLOATS, MEM, Emitter, Module, Operand, constant, width_of
from pyqemu.hostgen.lower import Lowering, Machine, touches_fp
from pyqemu.hostgen.lower_exit import indirect, jump, raise_exception, stop
from pyqemu.hostgen.module_address import address, known_offset
from pyqemu.hostgen.pack_format import CPU as MEMBERS
from pyqemu.hostgen.pack_format import EXIT_KINDS, ExitReason
from pyqemu.hostgen.region_access import Accesses
from pyqemu.translator.errors import UnsupportedError
from pyqemu.translator.ir.function import Block, Op, Value
from pyqemu.translator.lift.region import Region
from pyqemu.translator.static import Apply, StaticExpr

#: The section of an object that lists addresses of entries, if there are several.
ENTRIES = ".pq.entry"
#: The symbol of the table's elements for this region's exits.
EXITS = "exits"
#: Operations that regions lower in their own way, or take note of.
_OWN = frozenset({"at", "poll", "dispatch", "load", "store", "set_ctx"})
_SIGNATURE = "(ptr %mem, ptr %cpu, ptr %inside)"
_INSIDE = Operand("ptr", "%inside")


@dataclass(frozen=True, slots=True)
class Exit:
    """A direct exit: module offset and kind (EXIT_KINDS)."""

    target: int
    kind: int


@dataclass(frozen=True, slots=True)
class RegionText:
    """A region as LLVM text: its function without `define` and name, and what that needs around it.

    `entries` are labels inside, if there are several ways in.
    """

    region: Region
    body: str
    module: Module
    exits: tuple[Exit, ...]
    entries: tuple[str, ...]


def region_text(region: Region, machine: Machine, *, zero_membase: bool) -> RegionText:
    """Lowers a region. `zero_membase`: guest addresses are the host's. Raises UnsupportedError."""
    frame = RegionFrame(machine)
    accesses = Accesses(region, Operand("ptr", "null") if zero_membase else MEM)
    lowering = RegionLowering(machine, frame, accesses)
    lines = lowering.lower(region.function, [])
    strict = "strictfp " if touches_fp(region.function) else ""
    attributes = f'nounwind null_pointer_is_valid {strict}"no-builtins" "no-jump-tables"="true"'
    body = "\n".join([f"{_SIGNATURE} {attributes} {{", *lines, "}"])
    return RegionText(region, body, lowering.e.module, tuple(frame.exits), tuple(lowering.entries))


@dataclass(slots=True)
class RegionFrame:
    """Addresses and ends of a region; see `lower.Frame`."""

    machine: Machine
    exits: dict[Exit, int] = field(default_factory=dict[Exit, int])
    in_other_context: bool = False  # the block has changed the context, for the end that it comes to

    def hole(self, f: Lowering, expr: StaticExpr, ty: str) -> Operand:
        """Decode-time `expr` as a value of integer type `ty`; only addresses are left open in regions."""
        if isinstance(expr, int):
            return constant(ty, expr)
        if isinstance(expr, Apply) and expr.op == "bits" and expr.args[1] == width_of(ty):
            expr = expr.args[0]
        return f.e.resize(address(f, expr), ty)

    def leave(self, f: Lowering, op: Op) -> None:
        """An end of the region."""
        changed, self.in_other_context = self.in_other_context, False
        match op.name:
            case "goto" | "leave" if changed:
                stop(f, ExitReason.SYNC, address(f, op.attrs["target"]))
            case "goto_indirect" if changed:
                stop(f, ExitReason.SYNC, f.args(op)[0])
            case "goto":
                self._goto(f, op)
            case "goto_indirect":
                indirect(f, f.args(op)[0], self.machine.pc_shift)
            case "leave":
                stop(f, ExitReason.LOOKUP, address(f, op.attrs["target"]))
            case "raise":
                raise_exception(f, op, self.machine.exceptions, address(f, op.attrs["pc"]))
            case _:
                raise UnsupportedError(f"{op.name!r} in a region")

    def _goto(self, f: Lowering, op: Op) -> None:
        target = known_offset(op.attrs["target"])
        number = self.exits.setdefault(Exit(target, EXIT_KINDS[op.attrs["kind"]]), len(self.exits))
        f.e.module.declare(EXITS, f"@{EXITS} = external hidden global [0 x ptr]")
        place = Operand("ptr", f"getelementptr ([0 x ptr], ptr @{EXITS}, i64 0, i64 {number})")
        jump(f, f.e.load("ptr", place, 8))


class RegionLowering(Lowering):
    """The lowering of one region: the table of operations, and those that only regions have."""

    keeps_floats = True

    def __init__(self, machine: Machine, frame: RegionFrame, accesses: Accesses) -> None:
        super().__init__(Emitter(Module(machine.host.triple)), machine, frame)
        self._frame = frame
        self._accesses = accesses
        self.entries: list[str] = []
        self.spare_arguments = ", ptr poison"

    def lower_op(self, op: Op) -> None:
        """One operation; what only landings need is left to them."""
        if self._accesses.is_deferred(op):
            return
        if op.name not in _OWN:
            super().lower_op(op)
            return
        match op.name:
            case "at":
                self._accesses.point = op
            case "poll":
                poll = self.e.let("i32", f"load volatile i32, {self.e.at(CPU, MEMBERS['poll'])}, align 4")
                self.bind(op, self.e.icmp("ne", poll, 0))
            case "dispatch":
                self._dispatch(op)
            case "load":
                self._accesses.load(self, op)
            case "store":
                self._accesses.store(self, op)
            case _:
                self._frame.in_other_context = True
                super().lower_op(op)

    def state(self, offset: Operand) -> Operand:
        """Made once in the function: many landings use the same ones, and LLVM has less to look at."""
        return self.e.early("ptr", f"getelementptr i8, {CPU}, {offset}")

    def float_of(self, argument: Value) -> str:
        """What is only copied is kept where more room is."""
        kept = argument in self._accesses.copied or argument in self._accesses.floats
        return FLOATS[argument.type.width] if kept else super().float_of(argument)

    def end(self) -> None:
        """Landings come last."""
        self._accesses.landings(self)

    def is_cold(self, block: Block) -> bool:
        """Exceptions and polls are rare; what is outlined behind a branch is outlined for being rare."""
        outlined = any(op.name == "call" for op in block.ops) and block.terminator.name == "jump"
        return outlined or block.terminator.name == "leave" or super().is_cold(block)

    def _dispatch(self, op: Op) -> None:
        """A sole entry is the function's start; of several, the caller gives the address inside."""
        labels = [self.label(edge.block) for edge in op.successors]
        for edge in op.successors:
            self.edge(edge.block, [])
        if len(labels) == 1:
            self.e.jump(labels[0])
            return
        self.entries = labels
        self.e.do(f"indirectbr {_INSIDE}, [{', '.join(f'label %{label}' for label in labels)}]")
