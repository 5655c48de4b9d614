"""Static expressions as Python functions, for code that evaluates them millions of times.

The text that is compiled is made of operators, numbers and names chosen here only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pyqemu.translator.static import OPERATIONS, Apply, Ctx, Element, Field, Here, StaticExpr, interval
from pyqemu.translator.target import EncodingField

_INFIX = {
    "add": "+", "sub": "-", "mul": "*", "and": "&", "or": "|", "xor": "^",
    "eq": "==", "ne": "!=", "lt": "<", "le": "<=",
}  # fmt: skip

#: What compiled text may name besides its own variables.
NAMESPACE: Mapping[str, Any] = {f"op_{name}": function for name, function in OPERATIONS.items()}


class Source:
    """Python text of static expressions; `leaf` gives the text of a field, context variable or `here`."""

    def __init__(self, leaf: Callable[[Field | Ctx | Here], str]) -> None:
        self.leaf = leaf
        self.namespace: dict[str, Any] = dict(NAMESPACE)

    def constant(self, value: object) -> str:
        """A name for a value that is too large for the text."""
        name = f"k{len(self.namespace)}"
        self.namespace[name] = value
        return name

    def text(self, expr: StaticExpr) -> str:
        """The expression; its value is an int or, for a comparison, a bool."""
        match expr:
            case int():
                return f"({expr})" if expr < 0 else str(expr)
            case Field() | Ctx() | Here():
                return self.leaf(expr)
            case Element(table, index):
                name = self.constant(table)
                return f"({name}[_i] if 0 <= (_i := {self.text(index)}) < {len(table)} else 0)"
            case Apply("select", (condition, then, otherwise)):
                return f"({self.text(then)} if {self.text(condition)} else {self.text(otherwise)})"
            case Apply("bits", (value, int(width))):
                return f"({self.text(value)} & {(1 << max(width, 0)) - 1})"
            case Apply("shl" | "shr" as op, (value, int(amount))) if amount >= 0:
                return f"({self.text(value)} {'<<' if op == 'shl' else '>>'} {amount})"
            case Apply("neg" | "inv" as op, (value,)):
                return f"({'-' if op == 'neg' else '~'}{self.text(value)})"
            case Apply(op, args) if op in _INFIX:
                return f"({self.text(args[0])} {_INFIX[op]} {self.text(args[1])})"
            case Apply(op, args):
                return f"op_{op}({', '.join(self.text(arg) for arg in args)})"

    def number(self, expr: StaticExpr) -> str:
        """The expression as an int in any case."""
        text = self.text(expr)
        return f"({text} + 0)" if isinstance(expr, Apply) and interval(expr)[1] <= 1 else text

    def function(self, parameters: str, body: str) -> Callable[..., Any]:
        """Compiles `def f(parameters): body`; body is indented by one space."""
        exec(f"def f({parameters}):\n{body}", self.namespace)
        return self.namespace["f"]


def extraction(field: EncodingField, word: str = "word") -> str:
    """Python text for a field's value in `word`."""
    parts: list[str] = []
    for piece in field.slices:
        text = f"{word} >> {piece.source} & {(1 << piece.width) - 1}"
        parts.append(f"({text}) << {piece.target}" if piece.target else f"({text})")
    whole = " | ".join(parts)
    if field.signed:
        sign = 1 << (field.width - 1)
        return f"((({whole}) ^ {sign}) - {sign})"
    return f"({whole})"


def word_test(
    fields: Mapping[str, EncodingField], expr: StaticExpr
) -> Callable[[int, Mapping[str, int]], bool]:
    """`test(word, context)`: whether `expr` is nonzero for the fields of `word`."""

    def leaf(item: Field | Ctx | Here) -> str:
        if isinstance(item, Ctx):
            return f"context.get({item.name!r}, 0)"
        if isinstance(item, Here):
            raise ValueError("this does not depend on the address")
        return extraction(fields[item.name])

    source = Source(leaf)
    return source.function("word, context", f" return bool({source.text(expr)})")
