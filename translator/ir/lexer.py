"""Cuts IR text into tokens that know their line and column."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from pyqemu.translator.errors import IrSyntaxError

_TOKENS = re.compile(
    r"""(?P<blank>[ \t\r,]+|;[^\n]*)
      | (?P<newline>\n)
      | (?P<value>%[A-Za-z0-9_.]+)
      | (?P<field>\$[A-Za-z0-9_.]+:s?[0-9]+)
      | (?P<block>\^(?:[A-Za-z0-9_.$-]+|"(?:[^"\\\n]|\\.)*"))
      | (?P<function>@(?:[A-Za-z0-9_.$-]+|"(?:[^"\\\n]|\\.)*"))
      | (?P<string>"(?:[^"\\\n]|\\.)*")
      | (?P<arrow>->)
      | (?P<int>-?0x[0-9a-fA-F]+|-?[0-9]+)
      | (?P<word>[A-Za-z_][A-Za-z0-9_.]*)
      | (?P<mark>[{}()\[\]<>=:])""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is a group's name above, or `end`; lines and columns count from 1."""

    kind: str
    text: str
    line: int
    column: int

    @property
    def name(self) -> str:
        """What a value, block, function, string or word is called, without sigil and quotes."""
        text = self.text[1:] if self.kind in ("value", "block", "function") else self.text
        return json.loads(text) if text.startswith('"') else text


def tokenize(text: str) -> list[Token]:
    """All tokens, newlines included, with an `end` token last; raises IrSyntaxError."""
    tokens: list[Token] = []
    place, line, start = 0, 1, 0
    while place < len(text):
        match = _TOKENS.match(text, place)
        if match is None:
            raise IrSyntaxError(f"{line}:{place - start + 1}: unexpected character {text[place]!r}")
        kind = match.lastgroup or ""
        if kind != "blank":
            tokens.append(Token(kind, match.group(), line, place - start + 1))
        place = match.end()
        if kind == "newline":
            line, start = line + 1, place
    tokens.append(Token("end", "", line, place - start + 1))
    return tokens
