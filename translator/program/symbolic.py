"""Runs the IR of instructions on expressions instead of numbers, and evaluates the expressions.

An expression is an int, or a `Node` over what was in registers and memory where the run began. Equal nodes are the same
object, so that one that was compared is recognised where it is used. Only scalars are followed; what else happens makes
a node of its own that nothing is known of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pyqemu.translator.ir.function import Block, Op, Successor, Value
from pyqemu.translator.ir.interp_int import ELEMENTWISE, WHOLE, Runtime, pure_result
from pyqemu.translator.ir.ops import OPS, Effect
from pyqemu.translator.ir.types import Bits
from pyqemu.translator.program.flow import Step
from pyqemu.translator.static import evaluate as evaluate_static

#: Expressions deeper than this are not followed further.
_DEEPEST = 64
#: Operations after which memory may hold something else, and those that leave an instruction.
_CHANGE_MEMORY = frozenset(name for name, spec in OPS.items() if spec.effects & (Effect.STORES | Effect.CALLS))
_LEAVE = frozenset(name for name, spec in OPS.items() if spec.effects & Effect.LEAVES)
#: op -> c with `x op c = x`; -1 stands for all ones.
_NEUTRAL = {"add": 0, "sub": 0, "or": 0, "xor": 0, "shl": 0, "lshr": 0, "ashr": 0, "rotr": 0, "mul": 1, "and": -1}
#: Blocks of one instruction that are run, over all ways through it.
_MOST_BLOCKS = 64


@dataclass(eq=False, frozen=True, slots=True)
class Node:
    """An operation of the IR on expressions, or with `op` "register", "load", "unknown" what is not known."""

    op: str
    width: int
    args: tuple[Expr, ...]
    detail: Any
    origin: Op | None
    depth: int


Expr = int | Node

#: A register: name and index.
Place = tuple[str, int | None]
#: Gives the value of a load: address, bytes, byte order.
Loader = Callable[[int, int, str], int | None]


@dataclass(frozen=True, slots=True)
class State:
    """Registers that were written, and how often memory was, since the run began; what had to hold to come here."""

    registers: Mapping[Place, Expr] = field(default_factory=dict[Place, Expr])
    stores: int = 0
    conditions: tuple[tuple[Expr, bool], ...] = ()


@dataclass(frozen=True, slots=True)
class Way:
    """One way out of an instruction: the terminator, what it is given, and the state there."""

    exit: Op
    operands: tuple[Expr, ...]
    state: State


#: Where a run goes on inside an instruction: the block, the values known there, and the state.
_Branch = tuple[Block, dict[Value, Expr], State]


class Symbolic:
    """Makes expressions; those of one `Symbolic` can be compared by identity."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[Any, ...], Node] = {}
        self._unknown = 0

    def node(
        self, op: str, width: int, args: tuple[Expr, ...] = (), detail: Any = None, origin: Op | None = None
    ) -> Node:
        """The one node for this; an unknown one if it would be too deep."""
        key = (op, width, args, detail)
        found = self._nodes.get(key)
        if found is None:
            depth = 1 + max((arg.depth for arg in args if isinstance(arg, Node)), default=0)
            if depth > _DEEPEST:
                return self.unknown(width)
            found = self._nodes[key] = Node(op, width, args, detail, origin, depth)
        return found

    def unknown(self, width: int) -> Node:
        """A value that is like no other."""
        self._unknown += 1
        return self.node("unknown", width, (), self._unknown)

    def register(self, place: Place, width: int) -> Node:
        """What was in a register where the run began."""
        return self.node("register", width, (), place)

    def read(self, state: State, place: Place, width: int) -> Expr:
        """What is in a register."""
        found = state.registers.get(place)
        return self.register(place, width) if found is None else found

    # --- running ---

    def run(self, step: Step, here: int, state: State) -> list[Way]:
        """All ways through the instruction at `here`; nothing if there are too many."""
        ways: list[Way] = []
        pending: list[_Branch] = [(step.meaning.entry, {}, state)]
        for _ in range(_MOST_BLOCKS):
            if not pending:
                return ways
            block, values, now = pending.pop()
            ways_on, end = self._run_block(step, here, block, values, now)
            pending += ways_on
            if end is not None:
                ways.append(end)
        return []

    def _run_block(
        self, step: Step, here: int, block: Block, values: dict[Value, Expr], state: State
    ) -> tuple[list[_Branch], Way | None]:
        """Runs one block: the blocks to go on with, or the way out."""
        registers, stores = dict(state.registers), state.stores
        for op in block.ops[:-1]:
            if op.name == "write":
                place, zero = place_of(step, here, op)
                if not zero:
                    registers[place] = values[op.operands[0]]
            elif op.name == "read":
                place, zero = place_of(step, here, op)
                width = op.results[0].type.total
                values[op.results[0]] = 0 if zero else registers.get(place, self.register(place, width))
            else:
                stores += op.name in _CHANGE_MEMORY
                self._value(step, here, op, values, stores)
        now = replace(state, registers=registers, stores=stores)
        last = block.terminator
        operands = tuple(values[operand] for operand in last.operands)
        if last.name in _LEAVE:
            return [], Way(last, operands, now)
        return _successors(last, operands, values, now), None

    def _value(self, step: Step, here: int, op: Op, values: dict[Value, Expr], stores: int) -> None:
        """Gives an operation's results their expressions."""
        if len(op.results) != 1:
            values.update((result, self.unknown(result.type.total)) for result in op.results)
            return
        result = op.results[0]
        width = result.type.total
        operands = tuple(values[operand] for operand in op.operands)
        if op.name == "hole":
            values[result] = evaluate_static(op.attrs["expr"], step.fields, here, step.context) & (1 << width) - 1
        elif op.name == "load":
            values[result] = self.node("load", width, operands, (op.attrs["endian"], stores))
        elif op.name in ELEMENTWISE or op.name in WHOLE:
            values[result] = self.apply(op, operands)
        else:
            values[result] = self.unknown(width)

    def apply(self, op: Op, operands: Sequence[Expr]) -> Expr:
        """A pure operation on expressions."""
        width = op.results[0].type.total
        if any(not isinstance(value.type, Bits) for value in (*op.operands, *op.results)):
            return self.unknown(width)
        if all(isinstance(operand, int) for operand in operands):
            return _scalar(pure_result(op, [operand for operand in operands if isinstance(operand, int)]))
        return _simplified(op, operands) or self._node_of(op, operands)

    def _node_of(self, op: Op, operands: Sequence[Expr]) -> Node:
        widths = tuple(operand.type.width for operand in op.operands)
        detail = (widths, op.attrs.get("lo"), op.attrs.get("table"))
        return self.node(op.name, op.results[0].type.total, tuple(operands), detail, op)

    # --- evaluating ---

    def substitute(self, expr: Expr, known: Mapping[Node, Expr], load: Loader | None = None) -> Expr:
        """`expr` with nodes replaced, and everything computed that then is known; `load` reads constant memory."""
        done: dict[Node, Expr] = dict(known)

        def visit(node: Expr) -> Expr:
            if isinstance(node, int):
                return node
            found = done.get(node)
            if found is None:
                found = done[node] = self._again(node, tuple(visit(arg) for arg in node.args), load)
            return found

        return visit(expr)

    def _again(self, node: Node, args: tuple[Expr, ...], load: Loader | None) -> Expr:
        """A node with other arguments."""
        if node.op == "load" and load is not None and isinstance(args[0], int):
            loaded = load(args[0], node.width // 8, node.detail[0])
            if loaded is not None:
                return loaded
        if args == node.args:
            return node
        if node.origin is not None:
            return self.apply(node.origin, args)
        return self.node(node.op, node.width, args, node.detail)


def _simplified(op: Op, operands: Sequence[Expr]) -> Node | None:
    """The operand that an operation leaves as it is, so that it is still the same node; None if it changes it.

    Narrowing undoes widening: a register's low half is the node that was written there.
    """
    first = operands[0]
    result: Expr = 0
    if op.name in _NEUTRAL and operands[1] == _NEUTRAL[op.name] % (1 << op.results[0].type.width):
        result = first
    elif (op.name in ("add", "or", "xor") and first == 0) or (op.name == "select" and operands[1] == operands[2]):
        result = operands[1]
    elif isinstance(first, Node) and first.op in ("zext", "sext", "trunc", "concat"):
        inner = first.args[-1]
        narrowed = op.name == "trunc" or (op.name == "extract" and op.attrs["lo"] == 0)
        if narrowed and isinstance(inner, Node) and inner.width == op.results[0].type.width:
            result = inner
    return result if isinstance(result, Node) else None


def place_of(step: Step, here: int, op: Op) -> tuple[Place, bool]:
    """The register that a read or write means, and whether it is the zero register."""
    index = op.attrs["index"]
    if index is not None:
        index = evaluate_static(index, step.fields, here, step.context)
    return (op.attrs["reg"], index), index is not None and index == op.attrs["zero"]


def nodes_of(expr: Expr) -> list[Node]:
    """All nodes of an expression, each once, those above before those below."""
    found: dict[Node, None] = {}
    pending = [expr]
    while pending:
        node = pending.pop()
        if isinstance(node, Node) and node not in found:
            found[node] = None
            pending.extend(reversed(node.args))
    return list(found)


def _successors(last: Op, operands: tuple[Expr, ...], values: dict[Value, Expr], state: State) -> list[_Branch]:
    """Where a jump or branch goes on inside an instruction, with what then is known."""
    if last.name == "jump":
        return [_enter(last.successors[0], values, state)]
    condition = operands[0]
    if isinstance(condition, int):
        return [_enter(last.successors[0 if condition else 1], values, state)]
    then = replace(state, conditions=(*state.conditions, (condition, True)))
    otherwise = replace(state, conditions=(*state.conditions, (condition, False)))
    return [_enter(last.successors[0], values, then), _enter(last.successors[1], values, otherwise)]


def _enter(edge: Successor, values: dict[Value, Expr], state: State) -> _Branch:
    passed = [values[argument] for argument in edge.arguments]
    return edge.block, {**values, **dict(zip(edge.block.arguments, passed, strict=True))}, state


def _scalar(value: Runtime | None) -> int:
    assert isinstance(value, int)
    return value
