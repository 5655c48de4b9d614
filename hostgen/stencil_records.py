"""`.pq.stencil`, `.pq.hole`, `.pq.reloc` and `.pq.fuse`: stencils as the runtime copies them.

A compiled stencil becomes a record for each way in which instructions' fields fill its holes; it is cut to what
the runtime copies, and each exit is given its way out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pyqemu.hostgen import pack_format as rec
from pyqemu.hostgen.edges import Lead, Tail, find_lead, find_tail
from pyqemu.hostgen.form_tables import FormTables
from pyqemu.hostgen.holes import filler, quick_hole
from pyqemu.hostgen.host import Host
from pyqemu.hostgen.library import Compiled, Reloc
from pyqemu.hostgen.pack_format import Attribute, ExitWay, RelocKind
from pyqemu.hostgen.program import Program
from pyqemu.hostgen.value_form import Fields

_FIELD = 4  # bytes of a jump's address field
#: Relocations that are not filled with values.
_TO_CODE = (RelocKind.NEXT, RelocKind.EXIT, RelocKind.IMAGE, RelocKind.SKIP)
_ALL_FLAGS = 0xFFFFFFFF


_Member = int | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Filling:
    """Where the values of one instruction of a stencil come from."""

    program: Program
    fields: Fields

    def form(self, forms: FormTables, value: int) -> int:
        """The form of the program's value `value`."""
        return forms.form(self.program.expression(value), self.fields)

    def hole(self, forms: FormTables, reloc: Reloc) -> bytes | None:
        """A hole that is filled by `reloc`, in quick form if it has one."""
        return quick_hole(reloc, forms.form_of(self.program.expression(reloc.value), self.fields), forms.table)


@dataclass(frozen=True, slots=True)
class Ready:
    """A stencil as the runtime copies it: the code's size, the relocations that are filled with values, by
    offset, and the others; each exit's way and the place of its field.
    """

    size: int
    values: tuple[Reloc, ...]
    others: tuple[Reloc, ...]
    ways: tuple[ExitWay, ...]
    offsets: tuple[int, ...]


def make_ready(one: Compiled, host: Host) -> Ready:
    """Cuts off a last jump to NEXT or to an exit, and places the exits."""
    relocs = sorted(one.relocs, key=lambda reloc: reloc.offset)
    size = len(one.code)
    tail = None
    if relocs and relocs[-1].kind in (RelocKind.NEXT, RelocKind.EXIT) and relocs[-1].offset + _FIELD == size:
        last = relocs.pop()
        size -= host.jump_bytes
        tail = last.value if last.kind is RelocKind.EXIT else None
    ways: list[ExitWay] = []
    offsets: list[int] = []
    for number in range(len(one.stencil.exit_values)):
        uses = [reloc for reloc in relocs if reloc.kind is RelocKind.EXIT and reloc.value == number]
        patched = len(uses) == 1 and number != tail and ExitWay.FIELD not in ways  # only one can be aligned
        if patched:
            relocs.remove(uses[0])
        way = ExitWay.FIELD if patched else ExitWay.TRAMPOLINE if uses else ExitWay.UNUSED
        ways.append(ExitWay.TAIL if number == tail else way)
        offsets.append(uses[0].offset if patched else 0)
    values = tuple(reloc for reloc in relocs if reloc.kind not in _TO_CODE)
    others = tuple(reloc for reloc in relocs if reloc.kind in _TO_CODE)
    return Ready(size, values, others, tuple(ways), tuple(offsets))


@dataclass(frozen=True, slots=True)
class _Key:
    """What makes a record another one: with its holes, those that make up groups included."""

    code: int
    holes: tuple[bytes, ...]
    relocs: tuple[bytes, ...]
    members: tuple[tuple[str, _Member], ...]


