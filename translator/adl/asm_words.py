"""Which rows a line of assembly can belong to, by its first word.

A row's first word is made of literals, numbers and table texts; it becomes a regular expression. Conditions are not
looked at, so that this finds too many rows rather than too few.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pyqemu.translator.adl.asm import Choice, Number, Syntax, TableText, Template

#: A line's first word: in it no blank or sign can stand.
WORD = re.compile(r"[\w.]*")
_NUMBER = r"-?(?:0x[0-9a-f]+|[0-9]+)"


class _Beginning(NamedTuple):
    """How a text can begin: as a regular expression, whether the first word ends in it, whether it is all literal.

    The nothing that a table gives where no row matches does not count as literal.
    """

    pattern: str
    ended: bool
    literal: bool

    def __add__(self, other: object) -> _Beginning:
        """This one with another text after it."""
        assert isinstance(other, _Beginning)
        return _Beginning(self.pattern + other.pattern, other.ended, self.literal and other.literal)


class FirstWords:
    """The first words of all rows of a syntax; `names` has what each encoding prints where no row holds.

    That counts as one more row after the last.
    """

    def __init__(self, syntax: Syntax, names: Mapping[int, str]) -> None:
        self._syntax = syntax
        self._tables: dict[str, set[_Beginning]] = {}
        self._rows: list[tuple[re.Pattern[str], int, int]] = []
        self._spelled: set[str] = set()
        self._found: dict[str, tuple[tuple[int, int], ...]] = {}
        for encoding, rows in syntax.rows.items():
            for number, row in enumerate(rows):
                beginnings = self._add(encoding, number, row.template)
                self._spelled |= {_unescaped(b.pattern) for b in beginnings if b.literal}
            self._add(encoding, len(rows), (names[encoding],))

    def rows(self, word: str) -> tuple[tuple[int, int], ...]:
        """Encoding and number of the rows whose first word can be `word` (in lower case)."""
        found = self._found.get(word)
        if found is None:
            found = tuple((e, n) for pattern, e, n in self._rows if pattern.fullmatch(word))
            if found:  # what anybody may misspell is not kept
                self._found[word] = found
        return found

    def spelled(self) -> list[str]:
        """All first words that have no number in them, for advice."""
        return sorted(self._spelled)

    def _add(self, encoding: int, number: int, template: Template) -> set[_Beginning]:
        beginnings = self._beginnings(template)
        self._rows.append((re.compile("|".join(sorted({b.pattern for b in beginnings}))), encoding, number))
        return beginnings

    def _beginnings(self, template: Template) -> set[_Beginning]:
        going_on = {_Beginning("", False, True)}
        ended: set[_Beginning] = set()
        for piece in template:
            longer = {beginning + more for beginning in going_on for more in self._of_piece(piece)}
            ended |= {beginning for beginning in longer if beginning.ended}
            going_on = longer - ended
            if not going_on:
                break
        return ended | going_on

    def _of_piece(self, piece: str | Number | TableText | Choice) -> Iterator[_Beginning]:
        match piece:
            case str():
                found = WORD.match(piece.lower())
                word = found.group() if found else ""
                yield _Beginning(re.escape(word), len(word) < len(piece), True)
            case Number():
                yield _Beginning(_NUMBER, False, False)
            case Choice(_, then, otherwise):
                yield from self._beginnings(then) | self._beginnings(otherwise)
            case TableText(name):
                yield from self._of_table(name)

    def _of_table(self, name: str) -> set[_Beginning]:
        if name not in self._tables:
            self._tables[name] = {_Beginning(r"[\w.]*", False, False)}  # a table that names itself can give any word
            rows = [self._beginnings(row.template) for row in self._syntax.tables[name].rows]
            self._tables[name] = {_Beginning("", False, False)}.union(*rows)
        return self._tables[name]


def _unescaped(pattern: str) -> str:
    return re.sub(r"\\(.)", r"\1", pattern)
