"""Assembles a line: the templates that print an instruction are read backwards.

A line is matched against the rows that its first word can begin; what they compute is solved for the fields; and
each word found is printed again and compared, so that what is returned prints as the line whatever the steps before
made of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice

from pyqemu.translator.adl.asm import Choice, Syntax, Template
from pyqemu.translator.adl.asm_complaint import Attempt, complaint, unknown_word
from pyqemu.translator.adl.asm_grammar import Grammar, Option
from pyqemu.translator.adl.asm_invert import Equations, fails, holds
from pyqemu.translator.adl.asm_match import Line, Matcher, Reading
from pyqemu.translator.adl.asm_print import AsmPrinter
from pyqemu.translator.adl.asm_solve import Solver
from pyqemu.translator.adl.asm_term import Known, Place, all_values
from pyqemu.translator.adl.asm_words import WORD, FirstWords
from pyqemu.translator.adl.model import BoundEncoding
from pyqemu.translator.errors import AssemblyError
from pyqemu.translator.static import Field
from pyqemu.translator.target import CodeWord, Encoding

#: Whether a word is decoded as its encoding in a context, and is not UNDEFINED there.
Accepts = Callable[[CodeWord, Mapping[str, int]], bool]
#: Words of one reading that are looked at.
_MOST_WORDS = 1024
#: Bits of fields without influence on the text up to which all their values are given.
_MOST_FREE_BITS = 8
_NAME = re.compile(r"[a-z_]\w*")


@dataclass(frozen=True, slots=True)
class _Rules:
    """An encoding's texts, and what has to hold for its words: the guard, and nothing that makes them UNDEFINED."""

    options: tuple[Option, ...]
    conditions: Equations


class AsmParser:
    """Reads what an architecture's printer prints; only words that `accepts` says yes to count."""

    def __init__(
        self, syntax: Syntax, printer: AsmPrinter, encodings: Iterable[BoundEncoding], accepts: Accepts
    ) -> None:
        self._syntax = syntax
        self._printer = printer
        self._accepts = accepts
        self._bound = {bound.encoding.number: bound for bound in encodings}
        self._grammar = Grammar(syntax)
        self._words = FirstWords(syntax, {n: bound.encoding.instruction.lower() for n, bound in self._bound.items()})
        self._rules: dict[int, _Rules] = {}

    def assemble(self, text: str, place: Place, features: Collection[str] | None = None) -> list[CodeWord]:
        """All words that print as `text`, in the order of encodings and words; raises AssemblyError if there are none.

        With `features` no encoding counts that needs others.
        """
        line = Line.of(text)
        if not line.text:
            raise AssemblyError(text, 1, "there is no instruction")
        match = WORD.match(line.text)
        word = match.group() if match else ""
        attempts = list(self._attempts(line, word))
        if all(not attempt.readings and attempt.departures.at < len(word) for attempt in attempts):
            raise unknown_word(text, line, self._words.spelled())
        found: dict[tuple[int, int], CodeWord] = {}
        for attempt in attempts:
            if features is None or attempt.encoding.features <= set(features):
                for code in self._code_words(line, attempt, place):
                    if self._accepts(code, place.context):
                        found[code.encoding.number, code.word] = code
        if not found:
            others = (self._spelled_otherwise(attempt, place) for attempt in attempts)
            spelled = next((other for other in others if other is not None), None)
            raise complaint(text, line, attempts, Solver(place), features, spelled)
        return [found[key] for key in sorted(found)]

    @cached_property
    def literal_words(self) -> frozenset[str]:
        """Names that stand in texts, in lower case: instructions, and registers, of numbered ones what is before it."""
        rows = chain(*self._syntax.rows.values(), *(table.rows for table in self._syntax.tables.values()))
        return frozenset(word for row in rows for word in _literal_words(row.template))

    def _attempts(self, line: Line, word: str) -> Iterator[Attempt]:
        for number, row in self._words.rows(word):
            rules, rows = self._rules_of(number), self._syntax.rows[number]
            if row < len(rules.options):  # after a row without condition there is none
                option, matcher = rules.options[row], Matcher(line)
                readings = tuple(matcher.readings(option.pieces, 0, Reading(option.own)))
                template = rows[row].text if row < len(rows) else ""
                encoding = self._bound[number].encoding
                yield Attempt(encoding, template, rules.conditions, option.others, readings, matcher.departures)

    def _rules_of(self, number: int) -> _Rules:
        if number not in self._rules:
            bound = self._bound[number]
            options = self._grammar.options(self._syntax.rows[number], bound.encoding.instruction.lower())
            guard = bound.encoding.guard
            conditions = () if guard == 1 else (holds(self._grammar.term(guard)),)
            undefined = tuple(fails(self._grammar.term(condition)) for condition in bound.undefined)
            self._rules[number] = _Rules(options, (*conditions, *undefined))
        return self._rules[number]

    def _code_words(self, line: Line, attempt: Attempt, place: Place) -> Iterator[CodeWord]:
        """The words of an attempt's readings that print as the line."""
        encoding = attempt.encoding
        for reading in attempt.readings:
            solutions = Solver(place).solve((*attempt.equations(reading), *attempt.others), {})
            completed = (fields for known in solutions for fields in _completed(encoding, known))
            for fields in islice(completed, _MOST_WORDS):
                if line.same_as(self._printer.disassemble(encoding, fields, place.here)):
                    yield CodeWord(encoding.word_of(fields), encoding.unit, encoding)

    def _spelled_otherwise(self, attempt: Attempt, place: Place) -> str | None:
        """How a line is printed that reads like one row, but for which a row before it is taken."""
        for reading in attempt.readings:
            for known in Solver(place).solve(attempt.equations(reading), {}):
                fields = next(_completed(attempt.encoding, known))
                if any(equation.term.value(fields, place) != equation.wanted for equation in attempt.others):
                    return self._printer.disassemble(attempt.encoding, fields, place.here)
        return None


def _literal_words(template: Template) -> Iterator[str]:
    for piece in template:
        match piece:
            case str():
                yield from _NAME.findall(piece.lower())
            case Choice(_, then, otherwise):
                yield from (*_literal_words(then), *_literal_words(otherwise))
            case _:
                pass


def _completed(encoding: Encoding, known: Known) -> Iterator[Mapping[str, int]]:
    """`known` with all values of the fields that are open; 0 for them if they have too many."""
    free = [Field(f.name, f.width, f.signed) for f in encoding.fields if f.name not in known]
    if sum(field.width for field in free) > _MOST_FREE_BITS:
        yield {**dict.fromkeys((field.name for field in free), 0), **known}
        return
    for values in all_values(free):
        yield {**known, **values}
