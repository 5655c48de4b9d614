"""Runs text tests of passes: `; pass: PASSES`, an input function, `; expect:`, the function that must come out.

A file may hold several such cases. Input and expectation must survive printing and parsing unchanged, but for
comments and layout. `--bless` writes what came out into the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pyqemu.translator.ir.equality import equal
from pyqemu.translator.ir.parser import parse_function
from pyqemu.translator.ir.printer import print_function
from pyqemu.translator.ir.verifier import verify
from pyqemu.translator.passes.by_name import parse_passes
from pyqemu.translator.passes.pipeline import run_passes

_CASE = re.compile(
    r"^; pass: *(?P<passes>.*?) *\n(?P<input>.*?)^; expect:[^\n]*\n(?P<expected>.*?)(?=^; pass:|\Z)",
    re.M | re.S,
)


@dataclass(frozen=True)
class Case:
    """One case; `expected` spans the file's characters start … end."""

    passes: str
    input: str
    expected: str
    start: int
    end: int


def read_cases(path: Path) -> list[Case]:
    """The cases of a file, in order; at least one."""
    text = path.read_text()
    cases = [Case(m["passes"], m["input"], m["expected"], *m.span("expected")) for m in _CASE.finditer(text)]
    if len(cases) != len(re.findall(r"^; pass:", text, re.M)) or not cases:
        raise ValueError(f"{path}: each case needs `; pass:`, a function, `; expect:` and a function")
    return cases


def result_of(case: Case) -> str:
    """The text that the passes make of the input; checks the round trip on the way."""
    function = parse_function(case.input)
    verify(function)
    text = print_function(function)
    again = parse_function(text)
    assert print_function(again) == text
    assert equal(function, again)
    run_passes(function, parse_passes(case.passes), check=True)
    return print_function(function)


def bless(path: Path) -> None:
    """Writes what comes out of each case as its expectation."""
    text = path.read_text()
    for case in reversed(read_cases(path)):
        gap = "\n" if case.end < len(text) else ""
        text = text[: case.start] + result_of(case) + gap + text[case.end :]
    path.write_text(text)


def check(path: Path, number: int) -> None:
    """Asserts that case `number` gives what its file says."""
    case = read_cases(path)[number]
    expected = print_function(parse_function(case.expected))
    assert result_of(case) == expected