class StencilRecords:
    """Records by number; equal ones are held once. `places` are the stencils' offsets in .text."""

    def __init__(
        self,
        compiled: Sequence[Compiled],
        places: Sequence[int],
        host: Host,
        forms: FormTables,
        string: Callable[[str], int],
        image: Callable[[str], int],
    ) -> None:
        self._compiled, self._places, self._host = compiled, places, host
        self._forms, self._string, self._image = forms, string, image
        self._ready: dict[int, tuple[Ready, Tail | None, Lead | None]] = {}
        self._known: dict[_Key, int] = {}
        self._names: list[int] = []
        self._pairs: dict[tuple[int, int], int] = {}
        self._synced: dict[int, int] = {}

    def add(
        self,
        number: int,
        fillings: Sequence[Filling],
        dead: int | None = None,
        more: Attribute = Attribute.NONE,
    ) -> int:
        """The record of compiled stencil `number`, whose one or two instructions `fillings` fill; `dead` is
        the record of its variant. `more` are attributes that it does not have by itself.
        """
        one = self._compiled[number]
        if number not in self._ready:
            host = self._host
            self._ready[number] = make_ready(one, host), find_tail(one, host), find_lead(one, host)
        ready, tail, lead = self._ready[number]
        holes: dict[int, bytes] = {}  # by offset of the field
        others: list[bytes] = []
        for reloc in ready.values:
            filling = fillings[reloc.insn]
            hole = filling.hole(self._forms, reloc)
            if hole is None:
                others.append(_reloc(reloc, filling.form(self._forms, reloc.value)))
            else:
                holes[reloc.offset] = hole
        jumps = [_reloc(reloc, self._target(reloc)) for reloc in ready.others]
        members = self._members(one, ready, fillings) | _edge_members(tail, lead, holes) | {
            "hole_count": len(holes), "other_count": len(others), "jump_count": len(jumps),
            "dead": rec.NONE if dead is None or not one.stencil.writes else dead,
        }  # fmt: skip
        attributes = one.stencil.attributes | more | (Attribute.HAS_EXIT if ready.ways else 0)
        if Attribute.HAS_GUARD in more:
            members["live_before"] = _live_before(one) | one.stencil.writes  # what is skipped writes nothing
        elif not others and not jumps and not ready.ways:
            attributes |= Attribute.ONLY_HOLES
        members["attributes"] = attributes
        key = _Key(
            self._places[number], _grouped(holes, lead, ready.size), tuple(others + jumps), tuple(members.items())
        )
        known = self._known.setdefault(key, len(self._known))
        if known == len(self._names):
            self._names.append(self._string(one.stencil.label))
        return known

    def fuse(self, first: int, second: int, both: int) -> None:
        """Record `both` does what records `first` and `second` do."""
        self._pairs[first, second] = both

    def sync(self, number: int, synced: int) -> None:
        """Record `synced` does what record `number` does, and leaves to have the context looked at."""
        self._synced[number] = synced

    def _target(self, reloc: Reloc) -> int:
        return self._image(reloc.symbol) if reloc.kind is RelocKind.IMAGE else reloc.value

    def _members(self, one: Compiled, ready: Ready, fillings: Sequence[Filling]) -> dict[str, _Member]:
        stencil = one.stencil
        targets = tuple(fillings[-1].form(self._forms, value) for value in stencil.exit_values)
        return {
            "size": ready.size, "exit_count": len(ready.ways), "insns": len(fillings),
            "writes": stencil.writes, "live_before": _live_before(one),
            "exit_offset": max(ready.offsets, default=0), "exit_way": ready.ways, "exit_target": targets,
        }  # fmt: skip

    def sections(self) -> dict[str, bytes]:
        """Bytes by section name."""
        pairs = sorted(self._pairs.items())
        fuse = [rec.FuseRec.pack(first=first, second=second, fused=both) for (first, second), both in pairs]
        starts: dict[int, list[int]] = {}
        for place, ((first, _), _) in enumerate(pairs):
            starts.setdefault(first, []).append(place)
        records: list[bytes] = []
        holes: list[bytes] = []
        relocs: list[bytes] = []
        for number, key in enumerate(self._known):
            fused = starts.get(number, [0])
            group, more = key.holes[: rec.HOLE_GROUP], key.holes[rec.HOLE_GROUP :]
            values = dict(key.members) | {
                "code": key.code, "first_reloc": len(relocs), "first_hole": len(holes),
                "hole_groups": len(key.holes) // rec.HOLE_GROUP,
                "first_fuse": fused[0], "fuse_count": len(fused) if number in starts else 0,
            }  # fmt: skip
            records.append(rec.StencilRec.pack(**values, holes=b"".join(group)))
            holes += more
            relocs += key.relocs
        sync = [rec.SyncRec.pack(stencil=number, synced=synced) for number, synced in sorted(self._synced.items())]
        names = [name.to_bytes(4, "little") for name in self._names]
        return {
            ".pq.stencil": b"".join(records), ".pq.hole": b"".join(holes), ".pq.reloc": b"".join(relocs),
            ".pq.fuse": b"".join(fuse), ".pq.sync": b"".join(sync), ".pq.label": b"".join(names),
        }  # fmt: skip


def _live_before(one: Compiled) -> int:
    return _ALL_FLAGS if Attribute.FAULTS in one.stencil.attributes else one.stencil.reads


def _reloc(reloc: Reloc, value: int) -> bytes:
    return rec.RelocRec.pack(offset=reloc.offset, kind=reloc.kind, insn=reloc.insn, value=value, addend=reloc.addend)


def _edge_members(tail: Tail | None, lead: Lead | None, holes: dict[int, bytes]) -> dict[str, int]:
    """Only where the places' holes have quick forms."""
    members: dict[str, int] = {}
    if tail is not None and tail.field in holes:
        members["tail"] = tail.bits
    if lead is not None and lead.field in holes:
        members |= {"lead": lead.bits(lead.partner in holes), "lead_bytes": lead.size}
    return members


def _grouped(holes: dict[int, bytes], lead: Lead | None, size: int) -> tuple[bytes, ...]:
    """By offset, but the first load's place comes first, and then that of its partner; made up to whole groups."""
    first = [field for field in (lead.field, lead.partner) if field in holes] if lead is not None else []
    order = first + [field for field in sorted(holes) if field not in first]
    missing = -len(holes) % rec.HOLE_GROUP if holes else rec.HOLE_GROUP
    return (*(holes[field] for field in order), *[filler(size)] * missing)
