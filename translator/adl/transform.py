"""Turns what the grammar recognises into syntax tree nodes; called by Lark while it parses.

One method a rule (or alias) of grammar.lark. Optional parts that are absent come as None.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lark import Token

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.ast import Span
from pyqemu.translator.adl.errors import DescriptionError

#: Binary operators by strength, weakest first; all of one level group from the left.
_LEVELS = (
    ("|",),
    ("^",),
    ("&",),
    ("==", "!=", "<", "<=", ">", ">=", "<u", "<=u", ">u", ">=u", "<s", "<=s", ">s", ">=s"),
    ("<<", ">>"),
    ("+", "-"),
    ("*", "/", "%"),
)
_STRENGTH = {op: level for level, ops in enumerate(_LEVELS) for op in ops}

Children = list[Any]


class TransformBase:
    """Spans, and the rules that every other rule is made of."""

    def __init__(self) -> None:
        self.file = Path("<text>")

    def span(self, first: Any, last: Any = None) -> Span:
        """From the start of a token or node to the end of another (or the same)."""
        a = self.token_span(first) if isinstance(first, Token) else first.span
        if last is None:
            return a
        b = self.token_span(last) if isinstance(last, Token) else last.span
        return Span(self.file, a.line, a.column, b.end_line, b.end_column)

    def token_span(self, token: Token) -> Span:
        """Where a token stands."""
        line, column = token.line or 1, token.column or 1
        return Span(self.file, line, column, token.end_line or line, token.end_column or column)

    def integer(self, token: Token) -> int:
        """The value of a NUMBER."""
        return parse_number(str(token))


def parse_number(text: str) -> int:
    """Reads `12`, `0x1f`, `0b101`, with `_` between digits."""
    return int(text, 0) if text[:2].lower() in ("0x", "0b") else int(text)


class ExpressionTransform(TransformBase):
    """Expressions."""

    def number(self, c: Children) -> ast.Expr:
        return ast.Number(self.token_span(c[0]), self.integer(c[0]))

    def text(self, c: Children) -> ast.Expr:
        return ast.Text(self.token_span(c[0]), c[0][1:-1])

    def name(self, c: Children) -> ast.Expr:
        return ast.Name(self.token_span(c[0]), str(c[0]))

    def call(self, c: Children) -> ast.Expr:
        return ast.Call(self.span(c[0], c[2]), str(c[0]), c[1] or ())

    def parenthesis(self, c: Children) -> ast.Expr:
        return c[0]

    def tuple_(self, c: Children) -> ast.Expr:
        return ast.Tuple(self.span(c[0], c[-1]), tuple(c[1:-1]))

    def list_(self, c: Children) -> ast.Expr:
        return ast.ListExpr(self.span(c[0], c[2]), c[1])

    def comprehension(self, c: Children) -> ast.Expr:
        return ast.ListExpr(self.span(c[0], c[5]), (c[1],), str(c[2]), c[3], c[4])

    def arguments(self, c: Children) -> tuple[ast.Expr, ...]:
        return tuple(c)

    def index(self, c: Children) -> ast.Expr:
        return ast.Index(self.span(c[0], c[2]), c[0], c[1])

    def slice_(self, c: Children) -> ast.Expr:
        return ast.Slice(self.span(c[0], c[3]), c[0], c[1], c[2])

    def prefix(self, c: Children) -> ast.Expr:
        return ast.Unary(self.span(c[0], c[1]), str(c[0]), c[1])

    def conditional(self, c: Children) -> ast.Expr:
        return ast.Conditional(self.span(c[0], c[2]), c[0], c[1], c[2])

    def flat(self, c: Children) -> ast.Expr:
        """Operands and operators in turn, grouped by strength (from the left within a level)."""
        operands: list[ast.Expr] = [c[0]]
        pending: list[str] = []
        for position in range(1, len(c), 2):
            op = str(c[position])
            while pending and _STRENGTH[pending[-1]] >= _STRENGTH[op]:
                self._reduce(operands, pending)
            pending.append(op)
            operands.append(c[position + 1])
        while pending:
            self._reduce(operands, pending)
        return operands[0]

    def _reduce(self, operands: list[ast.Expr], pending: list[str]) -> None:
        right, left = operands.pop(), operands.pop()
        operands.append(ast.Binary(self.span(left, right), pending.pop(), left, right))

    def type_(self, c: Children) -> ast.TypeExpr:
        span = self.token_span(c[0])
        name, arguments = str(c[0]), c[1]
        result = _named_type(span, name) if arguments is None else _computed_type(span, name, arguments)
        if result is None:
            raise DescriptionError(
                span, f"{name!r} is not a type", "types are int, b32 or b(n), and v4x32 or v(lanes, width)"
            )
        return result

    def type_arguments(self, c: Children) -> tuple[ast.Expr, ...]:
        return tuple(e for e in c if e is not None)


def _named_type(span: Span, name: str) -> ast.TypeExpr | None:
    if name == "int":
        return ast.TypeExpr(span)
    lanes, x, width = name[1:].partition("x")
    if name[0] == "b" and name[1:].isdigit() and int(name[1:]) > 0:
        return ast.TypeExpr(span, ast.Number(span, int(name[1:])))
    if name[0] == "v" and x and lanes.isdigit() and width.isdigit():
        return ast.TypeExpr(span, ast.Number(span, int(width)), ast.Number(span, int(lanes)))
    return None


def _computed_type(span: Span, name: str, arguments: tuple[ast.Expr, ...]) -> ast.TypeExpr | None:
    if name == "b" and len(arguments) == 1:
        return ast.TypeExpr(span, arguments[0])
    if name == "v" and len(arguments) == 2:
        return ast.TypeExpr(span, arguments[1], arguments[0])
    return None


class StatementTransform(ExpressionTransform):
    """Statements of `do` blocks and functions."""

    def block(self, c: Children) -> tuple[ast.Stmt, ...]:
        return tuple(s for s in c if s is not None)

    def let(self, c: Children) -> ast.Stmt:
        names = tuple(str(t) for t in c[1:-2] if t is not None and t.type == "NAME")
        return ast.Let(self.span(c[0], c[-1]), names, c[-1], str(c[0]) == "var")

    def assign(self, c: Children) -> ast.Stmt:
        return ast.Assign(self.span(c[0], c[1]), str(c[0]), c[1])

    def write(self, c: Children) -> ast.Stmt:
        return ast.Write(self.span(c[0], c[1]), c[0], c[1])

    def if_(self, c: Children) -> ast.Stmt:
        otherwise = c[4] or ()
        if isinstance(otherwise, ast.If):
            otherwise = (otherwise,)
        return ast.If(self.span(c[0], c[1]), c[1], c[2], otherwise)

    def for_(self, c: Children) -> ast.Stmt:
        return ast.For(self.span(c[0], c[5]), str(c[1]), c[3], c[5], c[6])

    def goto(self, c: Children) -> ast.Stmt:
        return ast.Goto(self.span(c[0], c[2]), c[2], "plain" if c[1] is None else str(c[1]))

    def raise_(self, c: Children) -> ast.Stmt:
        return ast.Raise(self.token_span(c[0]), str(c[0]), c[1] or ())

    def return_(self, c: Children) -> ast.Stmt:
        return ast.Return(c[0].span, c[0])

    def expr_statement(self, c: Children) -> ast.Stmt:
        return ast.ExprStmt(c[0].span, c[0])
