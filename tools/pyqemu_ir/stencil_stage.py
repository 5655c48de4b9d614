"""Stencils as text: their code with the holes filled in for given instructions, and what the runtime knows of them."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pyqemu.hostgen.layout import Layout
from pyqemu.hostgen.library import Compiled, Reloc
from pyqemu.hostgen.listing import Marks, listing, listing_text
from pyqemu.hostgen.lower import Machine
from pyqemu.hostgen.pack_format import CPU, STATE_OFFSET, Attribute, RelocKind
from pyqemu.hostgen.program import Program
from pyqemu.tools.pyqemu_ir.baseline import Baseline, Chosen
from pyqemu.tools.pyqemu_ir.report import Report
from pyqemu.translator.adl.shapes import show
from pyqemu.translator.static import Element, StaticExpr, evaluate, leaves_of

#: Longer expressions are not shown.
_MOST_CHARACTERS = 60
_FORMATS = {RelocKind.ABS8: "<b", RelocKind.ABS32S: "<i", RelocKind.ABS32: "<I", RelocKind.ABS64: "<Q"}


@dataclass(frozen=True, slots=True)
class Values:
    """What a stencil's holes are filled with: of each instruction its program, fields and address."""

    programs: Sequence[Program]
    fields: Sequence[Mapping[str, int]]
    addresses: Sequence[int]
    context: Mapping[str, int]

    def expression(self, insn: int, value: int) -> StaticExpr:
        """What a value is, in terms of instruction `insn`."""
        return self.programs[insn].expression(value)

    def of(self, insn: int, expr: StaticExpr) -> int:
        """The value of an expression for that instruction."""
        return evaluate(expr, self.fields[insn], self.addresses[insn], self.context)


def values_of(item: Chosen, context: Mapping[str, int]) -> Values:
    """What the holes of a chosen stencil are filled with."""
    return Values(
        [stencil.program for stencil in item.programs],
        [decoded.fields for decoded in item.instructions],
        [decoded.address for decoded in item.instructions],
        context,
    )


def add_stencils(report: Report, baseline: Baseline, chosen: Sequence[Chosen]) -> None:
    """A section for each stencil of a block."""
    if not report.wants("stencil"):
        return
    with report.timing("stencils"):
        compiled = baseline.compile([item.used for item in chosen])
    machine = baseline.decoder.architecture.machine
    for item, one in zip(chosen, compiled, strict=True):
        text, data = _described(item, one, baseline, machine)
        report.add("stencil", f"stencil, {_why(item)}: {one.stencil.label}", text, [data])


def _why(item: Chosen) -> str:
    """Which stencil it is of those that there are."""
    first, *others = item.instructions
    what = "two instructions as one" if others else first.text
    if item.variant is None:
        return what
    return f"{what}; without the flags, which nobody reads" if item.flags_are_dead else f"{what}; with flags"


def _described(item: Chosen, one: Compiled, baseline: Baseline, machine: Machine) -> tuple[str, dict[str, Any]]:
    values = values_of(item, baseline.decoder.architecture.context)
    facts = stencil_facts(one, item, machine.layout)
    code = code_text(one, values, machine)
    head = [f"{key:10}{value}" for key, value in facts.items() if value]
    data = {"label": one.stencil.label, "instructions": [d.address for d in item.instructions], **facts, "code": code}
    return "\n".join([*head, code]), data


def stencil_facts(one: Compiled, item: Chosen, layout: Layout) -> dict[str, str]:
    """What the runtime knows of a stencil, but for its relocations."""
    stencil = one.stencil
    attributes = [flag.name or "" for flag in Attribute if flag in stencil.attributes and flag]
    cut = ", the last jump is left out where NEXT follows" if one.ends_with_next else ""
    return {
        "size": f"{len(one.code)} bytes{cut}",
        "ends": ", ".join(name.lower().replace("_", " ") for name in attributes),
        "reads": " ".join(_flags(stencil.reads, layout)),
        "writes": " ".join(_flags(item.stencil.writes, layout)),
    }


def _flags(mask: int, layout: Layout) -> list[str]:
    return [flag for flag in layout.flags if mask & layout.flag_mask(flag)]


def code_text(one: Compiled, values: Values | None, machine: Machine) -> str:
    """The code; `values` None: with its holes open."""
    code = bytearray(one.code)
    marks = Marks()
    if values is not None:
        marks.state = partial(state_name, layout=machine.layout)
    for reloc in one.relocs:
        match reloc.kind:
            case RelocKind.NEXT:
                marks.fields[reloc.offset] = "NEXT"
            case RelocKind.EXIT:
                marks.fields[reloc.offset] = f"EXIT_{reloc.value}"
                if values is not None:
                    marks.note(reloc.offset, _exit_note(one, reloc.value, values))
            case RelocKind.IMAGE:
                marks.fields[reloc.offset] = reloc.symbol
            case _:
                marks.note(reloc.offset, _fill(code, reloc, one, values, machine.layout))
    return listing_text(listing(bytes(code), machine.host, marks))


def _exit_note(one: Compiled, number: int, values: Values) -> str:
    """Exits belong to the last instruction."""
    insn = len(values.programs) - 1
    return f"to {values.of(insn, values.expression(insn, one.stencil.exit_values[number])):#x}"


def _fill(code: bytearray, reloc: Reloc, one: Compiled, values: Values | None, layout: Layout) -> str:
    """Fills a hole, if there is something to fill it with; gives the note on it."""
    if values is None:
        return f"hole: {hole_text(one.stencil.program.expression(reloc.value))}"
    expr = values.expression(reloc.insn, reloc.value)
    value = values.of(reloc.insn, expr)
    number = value + reloc.addend
    if reloc.kind is RelocKind.ABS64:
        number &= (1 << 64) - 1
    struct.pack_into(_FORMATS[reloc.kind], code, reloc.offset, number)
    register = layout.name_at(value) if isinstance(expr, Element) else ""
    return f"hole: {hole_text(expr)} = {register or hex(value)}"


def hole_text(expr: StaticExpr) -> str:
    """A hole's expression, or what it depends on if that is long; of a register's offset, that of its number."""
    text = show(expr.index) if isinstance(expr, Element) else show(expr)
    if len(text) <= _MOST_CHARACTERS:
        return text
    return f"of {', '.join(sorted(show(leaf) for leaf in leaves_of(expr)))}"


def state_name(offset: int, layout: Layout) -> str:
    """What lies at an offset of the CPU state: a register, or a member of the runtime's header."""
    header = next((name for name, place in CPU.items() if place == offset), "")
    return layout.name_at(offset) if offset >= STATE_OFFSET else f"cpu->{header}" if header else ""
