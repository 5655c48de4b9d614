"""`pyqemu-ir explain`: one page about one instruction."""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pyqemu.hostgen.listing import Marks, listing
from pyqemu.hostgen.shapes import shapes_of
from pyqemu.tools.command import Mistake, number
from pyqemu.tools.pyqemu_ir.architecture import Architecture, open_architecture
from pyqemu.tools.pyqemu_ir.asm_stage import decoding
from pyqemu.tools.pyqemu_ir.baseline import Baseline
from pyqemu.tools.pyqemu_ir.decoded import Decoded, Decoder
from pyqemu.tools.pyqemu_ir.dump import lines_of
from pyqemu.tools.pyqemu_ir.effects import Effects, effects_of
from pyqemu.tools.pyqemu_ir.guest_code import from_lines
from pyqemu.tools.pyqemu_ir.stencil_stage import code_text, values_of
from pyqemu.translator.adl.shapes import show
from pyqemu.translator.ir.function import Function
from pyqemu.translator.lift.instructions import look_at
from pyqemu.translator.static import StaticExpr, evaluate, leaves_of
from pyqemu.translator.target import EncodingField

_WIDTH = 100
#: What is done with an UNPREDICTABLE word, by the description's name for it.
_POLICIES = {"": "", "undef": ", taken as UNDEFINED,", "ignore": ", done as described,"}


def explain(options: argparse.Namespace) -> str:
    """The page. Raises Mistake."""
    architecture = open_architecture(options.target, None, options.level, options.ctx, options.cpu)
    here = number(options.here, "--here")
    decoder = Decoder(architecture)
    code = from_lines(lines_of([options.code]), architecture, here)
    one = decoder.one(code, code.start)
    if one.offset + one.size < code.end:
        raise Mistake("explain takes one instruction; pyqemu-ir dump takes several")
    page = _Page(decoder, one)
    return json.dumps(page.data(), indent=1) + "\n" if options.json else page.text()


class _Page:
    """The page of one instruction."""

    def __init__(self, decoder: Decoder, one: Decoded) -> None:
        self._decoder = decoder
        self._one = one
        self._architecture: Architecture = decoder.architecture
        target = self._architecture.target
        filled = target.elaborator.lift(one.encoding, one.fields, self._architecture.context)
        assert isinstance(filled, Function)
        flags = [register.name for register in target.registers if register.is_flag]
        self._bound = target.bound(one.encoding)
        self._effects = effects_of(filled, flags, one.address, target.functions())
        self._in_regions = not look_at(filled).unsupported
        self._stencils = self._translated()

    def _translated(self) -> list[dict[str, Any]]:
        """The stencil, and its variant without flags."""
        baseline = Baseline(self._decoder)
        (chosen,) = baseline.choose([self._one])
        kinds = [("", chosen.stencil)] + ([("without flags", chosen.variant)] if chosen.variant else [])
        machine = self._architecture.machine
        made: list[dict[str, Any]] = []
        for (kind, _), one in zip(kinds, baseline.compile([stencil for _, stencil in kinds]), strict=True):
            values = values_of(chosen, self._architecture.context)
            lines = [line for line in listing(one.code, machine.host, Marks()) if line.kind == "code"]
            count = len(lines) - one.ends_with_next
            code = code_text(one, values, machine)
            made.append({"variant": kind, "bytes": len(one.code), "instructions": count, "code": code})
        return made

    # --- as data ---

    def data(self) -> dict[str, Any]:
        """All that the page says."""
        one = self._one
        return {
            "text": one.text,
            **decoding(self._architecture.target, one),
            "effects": asdict(self._effects),
            "undefined": self._conditions((condition, "") for condition in self._bound.undefined),
            "unpredictable": self._conditions(self._bound.unpredictable),
            "source": self._source(),
            "regions": self._in_regions,
            "stencils": self._stencils,
        }

    def _conditions(self, conditions: Iterable[tuple[StaticExpr, str]]) -> list[dict[str, Any]]:
        """Decode-time conditions, whether they hold for this word, and what is done then."""
        one, context = self._one, self._architecture.context
        return [
            {"if": show(c), "holds": bool(evaluate(c, one.fields, one.address, context)), "policy": policy}
            for c, policy in conditions
            if leaves_of(c)
        ]

    def _source(self) -> str:
        """The instruction's lines in the description, up to the brace that ends it; empty if that is not there."""
        span = self._bound.instruction.span
        for path in (span.file, _installed(self._architecture.target.name, span.file)):
            if path.exists():
                lines = path.read_text().splitlines()[span.line - 1 :]
                return "\n".join(lines[: lines.index("}") + 1])
        return ""

    # --- as text ---

    def text(self) -> str:
        """Sentences and tables."""
        one, about = self._one, self.data()
        span = self._bound.instruction.span
        parts = [
            f"{one.text}\n{'=' * len(one.text)}",
            _sentence(
                f"The word {one.hex} at {one.address:#x} is encoding {one.encoding.name} of instruction"
                f" {one.encoding.instruction} ({one.encoding.reference}), described in {span.file.name},"
                f" line {span.line}."
            ),
            _indented(about["source"]),
            f"Encoding: {about['picture']}\n{_fields(one)}",
            self._conditions_text(about),
            "What it does\n" + _indented("\n".join(effect_sentences(self._effects))),
            self._translation_text(),
        ]
        return "\n\n".join(part for part in parts if part) + "\n"

    def _conditions_text(self, about: dict[str, Any]) -> str:
        lines: list[str] = []
        shape = self._one.shape
        if shape is not None:
            count = sum(1 for _ in shapes_of(shape.encoding, self._decoder.tree(shape.encoding)))
            lines.append(
                f"Shape {shape.leaf.label}, one of {count} of this encoding." if count > 1 else "It has one shape."
            )
        for what in ("undefined", "unpredictable"):
            for condition in about[what]:
                holds = "holds" if condition["holds"] else "does not hold"
                policy = _POLICIES[condition["policy"]]
                lines.append(f"{what.upper()}{policy} if {condition['if']}, which {holds} here.")
        if about["guard"]:
            lines.append(f"Only if {about['guard']}.")
        if self._one.guard is not None:
            lines.append("Done only if its guard holds, which has a stencil of its own.")
        if about["needs"]:
            lines.append(f"Needs {', '.join(about['needs'])}.")
        return "\n".join(map(_sentence, lines))

    def _translation_text(self) -> str:
        host = self._architecture.machine.host
        lines = [f"How it is translated for {host.level.name}"]
        for made in self._stencils:
            what = made["variant"] or "the stencil"
            size = f"{made['instructions']} host instructions, {made['bytes']} bytes"
            lines.append(f"  {what}: {size}")
            lines.append(_indented(made["code"].rstrip()))
        where = "Regions have it as well." if self._in_regions else "Regions leave it to the baseline."
        lines.append(f"  {where}")
        return "\n".join(lines)


