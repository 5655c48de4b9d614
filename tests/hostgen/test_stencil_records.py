"""Stencils as the runtime copies them: what is cut off, how exits leave, which records there are."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

from elftools.elf.elffile import ELFFile

from pyqemu.hostgen import pack_format as rec
from pyqemu.hostgen.hosts.x86_64 import host
from pyqemu.hostgen.pack import BuiltPack, build_pack
from pyqemu.hostgen.pack_format import ExitWay, RelocKind
from pyqemu.hostgen.stencil_records import make_ready
from pyqemu.translator.adl.load import load

_TOY = Path(__file__).parents[1] / "targets/toy"
_HOST = host("v1")


@cache
def _pack() -> BuiltPack:
    return build_pack(load(_TOY), _HOST)


def _records(name: str, record: rec.Record) -> list[dict[str, object]]:
    data = ELFFile(io.BytesIO(_pack().data)).get_section_by_name(name).data()
    return [record.unpack(data[place : place + record.size]) for place in range(0, len(data), record.size)]


def test_a_last_jump_is_cut_off() -> None:
    for one in _pack().stencils:
        ready = make_ready(one, _HOST)
        last = one.code[-5:]
        jumps = [reloc for reloc in one.relocs if reloc.offset + 4 == len(one.code)]
        cut = bool(jumps) and jumps[0].kind in (RelocKind.NEXT, RelocKind.EXIT)
        assert ready.size == len(one.code) - 5 * cut
        assert not cut or last[0] == 0xE9


def test_each_exit_has_one_way() -> None:
    ways: set[ExitWay] = set()
    for one in _pack().stencils:
        ready = make_ready(one, _HOST)
        ways.update(ready.ways)
        assert ready.ways.count(ExitWay.FIELD) <= 1 and ready.ways.count(ExitWay.TAIL) <= 1
        for number, (way, offset) in enumerate(zip(ready.ways, ready.offsets, strict=True)):
            led = [r for r in one.relocs if r.kind is RelocKind.EXIT and r.value == number and r.offset < ready.size]
            left = [r for r in ready.others if r.kind is RelocKind.EXIT and r.value == number]
            match way:
                case ExitWay.FIELD:
                    assert [r.offset for r in led] == [offset] and not left
                case ExitWay.TAIL:
                    assert left == led
                case ExitWay.TRAMPOLINE:
                    assert left and left == led
                case ExitWay.UNUSED:
                    assert not led
    assert {ExitWay.FIELD, ExitWay.TAIL} <= ways


def _numbers(record: dict[str, object], *names: str) -> list[int]:
    return [int(str(record[name])) for name in names]


def test_records_refer_to_what_there_is() -> None:
    stencils = _records(".pq.stencil", rec.StencilRec)
    relocs, holes = _records(".pq.reloc", rec.RelocRec), _records(".pq.hole", rec.HoleRec)
    forms = len(_records(".pq.form", rec.FormRec))
    for stencil in stencils:
        first, others, jumps = _numbers(stencil, "first_reloc", "other_count", "jump_count")
        own = relocs[first : first + others + jumps]
        filled = [int(str(reloc["kind"])) <= RelocKind.ABS8 for reloc in own]
        assert filled == [True] * others + [False] * jumps
        assert all(int(str(reloc["value"])) < forms for reloc in own[:others])
        first, count, groups, size = _numbers(stencil, "first_hole", "hole_count", "hole_groups", "size")
        group = stencil["holes"]
        assert isinstance(group, bytes)
        first_group = [rec.HoleRec.unpack(group, place) for place in range(0, len(group), rec.HoleRec.size)]
        own = [*first_group, *holes[first : first + (groups - 1) * rec.HOLE_GROUP]]
        assert len(own) == groups * rec.HOLE_GROUP
        assert [hole["offset"] == size for hole in own] == [False] * count + [True] * (len(own) - count)
    assert len(stencils) >= len(_pack().stencils) and len(
        _records(".pq.label", rec.Record("Label", "I string"))
    ) == len(stencils)


def test_pairs_are_found_by_their_first() -> None:
    stencils, pairs = _records(".pq.stencil", rec.StencilRec), _records(".pq.fuse", rec.FuseRec)
    found = 0
    for number, stencil in enumerate(stencils):
        first, count = int(str(stencil["first_fuse"])), int(str(stencil["fuse_count"]))
        own = pairs[first : first + count]
        assert all(pair["first"] == number for pair in own)
        assert [pair["second"] for pair in own] == sorted(int(str(pair["second"])) for pair in own)
        assert all(stencils[int(str(pair["fused"]))]["insns"] == 2 for pair in own)
        found += count
    assert found == len(pairs) > 0
