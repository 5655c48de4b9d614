"""`.pq.stencil`, `.pq.reloc` and `.pq.fuse`: stencils made ready, so that the runtime only has to look whether a
record is sound before it copies.

A compiled stencil becomes a record for each way in which instructions' fields fill its holes; it is cut to what
the runtime copies, and each exit is given its way out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pyqemu.hostgen import pack_format as rec
from pyqemu.hostgen.edges import edge_members
from pyqemu.hostgen.form_tables import FormTables
from pyqemu.hostgen.host import Host
from pyqemu.hostgen.library import Compiled, Reloc
from pyqemu.hostgen.pack_format import ExitWay, RelocKind
from pyqemu.hostgen.program import Program
from pyqemu.hostgen.value_form import Fields

_FIELD = 4  # bytes of a jump's address field
#: Relocations that are not filled with values.
_TO_CODE = (RelocKind.NEXT, RelocKind.EXIT, RelocKind.IMAGE)


_Member = int | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Filling:
    """Where the values of one instruction of a stencil come from."""

    program: Program
    fields: Fields

    def form(self, forms: FormTables, value: int) -> int:
        """The form of the program's value `value`."""
        return forms.form(self.program.expression(value), self.fields)


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
    """What makes a record another one."""

    code: int
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
        self._ready: dict[int, Ready] = {}
        self._known: dict[_Key, int] = {}
        self._names: list[int] = []
        self._pairs: dict[tuple[int, int], int] = {}

    def add(self, number: int, fillings: Sequence[Filling], dead: int | None = None) -> int:
        """The record of compiled stencil `number`, whose one or two instructions `fillings` fill; `dead` is
        the record of its variant.
        """
        one = self._compiled[number]
        ready = self._ready.get(number)
        if ready is None:
            ready = self._ready[number] = make_ready(one, self._host)
        relocs = tuple(self._reloc(reloc, fillings) for reloc in ready.values + ready.others)
        members = self._members(one, ready, fillings) | {"dead": rec.NONE if dead is None else dead}
        key = _Key(self._places[number], relocs, tuple(members.items()))
        known = self._known.setdefault(key, len(self._known))
        if known == len(self._names):
            self._names.append(self._string(one.stencil.label))
        return known

    def fuse(self, first: int, second: int, both: int) -> None:
        """Record `both` does what records `first` and `second` do."""
        self._pairs[first, second] = both

    def _reloc(self, reloc: Reloc, fillings: Sequence[Filling]) -> bytes:
        match reloc.kind:
            case RelocKind.NEXT | RelocKind.EXIT:
                value = reloc.value
            case RelocKind.IMAGE:
                value = self._image(reloc.symbol)
            case _:
                value = fillings[reloc.insn].form(self._forms, reloc.value)
        return rec.RelocRec.pack(
            offset=reloc.offset, kind=reloc.kind, insn=reloc.insn, value=value, addend=reloc.addend
        )

    def _members(self, one: Compiled, ready: Ready, fillings: Sequence[Filling]) -> dict[str, _Member]:
        stencil = one.stencil
        targets = tuple(fillings[-1].form(self._forms, value) for value in stencil.exit_values)
        return {
            "size": ready.size, "value_count": len(ready.values), "exit_count": len(ready.ways), "insns": len(fillings),
            "attributes": stencil.attributes, "reads": stencil.reads, "writes": stencil.writes,
            "exit_offset": ready.offsets, "exit_way": ready.ways, "exit_kind": stencil.exit_kinds,
            "exit_target": targets, **self._edges(one, ready),
        }  # fmt: skip

    def _edges(self, one: Compiled, ready: Ready) -> dict[str, int]:
        """`edge_members`, of which the first load's and the last store's places are known by their order."""
        members = edge_members(one, self._host)
        offsets = [reloc.offset for reloc in ready.values]
        for name, place in (("tail_reloc", -1), ("lead_reloc", 0)):
            if name in members:
                assert offsets[place] == one.relocs[members.pop(name)].offset, one.stencil.label
        if "lead_partner" in members:
            members["lead_partner"] = offsets.index(one.relocs[members["lead_partner"]].offset)
        return members

    def sections(self) -> dict[str, bytes]:
        """Bytes by section name."""
        pairs = sorted(self._pairs.items())
        fuse = [rec.FuseRec.pack(first=first, second=second, fused=both) for (first, second), both in pairs]
        starts: dict[int, list[int]] = {}
        for place, ((first, _), _) in enumerate(pairs):
            starts.setdefault(first, []).append(place)
        records: list[bytes] = []
        relocs: list[bytes] = []
        for number, (key, name) in enumerate(zip(self._known, self._names, strict=True)):
            fused = starts.get(number, [0])
            values: dict[str, _Member] = dict(key.members) | {
                "name": name, "code": key.code, "first_reloc": len(relocs), "reloc_count": len(key.relocs),
                "first_fuse": fused[0], "fuse_count": len(fused) if number in starts else 0,
            }  # fmt: skip
            records.append(rec.StencilRec.pack(**values))
            relocs += key.relocs
        return {".pq.stencil": b"".join(records), ".pq.reloc": b"".join(relocs), ".pq.fuse": b"".join(fuse)}
