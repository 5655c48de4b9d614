"""The stencils that the runtime uses by itself: block heads, exit stubs, undefined instructions
(docs/pack.md).
"""

from __future__ import annotations

from pyqemu.hostgen.emit import CPU, UNLIKELY, Emitter, Module, constant
from pyqemu.hostgen.lower import Lowering, Machine
from pyqemu.hostgen.lower_exit import SIGNATURE, Ends, stop, tail_call
from pyqemu.hostgen.pack_format import CPU as MEMBERS
from pyqemu.hostgen.pack_format import Attribute, ExitReason
from pyqemu.hostgen.program import Program
from pyqemu.hostgen.stencils import Stencil, StencilFrame
from pyqemu.translator.static import Here

#: In the order of PackHeader's members.
NAMES = ("head_poll", "head_none", "exit_direct", "exit_here", "undefined")


def make_fixed(name: str, machine: Machine, undefined_exception: int) -> Stencil:
    """The stencil `name`. Its only value is number 0, which is `here`."""
    module = Module(machine.host.triple)
    ends = Ends(0, machine.pc_shift, machine.exceptions)
    frame = StencilFrame(Program((), machine.context), ends)
    e = Emitter(module)
    f = Lowering(e, machine, frame)
    e.begin("entry")
    exits: tuple[int, ...] = ()
    attributes = Attribute.ENDS_BLOCK
    match name:
        case "head_poll":
            poll = e.let("i32", f"load atomic i32, {e.at(CPU, MEMBERS['poll'])} monotonic, align 4")
            leave, stay = e.new_label(), e.new_label()
            e.branch(e.icmp("ne", poll, 0), leave, stay, UNLIKELY)
            e.begin(leave)
            tail_call(f, "EXIT_0")
            e.begin(stay)
            tail_call(f, "NEXT")
            exits, attributes = (0,), Attribute.FALLS_THROUGH
        case "head_none":
            tail_call(f, "NEXT")
            attributes = Attribute.FALLS_THROUGH
        case "exit_direct":
            e.store(f.hole(Here(), "i64"), e.at(CPU, MEMBERS["exit_slot"]), 8)
            e.store(constant("i32", ExitReason.DIRECT), e.at(CPU, MEMBERS["exit_reason"]), 4)
            e.do("ret void")
        case "exit_here":
            stop(f, ExitReason.LOOKUP, f.hole(Here(), "i64"))
        case _:
            e.store(constant("i32", undefined_exception), e.at(CPU, MEMBERS["exception"]), 4)
            stop(f, ExitReason.EXCEPTION, f.hole(Here(), "i64"))
            attributes |= Attribute.FAULTS
    body = "\n".join([f'{SIGNATURE} nounwind "no-builtins" {{', *e.finish(), "}"])
    return Stencil(name, body, frame.program, attributes, exits, (0,) * len(exits), 0, 0, module)
