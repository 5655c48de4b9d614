"""The stencils that the runtime uses by itself: block heads, exit stubs, undefined instructions; and what
stubs have in common, which is part of the image (docs/pack.md).
"""

from __future__ import annotations

from pyqemu.hostgen.emit import CPU, MEM, UNLIKELY, Emitter, Module, Operand, constant
from pyqemu.hostgen.lower import Lowering, Machine
from pyqemu.hostgen.lower_exit import SIGNATURE, Ends, stop, tail_call
from pyqemu.hostgen.pack_format import CPU as MEMBERS
from pyqemu.hostgen.pack_format import Attribute, ExitReason
from pyqemu.hostgen.program import Program
from pyqemu.hostgen.stencils import Stencil, StencilFrame
from pyqemu.translator.static import Here, apply

#: Members of PackHeader.
NAMES = (
    "head_poll", "head_none", "exit_direct", "exit_head", "undefined", "head_count", "count_down",
)  # fmt: skip

#: Functions of the image: leave generated code with a number and the reason.
LEAVES = {"leave.direct": ExitReason.DIRECT, "leave.head": ExitReason.HEAD}
_NUMBERED = "(ptr %mem, ptr %cpu, i32 %number)"


def define_leave(symbol: str, module: Module) -> None:
    """Adds a function of LEAVES to the module: stores its third argument in `cpu->exit_slot`."""
    e = Emitter(module)
    e.begin("entry")
    e.store(e.resize(Operand("i32", "%number"), "i64"), e.at(CPU, MEMBERS["exit_slot"]), 8)
    e.store(constant("i32", LEAVES[symbol]), e.at(CPU, MEMBERS["exit_reason"]), 4)
    e.do("ret void")
    head = f'define hidden preserve_nonecc void @"{symbol}"{_NUMBERED} nounwind "no-builtins" {{'
    module.functions.append("\n".join([head, *e.finish(), "}"]))


def make_fixed(name: str, machine: Machine, undefined_exception: int) -> Stencil:
    """The stencil `name`. Its only value is `here`, or the low half of that."""
    module = Module(machine.host.triple)
    ends = Ends(0, machine.pc_shift, machine.exceptions)
    frame = StencilFrame(Program((), machine.context), ends)
    e = Emitter(module)
    f = Lowering(e, machine, frame)
    e.begin("entry")
    exits: tuple[int, ...] = ()
    attributes = Attribute.ENDS_BLOCK
    signature = SIGNATURE
    match name:
        case "head_poll":
            _leave_if_polled(f)
            tail_call(f, "NEXT")
            exits, attributes = (0,), Attribute.FALLS_THROUGH
        case "head_count":
            _leave_if_polled(f)
            place = e.at(CPU, MEMBERS["retired"])
            retired = e.let("i64", f"load i64, {place}, align 8")
            e.store(e.op("add", retired, f.hole(Here(), "i64")), place, 8)
            tail_call(f, "NEXT")
            exits, attributes = (0,), Attribute.FALLS_THROUGH
        case "count_down":
            _leave_if_counted_down(f)
            tail_call(f, "NEXT")
            exits, attributes = (0,), Attribute.FALLS_THROUGH
        case "head_none":
            tail_call(f, "NEXT")
            attributes = Attribute.FALLS_THROUGH
        case "exit_direct" | "exit_head":
            signature = _NUMBERED
            _leave_with_number(f, name.replace("exit_", "leave."))
        case _:
            e.store(constant("i32", undefined_exception), e.at(CPU, MEMBERS["exception"]), 4)
            stop(f, ExitReason.EXCEPTION, f.hole(Here(), "i64"))
            attributes |= Attribute.FAULTS | Attribute.RAISES
    body = "\n".join([f'{signature} nounwind "no-builtins" {{', *e.finish(), "}"])
    return Stencil(name, body, frame.program, attributes, exits, (0,) * len(exits), 0, 0, module)


def _leave_with_number(f: Lowering, symbol: str) -> None:
    """To a function of LEAVES, with 32 bits of the value. As each exit has a copy of it, it is short."""
    number = f.hole(apply("bits", Here(), 32), "i32")
    f.e.module.declare(symbol, f'declare hidden preserve_nonecc void @"{symbol}"(ptr, ptr, i32)')
    f.e.do(f'musttail call preserve_nonecc void @"{symbol}"({MEM}, {CPU}, {number})')
    f.e.do("ret void")


def _leave_if_polled(f: Lowering) -> None:
    """To EXIT_0 if the runtime wants the thread."""
    e = f.e
    poll = e.let("i32", f"load atomic i32, {e.at(CPU, MEMBERS['poll'])} monotonic, align 4")
    _leave_if(f, e.icmp("ne", poll, 0), "EXIT_0")


def _leave_if_counted_down(f: Lowering) -> None:
    """Takes 1 from the 32-bit counter whose address the hole is; to EXIT_0 when it becomes 0.

    Threads may lose each other's counts: it is a measure only.
    """
    e = f.e
    place = e.let("ptr", f"inttoptr {f.hole(Here(), 'i64')} to ptr")
    left = e.op("sub", e.let("i32", f"load atomic i32, {place} monotonic, align 4"), 1)
    e.do(f"store atomic {left}, {place} monotonic, align 4")
    _leave_if(f, e.icmp("eq", left, 0), "EXIT_0")


def _leave_if(f: Lowering, condition: Operand, way: str) -> None:
    leave, stay = f.e.new_label(), f.e.new_label()
    f.e.branch(condition, leave, stay, UNLIKELY)
    f.e.begin(leave)
    tail_call(f, way)
    f.e.begin(stay)
