"""What expressions of a description evaluate to while an instruction is elaborated, and where names live.

A value known before run time is a `StaticExpr`, a run-time value is an IR `Value`; tuples come from
functions with several results, `ListValue` from lists.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from pyqemu.translator.adl import ast
from pyqemu.translator.ir.function import Value
from pyqemu.translator.ir.types import Bits, Type
from pyqemu.translator.static import Apply, Ctx, Element, Field, Here, StaticExpr


@dataclass(frozen=True, slots=True)
class ListValue:
    """`[a, b, …]`: an argument of `shuffle`."""

    items: tuple[Val, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """`test ? then : otherwise` at run time between ints: it has no width until it meets one."""

    test: Value
    then: Val
    otherwise: Val


Val = int | Field | Here | Ctx | Apply | Element | Value | tuple["Val", ...] | ListValue | Choice


@dataclass(eq=False, slots=True)
class Cell:
    """A `var`: what it holds is part of the path (`Path.cells`), because branches change it."""

    name: str


@dataclass(eq=False, slots=True)
class Lazy:
    """A `let` of an instruction, evaluated when it is first asked for: `undef` conditions come first."""

    expr: ast.Expr
    scope: Scope
    value: Val | None = None
    busy: bool = False


Binding = Val | Cell | Lazy


class Scope:
    """Names of one block of statements; `parent` is the block around it."""

    __slots__ = ("names", "parent")

    def __init__(self, parent: Scope | None = None, names: dict[str, Binding] | None = None) -> None:
        self.parent = parent
        self.names: dict[str, Binding] = {} if names is None else names

    def find(self, name: str) -> Binding | None:
        """What `name` is bound to here or further out, or None."""
        scope: Scope | None = self
        while scope is not None:
            found = scope.names.get(name)
            if found is not None:
                return found
            scope = scope.parent
        return None

    def all_names(self) -> set[str]:
        """Every name that can be seen from here."""
        return set(self.names) | (self.parent.all_names() if self.parent else set())


_STATIC_TYPES = frozenset({int, Field, Here, Ctx, Apply, Element})


def as_static(value: Binding) -> StaticExpr | None:
    """`value` if it is known before run time, else None."""
    return cast(StaticExpr, value) if type(value) in _STATIC_TYPES else None


def type_name(ty: Type) -> str:
    """A type as descriptions write it: b32, v4x32."""
    return f"b{ty.width}" if isinstance(ty, Bits) else f"v{ty.lanes}x{ty.width}"


def describe(value: Binding) -> str:
    """What a value is, for error messages."""
    if isinstance(value, Value):
        return type_name(value.type)
    if isinstance(value, tuple):
        return f"a tuple ({', '.join(describe(item) for item in value)})" if value else "no value"
    if isinstance(value, ListValue):
        return "a list"
    if isinstance(value, Choice):
        return "a choice between ints"
    return "an int"
