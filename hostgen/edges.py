"""Where a stencil hands a value over in a register: its last store to the CPU state and its first load from it.

Marks for the runtime, which leaves out the load where it follows a store to the same place (docs/pack.md).
"""

from __future__ import annotations

from pyqemu.hostgen.host import Host
from pyqemu.hostgen.library import Compiled
from pyqemu.hostgen.pack_format import LeadFlag, RelocKind

_JUMP_FIELD = 4  # bytes of the last jump's field, with which the code ends


def edge_members(one: Compiled, host: Host) -> dict[str, int]:
    """The members of StencilRec that say it; a width of 0 (not given) means that there is none. Beside them
    `tail_reloc` and `lead_reloc`; these and `lead_partner` are numbers of the stencil's relocations.
    """
    return _tail(one, host) | _lead(one, host)


def _offset_hole(one: Compiled, place: int) -> int | None:
    """Number of the relocation that gives a displacement at `place`."""
    found = (n for n, r in enumerate(one.relocs) if r.offset == place and r.kind is RelocKind.ABS32S)
    return next(found, None)


def _tail(one: Compiled, host: Host) -> dict[str, int]:
    """Only if all ways end with the store: one NEXT, which is the last jump."""
    nexts = [r for r in one.relocs if r.kind is RelocKind.NEXT]
    if len(nexts) != 1 or not one.ends_with_next:
        return {}
    store = host.last_store(one.code, len(one.code) - _JUMP_FIELD)
    hole = None if store is None else _offset_hole(one, store.field)
    if store is None or hole is None:
        return {}
    return {"tail_reloc": hole, "tail_reg": store.register, "tail_width": store.width}


def _lead(one: Compiled, host: Host) -> dict[str, int]:
    load = host.first_load(one.code)
    hole = None if load is None else _offset_hole(one, load.field)
    if load is None or hole is None:
        return {}
    flags = LeadFlag.NONE
    partner: dict[str, int] = {}
    if load.narrowed:
        flags |= LeadFlag.NARROWED
    other = None if load.partner is None else _offset_hole(one, load.partner)
    if other is not None:
        flags, partner = flags | LeadFlag.COMMUTES, {"lead_partner": other}
    return {
        "lead_reloc": hole, "lead_reg": load.register, "lead_width": load.width,
        "lead_bytes": load.size, "lead_flags": flags, **partner,
    }  # fmt: skip
