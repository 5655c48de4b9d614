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

from pyqemu.tools.pyqemu_ir.mistakes import Mistake

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
class Section:
    """A piece of a stage; `data` is what JSON has of it, if that is not the text."""

    stage: str
    title: str
    text: str
    data: Any = None


@dataclass(slots=True)
class Report:
    """Collects sections of the stages that are wanted, and times."""

    stages: frozenset[str]
    timed: bool = False
    sections: list[Section] = field(default_factory=list[Section])
    times: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])

    def wants(self, *stages: str) -> bool:
        """Whether any of these stages is to be shown."""
        return not self.stages.isdisjoint(stages)

    def wants_beyond(self, stage: str) -> bool:
        """Whether any stage after this one is to be shown."""
        order = list(STAGES)
        return self.wants(*order[order.index(stage) + 1 :])

    def add(self, stage: str, title: str, text: str, data: Any = None) -> None:
        """Adds a section if its stage is wanted."""
        if stage in self.stages:
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
        """One object: for each stage what it has; a list where a stage has several sections or may have them."""
        stages: dict[str, Any] = {}
        for section in self._shown():
            value = section.text if section.data is None else section.data
            if section.stage in stages or section.stage == "passes":
                stages.setdefault(section.stage, []).append(value)
            else:
                stages[section.stage] = value
        return json.dumps(stages, indent=1)

    def _shown(self) -> list[Section]:
        """Sections by stage, in the stages' order; times last."""
        order = list(STAGES)
        sections = sorted(self.sections, key=lambda section: order.index(section.stage))
        return [*sections, self._times()] if self.timed else sections

    def _times(self) -> Section:
        lines = [f"{what:50}{seconds * 1000:10.2f} ms" for what, seconds in self.times]
        return Section("time", "time", "\n".join(lines), {what: round(s * 1000, 3) for what, s in self.times})


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


def chosen_stages(run_until: str | None, only: str | None) -> frozenset[str]:
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
    return frozenset(chosen)


def _index(order: Sequence[str], name: str, option: str) -> int:
    if name not in order:
        raise Mistake(f"{option} {name}: no such stage; there are {', '.join(order)}")
    return order.index(name)
