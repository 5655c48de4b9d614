"""What is shown: sections by stage, as text or as JSON.

Titles begin with `;`, which IR and LLVM take for comments, so that a stage by itself can be read back as printed.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from pyqemu.tools.command import Mistake

#: Stages in their order, and what each shows.
STAGES: Mapping[str, str] = {
    "asm": "guest assembly",
    "decode": "encoding, fields, decisions of the shape, and where the description has it",
    "ir": "IR as lifted: one instruction's shape, with holes; or a region",
    "filled": "IR of one instruction with its fields filled in",
    "passes": "IR after each pass that changed something",
    "llvm": "LLVM's text as it was lowered",
    "llvm-opt": "LLVM's text after LLVM's passes",
    "host": "a region's host code",
    "stencil": "the baseline's host code: stencils with their holes filled in",
}
#: What colours are used, by kind of line.
_COLOURS = {"title": "\x1b[1;36m", "comment": "\x1b[2m", "added": "\x1b[32m", "removed": "\x1b[31m"}
_PLAIN = "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Selection:
    """The stages that are shown, and the last one that is gone through."""

    shown: frozenset[str]
    last: str


@dataclass(frozen=True, slots=True)
class Section:
    """A piece of a stage; `data` are the objects that JSON has of it, if that is not the text."""

    stage: str
    title: str
    text: str
    data: Sequence[Any] | None = None


@dataclass(slots=True)
class Report:
    """Collects sections of the stages that are wanted, and times."""

    selection: Selection
    timed: bool = False
    sections: list[Section] = field(default_factory=list[Section])
    times: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])

    def wants(self, *stages: str) -> bool:
        """Whether any of these stages is to be shown."""
        return not self.selection.shown.isdisjoint(stages)

    def needs(self, *stages: str) -> bool:
        """Whether any of these stages has to be gone through, be it for its time only."""
        order = list(STAGES)
        reached = (order.index(stage) <= order.index(self.selection.last) for stage in stages)
        return self.wants(*stages) or (self.timed and any(reached))

    def needs_beyond(self, stage: str) -> bool:
        """Whether any stage after this one has to be gone through."""
        order = list(STAGES)
        return self.needs(*order[order.index(stage) + 1 :])

    def add(self, stage: str, title: str, text: str, data: Sequence[Any] | None = None) -> None:
        """Adds a section if its stage is wanted."""
        if stage in self.selection.shown:
            self.sections.append(Section(stage, title, text, data))

    @contextmanager
    def timing(self, what: str) -> Generator[None]:
        """Times what is done inside."""
        start = perf_counter()
        yield
        self.times.append((what, perf_counter() - start))

    # --- output ---

    def text(self, *, colour: bool = False) -> str:
        """All sections, one after the other."""
        parts = [f"; {section.title}\n{section.text.rstrip()}\n" for section in self._shown()]
        text = "\n".join(parts)
        return "".join(map(_coloured, text.splitlines(keepends=True))) if colour else text

    def json(self) -> str:
        """One object with what each stage has: a text, a list of texts if there are several, or a list of objects."""
        stages: dict[str, Any] = {}
        for section in self._shown():
            values = [section.text] if section.data is None else section.data
            stages.setdefault(section.stage, []).extend(values)
        single = {name: values[0] for name, values in stages.items() if len(values) == 1 and isinstance(values[0], str)}
        return json.dumps({**stages, **single}, indent=1)

    def _shown(self) -> list[Section]:
        """Sections by stage, in the stages' order; times last."""
        order = list(STAGES)
        sections = sorted(self.sections, key=lambda section: order.index(section.stage))
        return [*sections, self._times()] if self.timed else sections

    def _times(self) -> Section:
        lines = [f"{what:50}{seconds * 1000:10.2f} ms" for what, seconds in self.times]
        data = [{"what": what.strip(), "ms": round(seconds * 1000, 3)} for what, seconds in self.times]
        return Section("time", "time", "\n".join(lines), data)


def _coloured(line: str) -> str:
    kind = ""
    if line.startswith("; "):
        kind = "title"
    elif line.startswith("+"):
        kind = "added"
    elif line.startswith("-"):
        kind = "removed"
    if kind:
        return f"{_COLOURS[kind]}{line.rstrip()}{_PLAIN}\n"
    code, mark, comment = line.rstrip("\n").partition(" ; ")
    return f"{code}{_COLOURS['comment']}{mark}{comment}{_PLAIN}\n" if mark else line


def chosen_stages(run_until: str | None, only: str | None) -> Selection:
    """The stages that `--run-until` and `--stage` name; all without them. Raises Mistake."""
    order = list(STAGES)
    chosen = order
    if run_until is not None:
        chosen = order[: _index(order, run_until, "--run-until") + 1]
    if only is not None:
        named = [order[_index(order, name.strip(), "--stage")] for name in only.split(",")]
        chosen = [stage for stage in chosen if stage in named]
    if not chosen:
        raise Mistake(f"--stage {only} comes after --run-until {run_until}")
    return Selection(frozenset(chosen), order[-1] if run_until is None else run_until)


def _index(order: Sequence[str], name: str, option: str) -> int:
    if name not in order:
        raise Mistake(f"{option} {name}: no such stage; there are {', '.join(order)}")
    return order.index(name)
