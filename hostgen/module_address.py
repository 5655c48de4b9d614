"""Guest addresses in regions: where the module begins, plus an offset."""

from __future__ import annotations

from pyqemu.hostgen.emit import Operand
from pyqemu.hostgen.lower import Lowering
from pyqemu.translator.errors import UnsupportedError
from pyqemu.translator.static import Apply, Here, StaticExpr

#: The symbol of the table's element 0, which holds the address where the module begins.
ORIGIN = "origin"
#: The module begins at a multiple of this in guest memory.
_ALIGN = 4096


def offset_of(expr: StaticExpr) -> int | None:
    """k if `expr` is where the module begins plus k; None if it is not of that form."""
    match expr:
        case Here():
            return 0
        case Apply("add", (inner, int(k))):
            base = offset_of(inner)
            return None if base is None else base + k
        case Apply("bits" | "sbits", (inner, int(width))) if width >= 64:
            return offset_of(inner)
        case Apply("and", (inner, int(mask))) if mask < 0 and ~mask & -mask == 0 and -mask <= _ALIGN:
            base = offset_of(inner)
            return None if base is None else base & mask
        case Apply("or", (inner, int(marks))) if 0 <= marks < _ALIGN:
            base = offset_of(inner)
            return None if base is None else base | marks
        case _:
            return None


def known_offset(expr: StaticExpr) -> int:
    """As offset_of; UnsupportedError if the address is not of that form."""
    offset = offset_of(expr)
    if offset is None:
        raise UnsupportedError(f"a decode-time value that is no address: {expr}")
    return offset


def origin(f: Lowering) -> Operand:
    """Where the module begins (i64)."""
    f.e.module.declare(ORIGIN, f"@{ORIGIN} = external hidden global i64")
    return f.e.let("i64", f"load i64, ptr @{ORIGIN}, align 8, !invariant.load !{{}}")


def address(f: Lowering, expr: StaticExpr) -> Operand:
    """The address (i64) that `expr` is."""
    return f.e.op("add", origin(f), known_offset(expr))
