"""Expressions and types in the syntax tree (`ast`, which has the rest, and under whose name they are used)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a source file; lines and columns count from 1, the end column is not included."""

    file: Path
    line: int
    column: int
    end_line: int
    end_column: int


# --- expressions ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Expr:
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Number(Expr):
    value: int


@dataclass(frozen=True, slots=True)
class Text(Expr):
    """A string literal; only as an option: `atomic_rmw("add", …)`, `ftosi(x, w, "z")`, or in text."""

    value: str


@dataclass(frozen=True, slots=True)
class Name(Expr):
    """A local, field, register, flag, flag group, context variable, option word (`acquire`), or `here`."""

    name: str


@dataclass(frozen=True, slots=True)
class Unary(Expr):
    op: str  # - ~ !
    operand: Expr


@dataclass(frozen=True, slots=True)
class Binary(Expr):
    op: str  # as written: + - * / % << >> & | ^ == != < <= > >= <u <=u >u >=u <s <=s >s >=s
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Conditional(Expr):
    condition: Expr
    then: Expr
    otherwise: Expr


@dataclass(frozen=True, slots=True)
class Index(Expr):
    """`base[e, …]`: register of a file or view, bit, lane, element of a constant table, or `mem[a, n, option]`."""

    base: Expr
    arguments: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Slice(Expr):
    """`base[high:low]`."""

    base: Expr
    high: Expr
    low: Expr


@dataclass(frozen=True, slots=True)
class Call(Expr):
    """`name(e, …)`: a function, built-in, operand table, or the parameterised part of a view."""

    name: str
    arguments: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Tuple(Expr):
    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class ListExpr(Expr):
    """`[a, b, …]`, or with `variable`: `[item for variable in low..high]`, then items has one entry."""

    items: tuple[Expr, ...]
    variable: str | None = None
    low: Expr | None = None
    high: Expr | None = None


# --- types ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TypeExpr:
    """`int`; `b32`/`b(e)`: lanes is None; `v(k, n)`/`v4x32`; width None means `int`."""

    span: Span = field(compare=False, repr=False)
    width: Expr | None = None
    lanes: Expr | None = None
