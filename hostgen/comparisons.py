"""Conditions on two numbers put together again, where a guest takes them apart into flags.

`a - y` leaves a sign, a zero, a carry and an overflow; a branch asks for two or three of them. What it means is a
relation of a and y, which hosts test with one comparison, and LLVM finds that only where nobody else
looks at the flags.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pyqemu.hostgen.emit import Operand
from pyqemu.hostgen.lower import Lowering
from pyqemu.translator.ir.function import Op, Value
from pyqemu.translator.ir.types import Bits

_LESS, _EQUAL, _GREATER = 1, 2, 4
_ALL = _LESS | _EQUAL | _GREATER
_PREDICATES = {
    _LESS: "lt", _LESS | _EQUAL: "le", _GREATER: "gt", _GREATER | _EQUAL: "ge", _EQUAL: "eq", _LESS | _GREATER: "ne",
}  # fmt: skip
_OUTCOMES = {
    "eq": (_EQUAL, ""), "ne": (_LESS | _GREATER, ""), "ult": (_LESS, "u"), "ule": (_LESS | _EQUAL, "u"),
    "slt": (_LESS, "s"), "sle": (_LESS | _EQUAL, "s"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Relation:
    """True for some of the `outcomes` less, equal, greater of a against b; `order`: `u`, `s`, or '' if both agree."""

    outcomes: int
    order: str
    a: Value
    b: Value

    def swapped(self) -> Relation:
        """The same of b against a."""
        less, greater = self.outcomes & _LESS, self.outcomes & _GREATER
        outcomes = self.outcomes & _EQUAL | (_GREATER if less else 0) | (_LESS if greater else 0)
        return Relation(outcomes, self.order, self.b, self.a)


def relation_of(f: Lowering, op: Op | None) -> Relation | None:
    """The relation that the result of `op` says, if it is one of two scalars."""
    if op is None or op.results[0].type != Bits(1):
        return None
    match op.name:
        case "eq" | "ne" if op.operands[0].type == Bits(1):
            return _of_sign_and_overflow(f, op)
        case "eq" | "ne" | "ult" | "ule" | "slt" | "sle":
            return Relation(*_OUTCOMES[op.name], *op.operands)
        case "not":
            relation = relation_of(f, f.definition(op.operands[0]))
            return relation and replace(relation, outcomes=_ALL ^ relation.outcomes)
        case "and" | "or":
            return _joined(op.name, *(relation_of(f, f.definition(operand)) for operand in op.operands))
        case _:
            return None


def emit(f: Lowering, relation: Relation) -> Operand | None:
    """The comparison; None if there is nothing to compare."""
    predicate = _PREDICATES.get(relation.outcomes)
    if predicate is None or (not relation.order and predicate not in ("eq", "ne")):
        return None
    order = "" if predicate in ("eq", "ne") else relation.order
    return f.e.icmp(order + predicate, f.of(relation.a), f.of(relation.b))


def _joined(name: str, first: Relation | None, second: Relation | None) -> Relation | None:
    if first is None or second is None or (first.order and second.order and first.order != second.order):
        return None
    if (first.a, first.b) == (second.b, second.a):
        second = second.swapped()
    if (first.a, first.b) != (second.a, second.b):
        return None
    outcomes = first.outcomes & second.outcomes if name == "and" else first.outcomes | second.outcomes
    return Relation(outcomes, first.order or second.order, first.a, first.b)


def _of_sign_and_overflow(f: Lowering, op: Op) -> Relation | None:
    """Sign and overflow of a difference a - y differ just if a is less than y."""
    first, second = op.operands
    for sign, overflow in ((first, second), (second, first)):
        negative, over = f.definition(sign), f.definition(overflow)
        if negative is None or over is None or (negative.name, over.name) != ("slt", "add_overflow"):
            continue
        difference, inverted = f.definition(negative.operands[0]), f.definition(over.operands[1])
        if difference is None or difference.name != "sub" or inverted is None or inverted.name != "not":
            continue
        a, y = difference.operands
        zero = f.of(negative.operands[1]).ref == "0" and known_bit(f, over.operands[2]) == 1
        if zero and over.operands[0] is a and inverted.operands[0] is y:
            return Relation(_GREATER | _EQUAL if op.name == "eq" else _LESS, "s", a, y)
    return None


def known_bit(f: Lowering, value: Value) -> int | None:
    """A bit that is a constant."""
    definition = f.definition(value)
    return definition.attrs["value"] & 1 if definition is not None and definition.name == "const" else None
