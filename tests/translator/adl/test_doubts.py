"""What is taken but doubtful: where it is, and that nothing else is."""

from __future__ import annotations

import pytest

from pyqemu.translator.adl.doubts import doubts
from pyqemu.translator.adl.model import build
from pyqemu.translator.adl.parse import parse_text

START = "unit U b8 order le\nexception undefined()\n"
A = 'insn A { enc "0000 n:4"; asm "a {n}" }\n'


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "there are no instructions"),
        (A + 'operand t(n) {\n  0 "a"\n  0 "b"\n}', 6, "this row of t is never reached"),
        (A + 'operand t(n, m) {\n  _,1 "a"\n  2,1 "b"\n}', 6, "this row of t is never reached"),
        (A + 'insn B { enc "0001 n:4"; asm "a {n}" }', 4, "B is written as A is"),
    ],
)
def test_doubtful(text: str, line: int, message: str) -> None:
    (found,) = doubts(build(parse_text(START + text)))
    assert (found.span.line, found.message) == (line, message)


@pytest.mark.parametrize(
    "text",
    [
        'operand t(n, m) {\n  0,_ "a"\n  _,0 "b"\n _,_ "c"\n}',
        'operand t(n) {\n  0 "a" if n == 1\n  0 "b"\n}',
        'insn B { enc "0001 n:4"; asm "b {n}" }',
    ],
)
def test_not_doubtful(text: str) -> None:
    assert not doubts(build(parse_text(START + A + text)))
