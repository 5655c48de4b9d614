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
    """A store of 64 bits of host register `register`, last before the jump to NEXT. `reloc`, as in Lead, is the
    number of the relocation that gives the place in the CPU state.
    """

    reloc: int
    register: int

    @property
    def bits(self) -> int:
        """StencilRec.tail."""
        return self.register | EdgeBit.EDGE


@dataclass(frozen=True, slots=True)
class Lead:
    """A load of `width` bits, as the first instruction, of `size` bytes. Narrowed: the next instruction reads no more
    of the register, and replaces it; with a `partner`, by combining it with the place that this relocation gives.
    """

    reloc: int
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
    hole = None if store is None else _offset_hole(one, store.field)
    return None if store is None or hole is None else Tail(hole, store.register)


def find_lead(one: Compiled, host: Host) -> Lead | None:
    """What the code starts with, if it is such a load."""
    load = host.first_load(one.code)
    hole = None if load is None else _offset_hole(one, load.field)
    if load is None or hole is None:
        return None
    partner = None if load.partner is None else _offset_hole(one, load.partner)
    return Lead(hole, load.register, load.width, load.size, load.narrowed, partner)


def _offset_hole(one: Compiled, place: int) -> int | None:
    """Number of the relocation that gives a displacement at `place`."""
    found = (n for n, r in enumerate(one.relocs) if r.offset == place and r.kind is RelocKind.ABS32S)
    return next(found, None)
