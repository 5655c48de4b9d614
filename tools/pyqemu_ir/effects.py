"""What an instruction reads, writes and may do, by its IR with fields filled in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pyqemu.translator.ir.function import Function, Op
from pyqemu.translator.ir.ops import Effect
from pyqemu.translator.passes.promote_state import registers_of
from pyqemu.translator.static import StaticExpr, evaluate

_MEMORY = {"load": "loads", "store": "stores", "cas": "compares and swaps", "rmw": "changes at once"}


@dataclass(slots=True)
class Effects:
    """Registers and flags by name; the rest in words. All is what *may* happen, on any way through it."""

    reads: list[str] = field(default_factory=list[str])
    writes: list[str] = field(default_factory=list[str])
    flags_read: list[str] = field(default_factory=list[str])
    flags_written: list[str] = field(default_factory=list[str])
    helpers: list[str] = field(default_factory=list[str])  # outlined functions; registers that they use are not above
    memory: list[str] = field(default_factory=list[str])
    control: list[str] = field(default_factory=list[str])
    exceptions: list[str] = field(default_factory=list[str])
    floating_point: bool = False


def effects_of(function: Function, flags: Iterable[str], here: int, outlined: Mapping[str, Function]) -> Effects:
    """The effects of a function without fields; `here` is the address of its instruction."""
    found = Effects()
    known = frozenset(flags)
    for block in function.blocks:
        for op in block.ops:
            _add(found, op, known, here)
    for kind in (found.reads, found.writes, found.flags_read, found.flags_written, found.control, found.exceptions):
        kind[:] = dict.fromkeys(kind)
    found.memory[:] = [f"{what}, {count} times" if count > 1 else what for what, count in Counter(found.memory).items()]
    called = [op.attrs["fn"] for block in function.blocks for op in block.ops if op.name == "call"]
    for name in dict.fromkeys(called):
        used = registers_of(outlined, [name])
        found.helpers.append(f"{name} (on {', '.join(used)})" if used else name)
    return found


def _add(found: Effects, op: Op, flags: frozenset[str], here: int) -> None:
    found.floating_point |= bool(op.spec.effects & Effect.FP)
    match op.name:
        case "read":
            (found.flags_read if op.attrs["reg"] in flags else found.reads).append(_register(op))
        case "write":
            (found.flags_written if op.attrs["reg"] in flags else found.writes).append(_register(op))
        case "load" | "store" | "cas" | "rmw":
            found.memory.append(_access(op))
        case "fence":
            found.memory.append(f"orders accesses ({op.attrs['order']})")
        case "isync":
            found.memory.append("sees changed code from the next instruction on")
        case "next":
            found.control.append("on to the next instruction")
        case "goto":
            found.control.append(f"to {_address(op.attrs['target'], here)}{_kind(op)}")
        case "goto_indirect":
            found.control.append(f"to a computed address{_kind(op)}")
        case "raise":
            found.exceptions.append(op.attrs["exception"])
        case _:
            pass


def _register(op: Op) -> str:
    index = op.attrs["index"]
    return op.attrs["reg"] if index is None else f"{op.attrs['reg']}[{index}]"


def _access(op: Op) -> str:
    moved = op.results[0] if op.results else op.operands[1]
    order = op.attrs.get("order", "plain")
    suffix = "" if order == "plain" else f", {order}"
    return f"{_MEMORY[op.name]} {moved.type.total // 8} bytes{suffix}"


def _address(target: StaticExpr, here: int) -> str:
    return f"{evaluate(target, {}, here):#x}"


def _kind(op: Op) -> str:
    kind = op.attrs["kind"]
    return "" if kind == "plain" else f" ({kind})"
