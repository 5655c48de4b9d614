"""How a stencil ends: falling through, direct and indirect exits, exceptions, synchronisation
(docs/pack.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pyqemu.hostgen.emit import CPU, LIKELY, MEM, Operand, constant, width_of
from pyqemu.hostgen.lower import Lowering
from pyqemu.hostgen.pack_format import CPU as MEMBERS
from pyqemu.hostgen.pack_format import (
    EXIT_KINDS,
    JUMP_CACHE_ENTRIES,
    JUMP_CACHE_OFFSET,
    Attribute,
    ExitReason,
)
from pyqemu.translator.errors import UnsupportedError
from pyqemu.translator.ir.function import Function, Op
from pyqemu.translator.ir.ops import OPS, Effect
from pyqemu.translator.static import Ctx, Here, StaticExpr, apply

_ACCESSES = Effect.LOADS | Effect.STORES
_FAULTING = {name for name, spec in OPS.items() if spec.effects & _ACCESSES} - {"fence", "isync"} | {"raise"}
_CONTEXT_BITS = 31  # of a variable that changes from instruction to instruction
_LEAVING = ("next", "goto", "goto_indirect")
SIGNATURE = "(ptr %mem, ptr %cpu)"
_MAX_EXITS = 2


@dataclass(frozen=True, slots=True)
class Exit:
    """A direct exit: where to, and which kind of jump it is."""

    target: StaticExpr
    kind: str


@dataclass(slots=True)
class Ends:
    """How a function's ends become exits; made by looking at all of them before any is lowered.

    `synced`: the runtime looks at the context after any of them, as if it were written; else after those in whose
    blocks it is, or code may have changed.
    """

    following: StaticExpr
    pc_shift: int
    exceptions: tuple[str, ...]
    synced: bool = False
    exits: list[Exit] = field(default_factory=list[Exit])
    attributes: Attribute = Attribute.NONE
    _syncing: set[int] = field(default_factory=set[int])  # by identity: ends after which the runtime looks

    def plan(self, function: Function) -> None:
        """Finds the direct exits and the attributes."""
        ops = [op for block in function.blocks for op in block.ops]
        names = {op.name for op in ops}
        if "ret" in names:
            self.attributes |= Attribute.GUARD | Attribute.FALLS_THROUGH
            return
        self._find_syncing(function)
        if self._syncing:
            self.attributes |= Attribute.SYNCS | Attribute.ENDS_BLOCK
        ends = [op for op in ops if op.name in _LEAVING and id(op) not in self._syncing]
        ways = {op.name for op in ends}
        if names & _FAULTING:
            self.attributes |= Attribute.FAULTS
        if "raise" in names:
            self.attributes |= Attribute.RAISES
        if "goto_indirect" in ways:
            self.attributes |= Attribute.INDIRECT
        if names & {"goto", "goto_indirect"} or not names & {"next", "goto"}:
            self.attributes |= Attribute.ENDS_BLOCK
        if not self.attributes & Attribute.ENDS_BLOCK:
            self.attributes |= Attribute.FALLS_THROUGH
        self._plan_exits(ends, ends_with_next="next" in ways)

    def _find_syncing(self, function: Function) -> None:
        """Ends in blocks with `isync` or `set_ctx`; all if one of these is in a block that goes on elsewhere."""
        everywhere = self.synced
        for block in function.blocks:
            if not any(op.name in ("isync", "set_ctx") for op in block.ops):
                continue
            if block.terminator.name in _LEAVING:
                self._syncing.add(id(block.terminator))
            else:
                everywhere = True
        if everywhere:
            self._syncing |= {id(block.terminator) for block in function.blocks if block.terminator.name in _LEAVING}

    def _plan_exits(self, ops: list[Op], *, ends_with_next: bool) -> None:
        for op in ops:
            if op.name == "goto":
                exit_ = Exit(op.attrs["target"], op.attrs.get("kind") or "plain")
                if exit_ not in self.exits:
                    self.exits.append(exit_)
        if ends_with_next and self.attributes & Attribute.ENDS_BLOCK:
            self.exits.append(Exit(self.following, "plain"))
            self.attributes |= Attribute.FALLS_BY_EXIT
        if len(self.exits) > _MAX_EXITS:  # further ones go by the jump cache
            self.attributes |= Attribute.INDIRECT
            self.exits = [self.exits[0], self.exits[-1]]

    # --- lowering ---

    def leave(self, f: Lowering, op: Op) -> None:
        """Lowers one terminator."""
        synced = id(op) in self._syncing
        match op.name:
            case "next" if synced:
                stop(f, ExitReason.SYNC, f.hole(self.following, "i64"))
            case "next" if self.attributes & Attribute.FALLS_THROUGH:
                tail_call(f, "NEXT")
            case "next":
                self._direct(f, Exit(self.following, "plain"))
            case "goto" if synced:
                stop(f, ExitReason.SYNC, f.hole(op.attrs["target"], "i64"))
            case "goto":
                self._direct(f, Exit(op.attrs["target"], op.attrs.get("kind") or "plain"))
            case "goto_indirect" if synced:
                stop(f, ExitReason.SYNC, f.args(op)[0])
            case "goto_indirect":
                indirect(f, f.args(op)[0], self.pc_shift)
            case "raise":
                if self.synced:  # what is stored is the next instruction's already
                    for place, name in enumerate(f.machine.context):
                        value = f.hole(Ctx(name, _CONTEXT_BITS), "i64")
                        f.e.store(value, f.e.at(CPU, MEMBERS["context"] + 8 * place), 8)
                raise_exception(f, op, self.exceptions, f.hole(Here(), "i64"))
            case "ret":
                _guard(f, f.args(op)[0])
            case _:
                raise UnsupportedError(f"{op.name!r} in an instruction")

    def _direct(self, f: Lowering, exit_: Exit) -> None:
        if exit_ in self.exits:
            tail_call(f, f"EXIT_{self.exits.index(exit_)}")
        else:
            indirect(f, f.hole(exit_.target, "i64"), self.pc_shift)

    def exit_kinds(self) -> list[int]:
        """StencilRec.exit_kind."""
        return [EXIT_KINDS[exit_.kind] for exit_ in self.exits]


def following(unit_bytes: int) -> StaticExpr:
    """The address of the next instruction."""
    return apply("add", Here(), unit_bytes)


def _guard(f: Lowering, holds: Operand) -> None:
    """The end of a guard: goes on with the stencil that follows, or skips it."""
    done, skipped = f.e.new_label(), f.e.new_label()
    f.e.branch(holds, done, skipped)
    f.e.begin(done)
    tail_call(f, "NEXT")
    f.e.begin(skipped)
    tail_call(f, "SKIP")


def tail_call(f: Lowering, symbol: str) -> None:
    """Goes on at code symbol NEXT, SKIP or EXIT_k."""
    f.e.module.declare(symbol, f"declare preserve_nonecc void @{symbol}(ptr, ptr)")
    f.e.do(f"musttail call preserve_nonecc void @{symbol}({MEM}, {CPU})")
    f.e.do("ret void")


def jump(f: Lowering, code: Operand) -> None:
    """Goes on at a host address. LLVM wants a tail call to have its caller's parameters, needed or not."""
    f.e.do(f"musttail call preserve_nonecc void {code.ref}({MEM}, {CPU}{f.spare_arguments})")
    f.e.do("ret void")


