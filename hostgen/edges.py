"""Where a stencil hands a value over in a register: its last store to the CPU state and its first load from it.

Marks for the runtime, which leaves out the load where it follows a store to the same place (docs/pack.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from pyqemu.hostgen.host import Host
from pyqemu.hostgen.library import Compiled
from pyqemu.hostgen.pack_format import EdgeBit, RelocKind

_JUMP_FIELD = 4  # bytes of the last jump's field, with which the code ends


@dataclass(frozen=True, slots=True)
class Tail:
    """A store of 64 bits of host register `register`, last before the jump to NEXT. `field`, as in Lead, is where in
    the code a hole gives the place in the CPU state.
    """

    field: int
    register: int

    @property
    def bits(self) -> int:
        """StencilRec.tail."""
        return self.register | EdgeBit.EDGE


@dataclass(frozen=True, slots=True)
class Lead:
    """A load of `width` bits, as the first instruction, of `size` bytes. Narrowed: the next instruction reads no more
    of the register, and replaces it; with a `partner`, by combining it with the place that the hole there gives.
    """

    field: int
    register: int
    width: int
    size: int
    narrowed: bool
    partner: int | None

    def bits(self, commutes: bool) -> int:
        """StencilRec.lead; it `commutes` if the partner is where the runtime finds it."""
        flags = EdgeBit.EDGE if self.width == 32 else EdgeBit.EDGE | EdgeBit.WHOLE
        if self.narrowed:
            flags |= EdgeBit.NARROWED
        if commutes:
            flags |= EdgeBit.COMMUTES
        return self.register | flags


def find_tail(one: Compiled, host: Host) -> Tail | None:
    """Only if all ways end with the store: one NEXT, which is the last jump."""
    nexts = [r for r in one.relocs if r.kind is RelocKind.NEXT]
    if len(nexts) != 1 or not one.ends_with_next:
        return None
    store = host.last_store(one.code, len(one.code) - _JUMP_FIELD)
    return None if store is None or not _is_hole(one, store.field) else Tail(store.field, store.register)


def find_lead(one: Compiled, host: Host) -> Lead | None:
    """What the code starts with, if it is such a load."""
    load = host.first_load(one.code)
    if load is None or not _is_hole(one, load.field):
        return None
    partner = load.partner if load.partner is not None and _is_hole(one, load.partner) else None
    return Lead(load.field, load.register, load.width, load.size, load.narrowed, partner)


def _is_hole(one: Compiled, field: int) -> bool:
    """Whether a relocation gives the displacement at `field`."""
    return any(r.offset == field and r.kind is RelocKind.ABS32S for r in one.relocs)
