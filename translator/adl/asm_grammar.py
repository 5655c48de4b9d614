"""Assembly templates as a grammar over one encoding's fields: what printing does, in a form that can be read.

Choices and operand tables become options, each with the equations under which printing takes it. A table's rows
are filled in with its arguments only when they are looked at, since tables may name themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from pyqemu.translator.adl.asm import Choice, Number, Row, Syntax, TableText, Template
from pyqemu.translator.adl.asm_invert import Equations, fails, holds
from pyqemu.translator.adl.asm_term import Place, Term, all_values
from pyqemu.translator.static import StaticExpr, substitute

_Values = Mapping[str, StaticExpr]
#: Bits of the fields in a table's conditions up to which it is tried whether no row can hold.
_MOST_TRIED_BITS = 6


@dataclass(frozen=True, slots=True)
class Literal:
    """Text that has to stand there; a blank in it may be left out. `pattern` is for text in lower case."""

    text: str
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Numeral:
    """A number in any style."""

    term: Term


@dataclass(frozen=True, slots=True)
class Option:
    """Pieces that are printed if `own` holds, and none of the options before is printed, which is `others`."""

    own: Equations
    others: Equations
    pieces: Pieces


class Options:
    """One of several texts: made when it is first looked at."""

    def __init__(self, make: Callable[[], tuple[Option, ...]]) -> None:
        self._make = make

    @cached_property
    def options(self) -> tuple[Option, ...]:
        """The texts in the order of the description."""
        return self._make()


Pieces = tuple["Literal | Numeral | Options", ...]


class Grammar:
    """Makes the options of an encoding's rows."""

    def __init__(self, syntax: Syntax) -> None:
        self._syntax = syntax
        self._literals: dict[str, Literal] = {}
        self._terms: dict[StaticExpr, Term] = {}
        self._tables: dict[tuple[str, tuple[StaticExpr, ...]], Options] = {}

    def term(self, expr: StaticExpr) -> Term:
        """The term of an expression: the same one for all encodings that write it with the same fields."""
        if expr not in self._terms:
            self._terms[expr] = Term(expr)
        return self._terms[expr]

    def options(self, rows: Iterable[Row], otherwise: str, values: _Values | None = None) -> tuple[Option, ...]:
        """The options that rows stand for, fields replaced by `values`, and `otherwise` if no row holds.

        An option stands for a row being printed: its condition holds, and that of no row before it does.
        """
        made: list[Option] = []
        before: Equations = ()
        for row in rows:
            condition = substitute(row.condition, values) if values is not None else row.condition
            if condition == 0:
                continue
            pieces = self._pieces(row.template, values)
            if isinstance(condition, int):
                made.append(Option((), before, pieces))
                return tuple(made)
            term = self.term(condition)
            made.append(Option((holds(term),), before, pieces))
            before = (*before, fails(term))
        if _can_hold(before):
            made.append(Option((), before, self._pieces((otherwise,) if otherwise else (), None)))
        return tuple(made)

    def _pieces(self, template: Template, values: _Values | None) -> Pieces:
        return tuple(self._piece(piece, values) for piece in template if piece != "")

    def _piece(self, piece: str | Number | TableText | Choice, values: _Values | None) -> Literal | Numeral | Options:
        def filled(expr: StaticExpr) -> StaticExpr:
            return expr if values is None else substitute(expr, values)

        match piece:
            case str():
                return self._literal(piece)
            case Number(value, _):
                return Numeral(self.term(filled(value)))
            case Choice(condition, then, otherwise):
                rows = (Row(condition, then), Row(1, otherwise))
                return Options(lambda: self.options(rows, "", values))
            case TableText(name, arguments):
                return self._table(name, tuple(map(filled, arguments)))

    def _table(self, name: str, arguments: tuple[StaticExpr, ...]) -> Options:
        key = (name, arguments)
        if key not in self._tables:
            table = self._syntax.tables[name]
            values = dict(zip(table.parameters, arguments, strict=True))
            self._tables[key] = Options(lambda: self.options(table.rows, "", values))
        return self._tables[key]

    def _literal(self, text: str) -> Literal:
        if text not in self._literals:
            parts = [re.escape(part) for part in re.split(r"\s+", text.lower())]
            self._literals[text] = Literal(text, re.compile(" ?".join(parts)))
        return self._literals[text]


def _can_hold(equations: Equations) -> bool:
    """Whether no row at all can hold; taken for possible where there is too much to try."""
    terms = [equation.term for equation in equations]
    fields = list({name: field for term in terms for name, field in term.fields.items()}.values())
    if sum(field.width for field in fields) > _MOST_TRIED_BITS or any(term.placed for term in terms):
        return True
    nowhere = Place(0, {})
    return any(
        all(equation.term.value(values, nowhere) == equation.wanted for equation in equations)
        for values in all_values(fields)
    )
