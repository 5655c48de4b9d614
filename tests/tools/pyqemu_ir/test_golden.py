"""Golden files and the page that follows code through the stages; `--bless` writes what comes out into them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from pyqemu.translator.ir.parser import parse_function
from pyqemu.translator.ir.printer import print_function
from tests.tools.pyqemu_ir.golden import PROMPT, functions_in, renewed

HERE = Path(__file__).parent
GOLDEN = sorted((HERE / "golden").glob("*.txt"))
PAGE = HERE.parents[2] / "docs/architecture.md"
#: A block of commands and their outputs in the page.
_BLOCK = re.compile(r"(?<=^```console\n)\$ pyqemu-ir .*?(?=^```$)", re.M | re.S)


def needs_guests(file: Path) -> Iterable[pytest.MarkDecorator]:
    """Files about guest programs need these."""
    return (pytest.mark.guest,) if "{busybox}" in file.read_text() else ()


@pytest.mark.parametrize("file", [pytest.param(f, id=f.stem, marks=tuple(needs_guests(f))) for f in GOLDEN])
def test_golden(file: Path, request: pytest.FixtureRequest) -> None:
    """Commands give what their file says."""
    compare(file, renewed(file.read_text()), request)


def test_page(request: pytest.FixtureRequest) -> None:
    """What docs/architecture.md shows is what comes out."""
    compare(PAGE, _BLOCK.sub(lambda block: renewed(block[0]), PAGE.read_text()), request)


def compare(file: Path, made: str, request: pytest.FixtureRequest) -> None:
    """The file's text is what was made; or becomes it."""
    if request.config.getoption("bless"):
        file.write_text(made)
    assert made == file.read_text()
    assert PROMPT in made


@pytest.mark.parametrize("file", [*GOLDEN, PAGE], ids=lambda file: file.stem)
def test_ir_is_read_back(file: Path) -> None:
    """What is printed as IR parses, and prints as it was."""
    for text in functions_in(file.read_text()):
        assert print_function(parse_function(text)) == text
