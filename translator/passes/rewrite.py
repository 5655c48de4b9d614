"""What passes share: who defines and uses a value, and replacing one by another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pyqemu.translator.ir.function import Function, Op, Value


class Pass(Protocol):
    """A pass changes the function it is given and says whether it did."""

    def run(self, function: Function) -> bool:
        """Changes `function` in place; whether anything changed."""
        ...


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What an operation becomes: another operation with a result of the same type."""

    name: str
    operands: tuple[Value, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict[str, Any])


#: What a rule says of an operation's one result: it is that value, that constant, or given by that operation.
Simplified = Value | int | Rewrite | None


class Facts:
    """What is known of values: the operations that define them."""

    def __init__(self, function: Function) -> None:
        self._definitions = {result: op for op in ops_of(function) for result in op.results}

    def op(self, value: Value, *names: str) -> Op | None:
        """The operation that gives `value`, if it is one of `names`."""
        op = self._definitions.get(value)
        return op if op is not None and op.name in names else None

    def constant(self, value: Value) -> int | None:
        """The constant that `value` is (in every lane), or None."""
        op = self.op(value, "const")
        return None if op is None else op.attrs["value"]


def ops_of(function: Function) -> Iterator[Op]:
    """All operations, block by block."""
    for block in function.blocks:
        yield from block.ops


def replace_uses(function: Function, replacements: Mapping[Value, Value]) -> None:
    """Puts `replacements[v]` in place of every use of v, chains included."""

    def final(value: Value) -> Value:
        while value in replacements:
            value = replacements[value]
        return value

    replaced = replacements.keys()
    if not replaced:
        return
    for block in function.blocks:
        for op in block.ops:
            if not replaced.isdisjoint(op.operands):
                op.operands[:] = map(final, op.operands)
        for edge in block.terminator.successors:
            edge.arguments[:] = map(final, edge.arguments)


def simplify_all(function: Function, rule: Callable[[Op, Facts], Simplified]) -> bool:
    """Applies `rule` to each operation until it has nothing more to say; whether anything changed."""
    changed = False
    while _simplify_once(function, rule):
        changed = True
    return changed


def _simplify_once(function: Function, rule: Callable[[Op, Facts], Simplified]) -> bool:
    facts = Facts(function)
    replacements: dict[Value, Value] = {}
    changed = False
    for block in function.blocks:
        kept: list[Op] = []
        for op in block.ops:
            op.operands[:] = [replacements.get(value, value) for value in op.operands]
            match rule(op, facts):
                case None:
                    kept.append(op)
                    continue
                case Value() as value:  # the operation goes with its result, so that it is not seen again
                    replacements[op.results[0]] = replacements.get(value, value)
                case int(constant):
                    kept.append(op)
                    constant &= (1 << op.results[0].type.width) - 1
                    op.name, op.operands, op.attrs = "const", [], {"value": constant}
                case Rewrite(name, operands, attrs):
                    kept.append(op)
                    op.name, op.operands, op.attrs = name, list(operands), dict(attrs)
            changed = True
        block.ops = kept
    replace_uses(function, replacements)
    return changed
