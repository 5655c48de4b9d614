"""Matches a line against a template: finds which options the text takes, and the equations that follow.

Blanks count only between words, and case not at all. What could not be matched is noted where the text departs
from the template, so that an error can point at it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from pyqemu.translator.adl.asm_grammar import Literal, Numeral, Options, Pieces
from pyqemu.translator.adl.asm_invert import Equation, Equations
from pyqemu.translator.adl.asm_term import Term

#: Numbers with more digits than any description needs are not read as one.
_NUMBER = re.compile(r"-?(?:0x[0-9a-f]{1,64}|[0-9]{1,64})")
#: A number as it is written, without zeros before it in decimal (elsewhere they mean octal).
_WRITTEN = re.compile(r"-?(?:0x[0-9a-f]+|0|[1-9][0-9]*)")
#: A number that is no part of a word.
_FREE_NUMBER = re.compile(r"(?<![\w.])(?:0x[0-9a-f]+|0|[1-9][0-9]*)(?![\w.])")
_TOKEN = re.compile(r"[\w.]+|\S")
#: Options within options without a character of text read between them.
_MOST_NESTED = 64


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it is matched: lower case, blanks between words only; `columns` has where each character stood."""

    text: str
    columns: tuple[int, ...]

    @staticmethod
    def of(source: str) -> Line:
        """Makes it from what somebody wrote."""
        kept: list[tuple[str, int]] = []
        for match in re.finditer(r"\S|\s+", source):
            start, end = match.span()
            if not match.group().isspace():
                kept += ((character, start) for character in match.group().lower())
            elif start > 0 and end < len(source) and _in_word(source[start - 1]) and _in_word(source[end]):
                kept.append((" ", start))
        end = len(source.rstrip())
        return Line("".join(text for text, _ in kept), (*(place for _, place in kept), end))

    def same_as(self, printed: str) -> bool:
        """Whether printed text says the same: numbers may be written in other styles."""
        return _plain(self.text) == _plain(Line.of(printed).text)

    def token(self, at: int) -> tuple[int, str]:
        """Start and text of the token that a character, or the blank before it, belongs to; no text at the end."""
        for match in _TOKEN.finditer(self.text):
            if at < match.end():
                return match.start(), match.group()
        return len(self.text), ""


def _in_word(character: str) -> bool:
    return character.isalnum() or character in "_."


def _plain(text: str) -> str:
    return _FREE_NUMBER.sub(lambda match: str(int(match.group(), 0)), text)


@dataclass(frozen=True, slots=True)
class NumberRead:
    """A number of the line, and what the template computes it from."""

    term: Term
    value: int
    start: int


@dataclass(frozen=True, slots=True)
class Reading:
    """A way to read the whole line by a template: what has to hold for it."""

    equations: Equations = ()
    numbers: tuple[NumberRead, ...] = ()

    def with_number(self, number: NumberRead) -> Reading:
        """This reading with one more number."""
        return Reading(self.equations, (*self.numbers, number))

    def all_equations(self) -> Equations:
        """Numbers first: most of them give a field at once."""
        return (*(Equation(number.term, number.value) for number in self.numbers), *self.equations)


@dataclass(slots=True)
class Departures:
    """Where the readings that came furthest departed from their templates, and what these wanted there."""

    at: int = -1
    expected: list[str] = field(default_factory=list[str])
    numbers: list[NumberRead] = field(default_factory=list[NumberRead])

    def note(self, at: int, expected: str | NumberRead) -> None:
        """Adds one, and forgets those that came less far."""
        if at < self.at:
            return
        if at > self.at:
            self.at, self.expected, self.numbers = at, [], []
        if isinstance(expected, NumberRead):
            self.numbers.append(expected)
        elif expected not in self.expected:
            self.expected.append(expected)


class Matcher:
    """Reads one line."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.departures = Departures()

    def readings(self, pieces: Pieces, at: int, reading: Reading, nested: int = 0) -> Iterator[Reading]:
        """All ways in which the rest of the line can come from `pieces`."""
        while pieces and isinstance(pieces[0], Literal):
            end = self._literal(pieces[0], at)
            if end is None:
                return
            nested = 0 if end > at else nested
            at, pieces = end, pieces[1:]
        if not pieces:
            if at == len(self.line.text):
                yield reading
            else:
                self.departures.note(self.line.token(at)[0], "the end")
            return
        first, rest = pieces[0], pieces[1:]
        if isinstance(first, Numeral):
            for end, number in self._numbers(first, at, rest):
                yield from self.readings(rest, end, reading.with_number(number))
        elif isinstance(first, Options) and nested < _MOST_NESTED:
            for option in first.options:
                taken = Reading((*reading.equations, *option.own, *option.others), reading.numbers)
                yield from self.readings((*option.pieces, *rest), at, taken, nested + 1)

    def _literal(self, literal: Literal, at: int) -> int | None:
        match = literal.pattern.match(self.line.text, at)
        if match is None:
            self._note_literal(literal.text.strip(), at)
            return None
        return match.end()

    def _note_literal(self, text: str, at: int) -> None:
        """That a text was wanted; where a line has the instruction's first word, only what it lacks behind that."""
        word, _, rest = text.partition(" ")
        if at == 0 and rest and self.line.token(0) == (0, word.lower()):
            self.departures.note(self.line.token(len(word))[0], f"`{rest.strip()}`")
        else:
            self.departures.note(self.line.token(at)[0], f"`{text}`")

    def _numbers(self, numeral: Numeral, at: int, rest: Pieces) -> Iterator[tuple[int, NumberRead]]:
        """The number that stands at a place; its first digits too where more digits may follow from another piece.

        One that is out of bounds is passed on where it is the only one: what is wrong with it is easier to say later.
        """
        match = _NUMBER.match(self.line.text, at)
        if match is None:
            self.departures.note(self.line.token(at)[0], "a number")
            return
        low, high = numeral.term.bounds
        alone = not rest or (isinstance(rest[0], Literal) and not rest[0].text[0].isalnum())
        for end in range(match.end(), match.end() - 1 if alone else at, -1):
            written = self.line.text[at:end]
            if _WRITTEN.fullmatch(written):
                number = NumberRead(numeral.term, int(written, 0), at)
                if not low <= number.value <= high:
                    self.departures.note(self.line.token(at)[0], number)
                if alone or low <= number.value <= high:
                    yield end, number
