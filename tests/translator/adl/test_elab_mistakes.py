"""Planted mistakes of widths, binding times and order; each file's first line says where it is reported."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pyqemu.translator.adl.elaborate import elaboration_errors
from pyqemu.translator.adl.errors import DescriptionError
from pyqemu.translator.adl.model import build
from pyqemu.translator.adl.parse import parse_text

FOLDER = Path(__file__).with_name("mistakes_elab")
PRELUDE = FOLDER / "prelude.arch"
FILES = sorted(file for file in FOLDER.glob("*.arch") if file != PRELUDE)


def mistakes(file: Path) -> list[DescriptionError]:
    """Elaborates a file as if it were used by the prelude."""
    prelude = parse_text(PRELUDE.read_text(), PRELUDE)
    added = parse_text(file.read_text(), file)
    return elaboration_errors(build(replace(prelude, declarations=prelude.declarations + added.declarations)))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_mistake_is_reported_where_it_is(file: Path) -> None:
    header = re.match(r"# expect (\d+):(\d+) (.*)", file.read_text())
    assert header, "the first line says `# expect LINE:COLUMN part of the message`"
    (error,) = mistakes(file)
    assert header[3] in error.message, str(error)
    assert (error.span.file, error.span.line, error.span.column) == (file, int(header[1]), int(header[2])), (
        str(error)
    )
    assert "^" in str(error)


def test_there_are_many() -> None:
    assert len(FILES) >= 50