def _installed(architecture: str, file: Path) -> Path:
    """Where an installation has a file of the description."""
    return Path(__file__).parents[2] / "targets" / architecture / file.name


def _sentence(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False)


def _indented(text: str) -> str:
    return textwrap.indent(text, "  ")


def _fields(one: Decoded) -> str:
    """A line for each field: its bits in the word, and its value."""
    rows = [(f.name, _bits(f), one.fields[f.name]) for f in one.encoding.fields]
    return "\n".join(f"  {name:10}{bits:16}{value}" for name, bits, value in rows)


def _bits(field: EncodingField) -> str:
    """`31`, `20:16`, or several of them, the highest first."""
    slices = sorted(field.slices, key=lambda piece: -piece.target)
    places = [(piece.source + piece.width - 1, piece.source) for piece in slices]
    return ",".join(str(low) if low == high else f"{high}:{low}" for high, low in places)


def effect_sentences(effects: Effects) -> list[str]:
    """Effects in words."""
    registers = f"It reads {_listed(effects.reads, 'no register')} and writes {_listed(effects.writes, 'none')}."
    read, written = _listed(effects.flags_read, "none"), _listed(effects.flags_written, "none")
    lines = [registers, f"Of the flags it reads {read} and writes {written}."]
    if effects.helpers:
        lines.append(f"It calls outlined code: {_listed(effects.helpers)}.")
    lines.append(f"Memory: it {_listed(effects.memory)}." if effects.memory else "It does not touch guest memory.")
    if effects.memory:
        lines.append("A fault shows the state before it.")
    if effects.floating_point:
        lines.append("It depends on the floating-point mode, or changes the floating-point flags.")
    if effects.exceptions:
        lines.append(f"It may raise {_listed(effects.exceptions)}.")
    lines.append(f"Control goes {_listed(effects.control, 'nowhere else')}.")
    return lines


def _listed(items: Sequence[str], none: str = "") -> str:
    """`a, b and c`."""
    if not items:
        return none
    return " and ".join([*([", ".join(items[:-1])] if items[1:] else []), items[-1]])
