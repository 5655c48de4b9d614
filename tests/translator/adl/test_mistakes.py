"""Planted mistakes: each file in mistakes/ has one; it is reported at the place that its first line names."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pyqemu.translator.adl.check import check_architecture
from pyqemu.translator.adl.errors import DescriptionError
from pyqemu.translator.adl.parse import parse_text

FOLDER = Path(__file__).with_name("mistakes")
FILES = sorted(file for file in FOLDER.glob("*.arch") if file.stem != "prelude")


def check(file: Path) -> None:
    """Checks a file as if it were used by the prelude."""
    prelude = parse_text((FOLDER / "prelude.arch").read_text(), FOLDER / "prelude.arch")
    added = parse_text(file.read_text(), file)
    check_architecture(replace(prelude, declarations=prelude.declarations + added.declarations))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_mistake_is_reported_where_it_is(file: Path) -> None:
    header = re.match(r"# expect (\d+):(\d+) (.*)", file.read_text())
    assert header, "the first line says `# expect LINE:COLUMN part of the message`"
    with pytest.raises(DescriptionError) as caught:
        check(file)
    error = caught.value
    assert header[3] in error.message
    assert (error.span.file, error.span.line, error.span.column) == (file, int(header[1]), int(header[2]))
    assert "^" in str(error)
    assert len(error.all()) == 1, "one mistake, one report"


def test_the_prelude_is_right() -> None:
    text = (FOLDER / "prelude.arch").read_text()
    check_architecture(parse_text(text, FOLDER / "prelude.arch"))


def test_several_mistakes_are_reported_at_once() -> None:
    text = "reg A: q1\nreg B: b32\nfile C[2] b8\ninsn D {\n  blue\n}\n"
    with pytest.raises(DescriptionError) as caught:
        parse_text(text)
    assert [error.span.line for error in caught.value.all()] == [1, 3, 5]


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("/* registers */", "a comment begins with `#`"),
        ("const A = 1 && 2", "conditions take `&`"),
        ("const A = 1 || 2", "conditions take `|`"),
        ("const A = 1 >>> 2", "asr"),
        ("flags Z, C", "`flag A, B` declares flags"),
    ],
)
def test_slips_from_other_languages(text: str, advice: str) -> None:
    with pytest.raises(DescriptionError) as caught:
        parse_text(f"{text}\n")
    assert advice in caught.value.advice
