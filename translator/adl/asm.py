"""Assembly text: templates of `asm` rows and operand tables in a neutral form.

A template is a tuple of pieces: plain text, a number in a style, the text of an operand table, or a choice.
Conditions and numbers are static expressions over the encoding's fields (in a table: over its parameters), so
that any language can print from this form; asm_print.py does it in Python, and asm_parse.py reads what it printed.
In a description `{{` and `}}` stand for braces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.errors import DescriptionError
from pyqemu.translator.adl.model import BoundEncoding, Model
from pyqemu.translator.adl.parse import parse_expression
from pyqemu.translator.adl.static_expr import Environment
from pyqemu.translator.static import Ctx, Field, Here, StaticExpr, as_address, leaves_of

_PART = re.compile(r"\{\{|\}\}|\{(?P<hole>[^{}]*)\}|(?P<wrong>[{}])|[^{}]+")
_STYLE = re.compile(r"(?P<expr>.*\S):(?P<style>[a-z]\w*)", re.DOTALL)
_STYLES = ("h", "x")


@dataclass(frozen=True, slots=True)
class Number:
    """An int: style `d` decimal, `x` hexadecimal with 0x, `h` decimal below 10 in size and else
    hexadecimal.
    """

    value: StaticExpr
    style: str


@dataclass(frozen=True, slots=True)
class TableText:
    """The text of the first row of an operand table that its arguments match."""

    table: str
    arguments: tuple[StaticExpr, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of two templates."""

    condition: StaticExpr
    then: Template
    otherwise: Template


