"""Computes what a loop only shows, not uses, where it is seen.

When zero_tests.py has asked the vector itself, the reduction of it is a value that each round of the loop makes anew
and only a fault, a poll or the way out of the loop could see. Of such results the loop keeps what they come from (their
*sources*); they are computed at `at` (that is, in landings), where the loop is left, and in the blocks behind it.

Before the first round there are no sources, and the registers are as the loop found them: an argument of its head says
which of the two it is. It runs when registers are values (promote_state.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pyqemu.translator.ir.cfg import predecessors
from pyqemu.translator.ir.function import Block, Function, Op, Successor, Value
from pyqemu.translator.ir.ops import PURE
from pyqemu.translator.ir.types import I1, Type
from pyqemu.translator.passes.rewrite import ops_of

#: What makes a result worth it: all else is hardly dearer than to keep what it comes from.
_DEAR = "shuffle"


@dataclass(frozen=True, slots=True)
class DeferResults:
    """Moves reductions of vectors out of innermost loops that do not use their results."""

    def run(self, function: Function) -> bool:
        """Changes a region in place; whether anything changed."""
        if not any(op.name == _DEAR for op in ops_of(function)):
            return False
        incoming = predecessors(function)
        changed = False
        for head in [block for block in function.blocks if block.ops[0].name == "poll"]:
            loop = _loop(head, incoming)
            dear = any(op.name == _DEAR for block in loop for op in block.ops)
            if dear and _Deferral(function, head, loop).run():
                incoming = predecessors(function)
                changed = True
        return changed


def _loop(head: Block, incoming: Mapping[Block, list[Block]]) -> dict[Block, None]:
    """The blocks of an innermost loop that is entered at its head alone; none if there is no such loop."""
    onward = {block: [edge.block for edge in block.terminator.successors] for block in incoming}
    forth, back = _reached(head, onward), _reached(head, incoming)
    loop = {head: None} | {block: None for block in forth if block in back}
    if head not in forth or any(block not in loop for one in loop if one is not head for block in incoming[one]):
        return {}
    return loop


def _reached(head: Block, edges: Mapping[Block, list[Block]]) -> dict[Block, None]:
    """What can be reached from `head` over `edges` without coming to another poll, in a fixed order."""
    found: dict[Block, None] = {}
    pending = list(edges[head])
    while pending:
        block = pending.pop()
        if block not in found and (block is head or block.ops[0].name != "poll"):
            found[block] = None
            pending += edges[block] if block is not head else ()
    return found


@dataclass(slots=True)
class _Deferral:
    function: Function
    head: Block
    loop: dict[Block, None]
    definitions: dict[Value, Op] = field(default_factory=dict[Value, Op])
    carried: dict[Value, Value] = field(default_factory=dict[Value, Value])  # by argument: what the next round gets
    late: dict[Value, None] = field(default_factory=dict[Value, None])  # what is to be deferred, and carried arguments
    copied: dict[Value, None] = field(default_factory=dict[Value, None])  # that, and what is not worth to be a source

    def run(self) -> bool:
        """Whether there was anything to defer."""
        back = [edge for block in self.loop for edge in block.terminator.successors if edge.block is self.head]
        if len(back) != 1:
            return False
        self.definitions = {value: op for block in self.loop for op in block.ops for value in op.results}
        self.carried = dict(zip(self.head.arguments, back[0].arguments, strict=True))
        self.late = self._dependent()
        self._keep_unused()
        if not any(op.name == _DEAR for op in self._late_ops()):
            return False
        self.copied = self.late | self._cheap()
        self._carry_sources(back[0])
        self._leave_late()
        return True

    def _cheap(self) -> dict[Value, None]:
        """Constants, and casts of what is handed on as it was before."""
        handed = set(self.carried.values())
        ops = [op for block in self.loop for op in block.ops]
        cheap = [op for op in ops if op.name == "const" or (op.name == "bitcast" and op.results[0] not in handed)]
        return {value: None for op in cheap for value in op.results}

    def _late_ops(self) -> list[Op]:
        return [self.definitions[value] for value in self.late if value in self.definitions]

    # --- what can be deferred ---

    def _dependent(self) -> dict[Value, None]:
        """What the loop computes of dear results, from round to round too."""
        found: dict[Value, None] = {}
        while True:
            before = len(found)
            for argument, value in self.carried.items():
                if value in found:
                    found[argument] = None
            for block in self.loop:
                for op in block.ops:
                    if op.name in PURE and (op.name == _DEAR or any(value in found for value in op.operands)):
                        found.update(dict.fromkeys(op.results))
            if len(found) == before:
                return found

    def _keep_unused(self) -> None:
        """Drops from `late` what the loop needs, until all the rest is shown only."""
        while True:
            needed = self._used() | self._accumulated()
            needed.update(a for a, value in self.carried.items() if value not in self.late)
            if not needed & self.late.keys():
                return
            self.late = {value: None for value in self.late if value not in needed}

    def _used(self) -> set[Value]:
        """Values that operations of the loop use which are not late themselves, or that it hands on within."""
        used: set[Value] = set()
        for block in self.loop:
            for op in block.ops:
                if op.name != "at" and not any(value in self.late for value in op.results):
                    used.update(op.operands)
                for edge in op.successors:
                    if edge.block is self.head:
                        pairs = zip(self.head.arguments, edge.arguments, strict=True)
                        used.update(value for argument, value in pairs if argument not in self.late)
                    elif edge.block in self.loop:
                        used.update(edge.arguments)
        return used

    def _accumulated(self) -> set[Value]:
        """Arguments that the next round's values are made from: these would need all rounds' sources."""
        found: set[Value] = set()
        for argument, value in self.carried.items():
            cone = self._cone(value, self.late) if argument in self.late else {}
            if any(source in self.carried and source in self.late for source in cone):
                found.add(argument)
        return found

    def _cone(self, value: Value, inner: Mapping[Value, None]) -> dict[Value, None]:
        """A value and what it is made from, as far as that is in `inner`, and one step further."""
        found: dict[Value, None] = {}
        pending = [value]
        while pending:
            one = pending.pop()
            if one not in found:
                found[one] = None
                op = self.definitions.get(one)
                if one in inner and op is not None:
                    pending += op.operands
        return found

    # --- the new form ---

    def _carry_sources(self, back: Successor) -> None:
        """The head gets the sources of what it got, and whether there are any yet."""
        head = self.head
        late = {argument: value for argument, value in self.carried.items() if argument in self.late}
        if not late:
            return
        sources = {
            source: None
            for value in late.values()
            for source in self._cone(value, self.copied)
            if self._is_source(source)
        }
        known = {value: argument for argument, value in self.carried.items() if argument not in self.late}
        arguments = {source: known.get(source) or Value(source.type) for source in sources}
        added = {argument: source for source, argument in arguments.items() if source not in known}
        first = Value(I1)
        for block in self.function.blocks:
            for edge in block.terminator.successors:
                if edge.block is head and edge is not back:
                    edge.arguments += [_insert(block, "any", argument.type) for argument in added]
                    edge.arguments.append(_insert(block, "const", I1, value=1))
        for block in self.function.blocks:
            self._choose(block, back, late, _Copies(self.definitions, self.copied, arguments), first)
        latch = next(block for block in self.loop if back in block.terminator.successors)
        back.arguments = [argument if argument in late else value for argument, value in self.carried.items()]
        back.arguments += [*added.values(), _insert(latch, "const", I1, value=0)]
        head.arguments += [*added, first]

    def _is_source(self, value: Value) -> bool:
        """Whether it changes from round to round and is not late itself."""
        if value in self.definitions:
            return value not in self.copied
        return any(value in block.arguments for block in self.loop)

    def _choose(
        self, block: Block, back: Successor, late: Mapping[Value, Value], copies: _Copies, first: Value
    ) -> None:
        """Where a block uses what the head got, that is chosen or computed at its start."""
        used = _uses(block, back)
        copies = _Copies(copies.definitions, copies.copied, dict(copies.known))
        chosen: dict[Value, Value] = {}
        for argument, value in late.items():
            if argument in used:
                chosen[argument] = Value(argument.type)
                choice = Op("select", [first, argument, copies.of(value)], [chosen[argument]])
                copies.made.append(choice)
        _rename(block, chosen, back)
        _put_first(block, copies.made)
        if block in self.loop:
            for op in copies.made:
                self.definitions.update(dict.fromkeys(op.results, op))
                self.late.update(dict.fromkeys(op.results))
                self.copied.update(dict.fromkeys(op.results))

    def _leave_late(self) -> None:
        """Blocks outside compute what they use of late values, and so do the ways to them."""
        for block in list(self.function.blocks):
            if block not in self.loop:
                self._compute(block)
        for block in self.loop:
            for number, edge in enumerate(block.terminator.successors):
                if edge.block not in self.loop and any(value in self.late for value in edge.arguments):
                    onward = Successor(edge.block, edge.arguments)
                    edge.block = Block(f"{block.label}.out{number}", [], [Op("jump", successors=[onward])])
                    edge.arguments = []
                    self.function.blocks.append(edge.block)
                    self._compute(edge.block)

    def _compute(self, block: Block) -> None:
        copies = _Copies(self.definitions, self.copied, {})
        used = _uses(block)
        wanted = [value for value in self.late if value in used and value in self.definitions]
        _rename(block, {value: copies.of(value) for value in wanted})
        _put_first(block, copies.made)


@dataclass(slots=True)
class _Copies:
    """Computes values anew from others: `known` has what stands for their sources, which else are used as they are."""

    definitions: Mapping[Value, Op]
    copied: Mapping[Value, None]
    known: dict[Value, Value]
    made: list[Op] = field(default_factory=list[Op])

    def of(self, value: Value) -> Value:
        """The value that stands for `value`."""
        pending = [value]
        while pending:
            one = pending[-1]
            op = None if self._stands(one) else self.definitions[one]
            missing = [] if op is None else [operand for operand in op.operands if not self._stands(operand)]
            pending += reversed(missing)
            if not missing:
                pending.pop()
                if op is not None:
                    self._make(op)
        return self.known.get(value, value)

    def _stands(self, value: Value) -> bool:
        """Whether it need not be computed."""
        return value in self.known or value not in self.copied or value not in self.definitions

    def _make(self, op: Op) -> None:
        results = [Value(result.type) for result in op.results]
        operands = [self.known.get(operand, operand) for operand in op.operands]
        self.made.append(Op(op.name, operands, results, op.attrs))
        self.known.update(zip(op.results, results, strict=True))


def _uses(block: Block, kept: Successor | None = None) -> set[Value]:
    """Values that a block's operations use and its edges hand on, but for those of `kept`."""
    found = {value for op in block.ops for value in op.operands}
    edges = [edge for edge in block.terminator.successors if edge is not kept]
    found.update(value for edge in edges for value in edge.arguments)
    return found


def _rename(block: Block, renamed: Mapping[Value, Value], kept: Successor | None = None) -> None:
    """Puts other values in the place of those that `_uses` gives."""
    if not renamed:
        return
    for op in block.ops:
        op.operands = [renamed.get(value, value) for value in op.operands]
        for edge in op.successors:
            if edge is not kept:
                edge.arguments = [renamed.get(value, value) for value in edge.arguments]


def _insert(block: Block, name: str, ty: Type, **attrs: object) -> Value:
    """The result of a new operation before the block's end."""
    value = Value(ty)
    block.ops.insert(len(block.ops) - 1, Op(name, [], [value], attrs))
    return value


def _put_first(block: Block, made: list[Op]) -> None:
    """Puts operations where the block begins, behind its poll."""
    place = 1 if block.ops[0].name == "poll" else 0
    block.ops[place:place] = made