def stop(f: Lowering, reason: ExitReason, pc: Operand) -> None:
    """Leaves generated code with cpu->pc and cpu->exit_reason set."""
    e = f.e
    e.store(pc, e.at(CPU, MEMBERS["pc"]), 8)
    e.store(constant("i32", reason), e.at(CPU, MEMBERS["exit_reason"]), 4)
    e.do("ret void")


def raise_exception(f: Lowering, op: Op, exceptions: tuple[str, ...], pc: Operand) -> None:
    """Leaves generated code with an exception of the instruction at `pc`."""
    e = f.e
    for index, value in enumerate(f.args(op)):
        if width_of(value.type) > 64 or index >= 4:
            raise UnsupportedError("an exception with more than four arguments, or one of more than 64 bits")
        e.store(e.resize(value, "i64"), e.at(CPU, MEMBERS["exc_args"] + 8 * index), 8)
    e.store(constant("i32", exceptions.index(op.attrs["exception"])), e.at(CPU, MEMBERS["exception"]), 4)
    stop(f, ExitReason.EXCEPTION, pc)


def indirect(f: Lowering, target: Operand, pc_shift: int) -> None:
    """Looks `target` up in the jump cache and goes there, or leaves so that the runtime finds it."""
    e = f.e
    index = e.op("and", e.op("lshr", target, pc_shift) if pc_shift else target, JUMP_CACHE_ENTRIES - 1)
    entry = e.at(e.at(CPU, JUMP_CACHE_OFFSET), e.op("shl", index, 4))
    hit, miss = e.new_label(), e.new_label()
    e.branch(e.icmp("eq", e.load("i64", entry, 16), target), hit, miss, LIKELY)
    e.begin(hit)
    jump(f, e.load("ptr", e.at(entry, 8), 8))
    e.begin(miss)
    stop(f, ExitReason.LOOKUP, target)
