"""Constants and copies across blocks (sparse conditional constant propagation, Wegman and Zadeck 1991).

A block argument is a constant, or a copy of another value, if it is so on every edge that control can take; which edges
those are is found together with the constants, so that what only a dead branch brings does not count. What turns out to
be constant becomes `const`, decided branches become jumps. What is left behind, simplify_cfg and dce remove.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pyqemu.translator.ir.function import Block, Function, Op, Successor, Value
from pyqemu.translator.ir.ops import PURE
from pyqemu.translator.passes.fold import constant_result
from pyqemu.translator.passes.rewrite import replace_uses

#: What is known of a value: nothing yet (it is not in the table), that it is a constant or a value (itself, if it is
#: neither a constant nor a copy).
_Known = int | Value


@dataclass(frozen=True, slots=True)
class ConstProp:
    """Replaces values that are constants or copies wherever control can come from."""

    def run(self, function: Function) -> bool:
        """Changes `function` in place; whether anything changed."""
        solution = _Solution(function)
        solution.solve()
        return _rewrite(function, solution)


@dataclass(slots=True)
class _Solution:
    """Facts only ever go from nothing to a constant or a copy, and on to the value itself."""

    function: Function
    known: dict[Value, _Known] = field(default_factory=dict[Value, _Known])
    reached: dict[Block, list[Successor]] = field(default_factory=dict[Block, list[Successor]])  # by edges in use
    _taken: set[Successor] = field(default_factory=set[Successor])
    _users: dict[Value, list[tuple[Block, Op]]] = field(default_factory=dict[Value, list[tuple[Block, Op]]])
    _pending: list[tuple[Block, Op]] = field(default_factory=list[tuple[Block, Op]])

    def solve(self) -> None:
        """Finds all facts."""
        for block in self.function.blocks:
            for op in block.ops:
                for value in {*op.operands, *(value for edge in op.successors for value in edge.arguments)}:
                    self._users.setdefault(value, []).append((block, op))
        entry = self.function.entry
        for argument in entry.arguments:
            self.known[argument] = argument
        self._begin(entry)
        while self._pending:
            block, op = self._pending.pop()
            if block in self.reached:
                self._visit(op)

    def final(self, value: Value) -> _Known | None:
        """What `value` is, through copies of copies; None if control never makes it."""
        known = self.known.get(value)
        while isinstance(known, Value) and known is not value:
            value = known
            known = self.known.get(value)
        return known

    def _begin(self, block: Block) -> None:
        self.reached[block] = []
        self._pending += [(block, op) for op in reversed(block.ops)]

    def _visit(self, op: Op) -> None:
        for edge in self._ways(op):
            self._take(edge)
        for result in op.results:
            fact = self._fact(op, result)
            if fact is not None:
                self._learn(result, fact)

    def _fact(self, op: Op, result: Value) -> _Known | None:
        """What an operation gives; nothing as long as an operand is not known."""
        if op.name not in PURE or len(op.results) > 1:
            return result
        if op.name == "const":
            return op.attrs["value"]
        facts = [self.final(value) for value in op.operands]
        if None in facts:
            return None
        constant = constant_result(op, [fact if isinstance(fact, int) else None for fact in facts]) if facts else None
        return result if constant is None else constant

    def _ways(self, op: Op) -> list[Successor]:
        """The edges that control may take behind `op`."""
        if op.name != "branch":
            return op.successors
        match self.final(op.operands[0]):
            case None:
                return []
            case int(decided):
                return [op.successors[0 if decided else 1]]
            case _:
                return op.successors

    def _take(self, edge: Successor) -> None:
        if edge.block not in self.reached:
            self._begin(edge.block)
        if edge not in self._taken:
            self._taken.add(edge)
            self.reached[edge.block].append(edge)
        for place, argument in enumerate(edge.block.arguments):
            brought = [self.final(other.arguments[place]) for other in self.reached[edge.block]]
            facts = {fact for fact in brought if fact is not None and fact is not argument}
            if facts:
                self._learn(argument, facts.pop() if len(facts) == 1 else argument)

    def _learn(self, value: Value, fact: _Known) -> None:
        """Notes a fact; one that contradicts what was known makes of it a value of its own."""
        known = self.known.get(value)
        if known is value or known == fact:
            return
        self.known[value] = fact if known is None else value
        self._pending += self._users.get(value, [])


def _rewrite(function: Function, solution: _Solution) -> bool:
    """Puts what was found into the function's text."""
    replaced: dict[Value, Value] = {}
    changed = False
    for block in function.blocks:
        if block not in solution.reached:
            continue
        constants: list[Op] = []
        for argument in block.arguments:
            changed |= _replace_argument(argument, solution.final(argument), constants, replaced)
        for op in block.ops:
            changed |= _replace_operation(op, solution)
        block.ops[:0] = constants
    replace_uses(function, replaced)
    return changed


def _replace_argument(value: Value, fact: _Known | None, constants: list[Op], replaced: dict[Value, Value]) -> bool:
    """A constant or a copy in place of a block argument, which dce then drops."""
    if fact is None or fact is value:
        return False
    if isinstance(fact, int):
        made = Value(value.type)
        constants.append(Op("const", results=[made], attrs={"value": fact}))
        fact = made
    replaced[value] = fact
    return True


def _replace_operation(op: Op, solution: _Solution) -> bool:
    if op.name == "branch":
        decided = solution.final(op.operands[0])
        if isinstance(decided, int):
            edge = op.successors[0 if decided else 1]
            op.name, op.operands, op.attrs, op.successors = "jump", [], {}, [edge]
            return True
    if op.name in PURE and op.name != "const" and len(op.results) == 1:
        fact = solution.final(op.results[0])
        if isinstance(fact, int):
            op.name, op.operands, op.attrs = "const", [], {"value": fact}
            return True
    return False
