"""Prints IR as text that `parser` reads back to an equal function."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from pyqemu.translator.ir.attributes import DEFAULTS, KINDS, Kind
from pyqemu.translator.ir.function import Block, Function, Op, Successor, Value
from pyqemu.translator.ir.ops import OPS
from pyqemu.translator.static import Apply, Ctx, Element, Field, Here, StaticExpr

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\Z")
_LABEL = re.compile(r"[A-Za-z0-9_.$-]+\Z")
_ALWAYS_NAMED = frozenset({"order", "endian", "kind", "signal"})

#: For each operation the attribute that is printed without its name, first of all.
BARE = {
    name: spec.attrs[0]
    for name, spec in OPS.items()
    if spec.attrs and (spec.attrs[0] not in _ALWAYS_NAMED or name == "fence")
}


def print_static(expr: StaticExpr) -> str:
    """A decode-time expression as an s-expression: `(shl $imm:12 12)`."""
    match expr:
        case int():
            return print_int(expr)
        case Field(name, width, signed):
            return f"${name}:{'s' if signed else ''}{width}"
        case Here(width):
            return "here" if width == 64 else f"(here {width})"
        case Ctx(name, width):
            return f"(ctx {_word(name)} {width})"
        case Element(table, index):
            return f"(table {_ints(table)} {print_static(index)})"
        case Apply(op, args):
            return f"({op} {' '.join(map(print_static, args))})"


def print_int(value: int) -> str:
    """Decimal up to 4095, hexadecimal beyond."""
    return str(value) if abs(value) < 4096 else hex(value)


def print_function(function: Function) -> str:
    """The function's text, which ends in a newline."""
    return _Printer().function(function)


def print_functions(functions: Iterable[Function]) -> str:
    """Several functions, parted by empty lines."""
    return "\n".join(map(print_function, functions))


def print_op(op: Op) -> str:
    """One operation by itself, for messages; unnamed values are numbered as they occur in it."""
    return _Printer().op(op)


def _word(text: str) -> str:
    return text if _NAME.match(text) else json.dumps(text)


def _sigil(sigil: str, text: str) -> str:
    return sigil + (text if _LABEL.match(text) else json.dumps(text))


def _ints(values: Iterable[int]) -> str:
    return f"[{' '.join(map(print_int, values))}]"


def _attribute(key: str, value: Any) -> str:
    if value is None:
        return "none"
    if key == "fn":
        return _sigil("@", value)
    match KINDS[key]:
        case Kind.NAME:
            return _word(value)
        case Kind.INTS:
            return _ints(value)
        case Kind.PLACES:
            return f"[{' '.join(_word(reg) + ('' if index is None else f'[{index}]') for reg, index in value)}]"
        case _:
            return print_static(value)


class _Printer:
    """Gives values their names: their own if it is a name that no earlier value has, else a number."""

    def __init__(self) -> None:
        self._names: dict[Value, str] = {}
        self._taken: set[str] = set()
        self._count = 0

    def function(self, function: Function) -> str:
        self._name_all(function)
        header = f"func {_sigil('@', function.name)}"
        arguments = function.blocks[0].arguments if function.blocks else []
        if arguments or function.results:
            header += self._parameters(arguments)
        if function.results:
            header += f" -> ({', '.join(map(str, function.results))})"
        if function.label:
            header += f" {json.dumps(function.label)}"
        body = [self._block(block, place == 0) for place, block in enumerate(function.blocks)]
        return "".join([header, " {\n", *body, "}\n"])

    def _name_all(self, function: Function) -> None:
        for block in function.blocks:
            for value in block.arguments:
                self._name(value)
            for op in block.ops:
                for value in op.results:
                    self._name(value)

    def _name(self, value: Value) -> str:
        if value not in self._names:
            name = value.name
            if not _NAME.match(name) or name in self._taken:
                name, self._count = str(self._count), self._count + 1
            self._taken.add(name)
            self._names[value] = f"%{name}"
        return self._names[value]

    def _typed(self, values: Iterable[Value]) -> str:
        return ", ".join(f"{self._name(value)}:{value.type}" for value in values)

    def _parameters(self, values: Iterable[Value]) -> str:
        return f"({self._typed(values)})"

    def _block(self, block: Block, entry: bool) -> str:
        arguments = self._parameters(block.arguments) if block.arguments and not entry else ""
        lines = [f"{_sigil('^', block.label)}{arguments}:\n"]
        lines.extend(f"  {self.op(op)}\n" for op in block.ops)
        return "".join(lines)

    def op(self, op: Op) -> str:
        attributes = self._attributes(op)
        parts = [
            f"{self._typed(op.results)} = " if op.results else "",
            op.name,
            f"<{' '.join(attributes)}>" if attributes else "",
            *[f" {self._name(value)}" for value in op.operands],
            *[f" {self._successor(edge)}" for edge in op.successors],
        ]
        return "".join(parts)

    def _attributes(self, op: Op) -> list[str]:
        bare = BARE.get(op.name)
        shown: list[str] = []
        for key, value in op.attrs.items():
            if key == bare:
                text = _attribute(key, value)
                if key == "reg" and op.attrs.get("index") is not None:
                    text += f"[{print_static(op.attrs['index'])}]"
                shown.append(text)
            elif not (key == "index" and bare == "reg") and (key not in DEFAULTS or value != DEFAULTS[key]):
                shown.append(f"{key}={_attribute(key, value)}")
        return shown

    def _successor(self, edge: Successor) -> str:
        arguments = ", ".join(map(self._name, edge.arguments))
        return _sigil("^", edge.block.label) + (f"({arguments})" if arguments else "")
