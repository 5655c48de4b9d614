"""Mistakes in a description: where, what, and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

from pyqemu.translator.adl.ast import Span

_sources: dict[Path, list[str]] = {}


def remember_source(file: Path, text: str) -> None:
    """Keeps the text that spans of `file` refer to, so that errors can show the line."""
    _sources[file] = text.split("\n")


def _source_line(span: Span) -> str | None:
    lines = _sources.get(span.file)
    if lines is None:
        try:
            lines = span.file.read_text(encoding="utf-8").split("\n")
        except OSError:
            return None
    return lines[span.line - 1] if 0 < span.line <= len(lines) else None


class DescriptionError(Exception):
    """A mistake of the description's author. `others` are further mistakes found in the same run."""

    def __init__(self, span: Span, message: str, advice: str = "") -> None:
        super().__init__(span, message, advice)
        self.span = span
        self.message = message
        self.advice = advice
        self.others: tuple[DescriptionError, ...] = ()

    def __str__(self) -> str:
        return self.shown("error")

    def shown(self, kind: str) -> str:
        """`file:line:column: kind: message`, the source line with a caret below, and the advice."""
        span = self.span
        text = [f"{span.file}:{span.line}:{span.column}: {kind}: {self.message}"]
        line = _source_line(span)
        if line is not None:
            same_line = span.end_line == span.line and span.end_column > span.column
            length = span.end_column - span.column if same_line else 1
            shown = line.replace("\t", " ")
            text += [f"  {shown}", "  " + " " * (span.column - 1) + "^" + "~" * (min(length, 60) - 1)]
        if self.advice:
            text.append(f"  {self.advice}")
        return "\n".join(text)

    def all(self) -> tuple[DescriptionError, ...]:
        """This error and the others of the same run."""
        return (self, *self.others)


def combined(errors: Iterable[DescriptionError]) -> DescriptionError:
    """The first of some errors, in the order of the files' lines, with the rest as its `others`."""
    first, *rest = sorted(errors, key=lambda e: (str(e.span.file), e.span.line, e.span.column))
    first.others = tuple(rest)
    return first


def nearest(name: str, known: Iterable[str]) -> str:
    """Advice that names what was probably meant, or an empty string."""
    matches = difflib.get_close_matches(name, list(known), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(matches)}?" if matches else ""