Template = tuple["str | Number | TableText | Choice", ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A template and when it is used; the first row whose condition is nonzero counts. `text` is how it was written."""

    condition: StaticExpr
    template: Template
    text: str = ""


@dataclass(frozen=True, slots=True)
class TextTable:
    """An operand table's texts; `Field(parameter, 64, signed)` stands for a parameter."""

    name: str
    parameters: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(slots=True)
class Syntax:
    """The assembly syntax of an architecture: rows by encoding number, and the tables that they use."""

    rows: dict[int, tuple[Row, ...]] = field(default_factory=dict[int, tuple[Row, ...]])
    tables: dict[str, TextTable] = field(default_factory=dict[str, TextTable])


Hole = tuple[ast.Expr, str]
Parsed = tuple[str | Hole, ...]


class _Maker:
    def __init__(self, model: Model) -> None:
        self.model = model
        self.syntax = Syntax()
        self._parsed: dict[tuple[str, ast.Span], Parsed] = {}

    def encoding(self, bound: BoundEncoding) -> tuple[Row, ...]:
        rows: list[Row] = []
        for row in bound.instruction.asm:
            condition: StaticExpr = 1
            if row.condition is not None:
                condition = _printable(bound.environment.condition(row.condition), row.condition.span)
            if condition != 0:
                rows.append(Row(condition, self.template(row.template, row.span, bound.environment), row.template))
            if condition == 1:
                break
        return tuple(rows)

    def template(self, text: str, span: ast.Span, environment: Environment) -> Template:
        key = (text, span)
        if key not in self._parsed:
            self._parsed[key] = tuple(_parse_template(text, span))
        pieces: list[str | Number | TableText | Choice] = []
        for part in self._parsed[key]:
            if isinstance(part, str):
                pieces.append(part)
            else:
                pieces += self.hole(part[0], part[1], environment)
        return tuple(pieces)

    def hole(self, expr: ast.Expr, style: str, environment: Environment) -> Template:
        if isinstance(expr, ast.Call) and self.has_text(expr.name):
            return (self.table_text(expr, environment),)
        if isinstance(expr, ast.Conditional) and self.is_text(expr):
            condition = _printable(environment.condition(expr.condition), expr.condition.span)
            if isinstance(condition, int):
                return self.hole(expr.then if condition else expr.otherwise, style, environment)
            then, otherwise = (self.hole(e, style, environment) for e in (expr.then, expr.otherwise))
            return (Choice(condition, then, otherwise),)
        if isinstance(expr, ast.Text):
            return (expr.value,)
        value = self.number(expr, environment)
        return (str(value),) if isinstance(value, int) and style == "d" else (Number(value, style),)

    def number(self, expr: ast.Expr, environment: Environment) -> StaticExpr:
        """An int of the text; one that is made from the instruction's address is an address."""
        value = _printable(environment.static(expr), expr.span)
        placed = any(isinstance(leaf, Here) for leaf in leaves_of(value))
        return as_address(value, self.model.properties.address_width) if placed else value

    def is_text(self, expr: ast.Expr) -> bool:
        match expr:
            case ast.Text():
                return True
            case ast.Call(_, name):
                return self.has_text(name)
            case ast.Conditional(_, _, then, otherwise):
                return self.is_text(then) or self.is_text(otherwise)
            case _:
                return False

    def has_text(self, name: str) -> bool:
        table = self.model.operands.get(name)
        return table is not None and any(row.text is not None for row in table.rows)

    def table_text(self, call: ast.Call, environment: Environment) -> TableText:
        table = self.model.operands[call.name]
        if len(call.arguments) != len(table.parameters):
            wanted, found = len(table.parameters), len(call.arguments)
            raise DescriptionError(call.span, f"{table.name} takes {wanted} arguments, not {found}")
        if table.name not in self.syntax.tables:
            self.syntax.tables[table.name] = TextTable(table.name, table.parameters, ())
            self.syntax.tables[table.name] = self.table(table)
        arguments = tuple(self.number(argument, environment) for argument in call.arguments)
        return TableText(table.name, arguments)

    def table(self, table: ast.OperandTable) -> TextTable:
        arguments: list[StaticExpr] = [Field(name, 64, True) for name in table.parameters]
        environment = Environment(self.model.globals, dict(zip(table.parameters, arguments, strict=True)))
        rows: list[Row] = []
        for row in table.rows:
            condition = environment.row_matches(table, row, arguments)
            if condition == 0:
                continue
            if row.text is None:
                raise DescriptionError(
                    row.span, f"this row of {table.name} has no text", "other rows have one"
                )
            rows.append(Row(condition, self.template(row.text, row.text_span or row.span, environment)))
        return TextTable(table.name, table.parameters, tuple(rows))


def _printable(value: StaticExpr, span: ast.Span) -> StaticExpr:
    """`value`, which may depend on fields and the address only: text is printed without a context."""
    for leaf in leaves_of(value):
        if isinstance(leaf, Ctx):
            raise DescriptionError(span, f"assembly text cannot depend on context variable {leaf.name}")
    return value


def _parse_template(text: str, span: ast.Span) -> Iterator[str | Hole]:
    for match in _PART.finditer(text):
        place = _at(span, match.start() + 1)
        if match["wrong"]:
            raise DescriptionError(
                place, f"this {match['wrong']!r} has no partner", "a brace itself is {{ or }}"
            )
        if match["hole"] is None:
            yield {"{{": "{", "}}": "}"}.get(match.group(), match.group())
            continue
        inner, style = match["hole"], "d"
        styled = _STYLE.fullmatch(inner)
        if (
            styled
            and "?" not in styled["expr"].rpartition(")")[2]
            and "[" not in styled["expr"].rpartition("]")[2]
        ):
            inner, style = styled["expr"], styled["style"]
            if style not in _STYLES:
                raise DescriptionError(place, f"{style!r} is no number style", "there are :h and :x")
        yield parse_expression(inner, _at(span, match.start() + 2)), style


def _at(span: ast.Span, offset: int) -> ast.Span:
    """The character `offset` places into a literal (0 is its quote)."""
    return replace(span, column=span.column + offset, end_column=span.column + offset + 1, end_line=span.line)


def make_syntax(model: Model) -> tuple[Syntax, list[DescriptionError]]:
    """The assembly syntax of all encodings, and the mistakes found in it."""
    maker = _Maker(model)
    errors: dict[ast.Span, DescriptionError] = {}
    for bound in model.encodings:
        try:
            maker.syntax.rows[bound.encoding.number] = maker.encoding(bound)
        except DescriptionError as error:
            errors.setdefault(error.span, error)
    return maker.syntax, list(errors.values())
