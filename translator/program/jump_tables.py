"""Jump tables, found by running the code before an indirect jump on expressions.

Where the jump's target depends on a load whose address is a constant and something more, that something is an index
into a table. It is given the values 0, 1, 2 … in turn, and the target is computed for each from the file's bytes: how
entries are scaled, extended and added to what needs no pattern. How far to count is told by the conditions of the
branches on the way to the jump, which are evaluated with the same values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pyqemu.translator.program.flow import FlowReader
from pyqemu.translator.program.image import Image
from pyqemu.translator.program.listing import JumpTable, Listing
from pyqemu.translator.program.paths import Path, Paths
from pyqemu.translator.program.symbolic import Expr, Node, State, Symbolic, nodes_of

#: No table has more entries than this.
_MOST_ENTRIES = 4096
#: A table whose length nobody tells has at least as many as this.
_FEWEST_ENTRIES = 2
#: Constants below this are taken for offsets into what a pointer leads to, though a program may be linked to address 0.
_LOWEST_BASE = 4096
_MASK = (1 << 64) - 1
#: Operations of one changing operand, which an index goes through on its way into an address.
_TRANSPARENT = frozenset({"zext", "sext", "trunc", "and", "shl", "lshr", "extract", "mul", "add", "sub"})


@dataclass(frozen=True, slots=True)
class _Index:
    """What may be the index of a table: the load of an entry, the index, and what it is known to be below."""

    load: Node
    node: Node
    limit: int | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """A jump's table, if it was understood, and whether its target comes from constant data at a changing place."""

    table: JumpTable | None
    looks_like_one: bool


@dataclass(slots=True)
class TableFinder:
    """Finds the tables of indirect jumps in what is known of a program so far."""

    image: Image
    listing: Listing
    reader: FlowReader
    symbolic: Symbolic = field(default_factory=Symbolic)

    def find(self, jump: int) -> Outcome:
        """What is known of the indirect jump at `jump`."""
        paths = Paths(self.listing, self.symbolic)
        path = paths.to(jump)
        outcome = self._along(paths, path)
        if (outcome.table is not None and outcome.table.bounded) or not outcome.looks_like_one:
            return outcome
        for longer in paths.longer(path):
            other = self._along(paths, longer)
            if _rank(other) > _rank(outcome):
                outcome = other
        return outcome

    def _along(self, paths: Paths, path: Path) -> Outcome:
        """What the way to a jump tells of it."""
        found = paths.target_of(path)
        if found is None:
            return Outcome(None, False)
        target, state = paths.with_constants(found[0], path[0], found[1]), found[1]
        if isinstance(target, int):
            known = JumpTable(path[-1], target, 0, (target,), True)
            return Outcome(known if self._is_code(target, path[-1]) else None, False)
        indices = list(self._indices(target, state))
        return Outcome(self._table(path[-1], target, indices, state), bool(indices) or self._is_anchored(target))

    def _table(self, jump: int, target: Expr, indices: Sequence[_Index], state: State) -> JumpTable | None:
        """The table for a target that was computed on the way that led to `state`."""
        for index in indices:
            values = self._compared(index, state)
            if values is not None:
                return self._read(jump, target, index, values)
        for index in indices:
            if index.limit is not None and index.limit <= _MOST_ENTRIES:
                return self._read(jump, target, index, range(index.limit))
        return self._walk(jump, target, indices[0]) if indices else None

    def _is_anchored(self, target: Expr) -> bool:
        """Whether a target is an address in code and something more that was loaded."""
        constant, terms = _linear(target)
        loads = any(node.op == "load" for term, _ in terms for node in nodes_of(term))
        return loads and self.image.code_at(constant & _MASK) is not None

    # --- the index ---

    def _indices(self, target: Expr, state: State) -> Iterator[_Index]:
        """What the target depends on by way of a load, the likeliest first."""
        for load in nodes_of(target):
            if load.op != "load" or isinstance(load.args[0], int):
                continue
            constant, terms = _linear(_widened(load.args[0]))
            base = constant & _MASK
            if len(terms) != 1 or base < _LOWEST_BASE or self.image.segment_at(base) is None:
                continue
            node: Expr = terms[0][0]
            while isinstance(node, Node):
                yield _Index(load, node, _limit(node))
                inner = [arg for arg in node.args if isinstance(arg, Node)]
                node = inner[0] if node.op in _TRANSPARENT and len(inner) == 1 else 0

    def _compared(self, index: _Index, state: State) -> range | None:
        """The index's values for which the conditions hold that it decides; None if it decides none."""
        deciding = [
            (condition, wanted)
            for condition, wanted in state.conditions
            if isinstance(condition, Node) and isinstance(self.symbolic.substitute(condition, {index.node: 0}), int)
        ]
        limit = min(1 << index.node.width, index.limit or 1 << 64, _MOST_ENTRIES)
        first = next((k for k in range(limit) if self._hold(deciding, index.node, k)), None)
        if not deciding or first is None:
            return None
        last = next((k for k in range(first, limit) if not self._hold(deciding, index.node, k)), limit)
        return None if last == _MOST_ENTRIES else range(first, last)

    def _hold(self, conditions: Sequence[tuple[Expr, bool]], node: Node, value: int) -> bool:
        return all(
            self.symbolic.substitute(condition, {node: value}) == int(wanted) for condition, wanted in conditions
        )

    # --- the entries ---

    def _read(self, jump: int, target: Expr, index: _Index, values: range) -> JumpTable | None:
        """All entries of a table whose length is known; None if one leads to no code."""
        targets: list[int] = []
        for value in values:
            to = self._target(target, index.node, value)
            if to is None or not self._is_code(to, jump):
                return None
            targets.append(to)
        return self._made(jump, index, values.start, targets, bounded=True)

    def _walk(self, jump: int, target: Expr, index: _Index) -> JumpTable | None:
        """Entries as long as they lead to instructions of the same function, if its extent is known."""
        extent = self.image.extent_at(jump)
        if extent is None:
            return None
        others = {table.address for table in self.listing.tables.values() if table.jump != jump}
        targets: list[int] = []
        for value in range(_MOST_ENTRIES):
            if value and self._entry(index, value) in others:
                break
            to = self._target(target, index.node, value)
            if to is None or not extent.start <= to < extent.end or not self._is_code(to, jump):
                break
            targets.append(to)
        return self._made(jump, index, 0, targets, bounded=False) if len(targets) >= _FEWEST_ENTRIES else None

    def _made(self, jump: int, index: _Index, first: int, targets: list[int], bounded: bool) -> JumpTable | None:
        address = self._entry(index, first)
        if address is None:
            return None
        return JumpTable(jump, address, index.load.width // 8, tuple(targets), bounded)

    def _entry(self, index: _Index, value: int) -> int | None:
        """The address of an entry."""
        address = self.symbolic.substitute(index.load.args[0], {index.node: value}, self.image.load)
        return address if isinstance(address, int) else None

    def _target(self, target: Expr, node: Node, value: int) -> int | None:
        """Where the jump goes for a value of the index."""
        known: Mapping[Node, Expr] = {node: value}
        result = self.symbolic.substitute(target, known, self.image.load)
        return result if isinstance(result, int) else None

    def _is_code(self, address: int, jump: int) -> bool:
        """Whether an instruction can stand at `address`, come to by the one at `jump`."""
        piece = self.image.code_at(address)
        if piece is None or address % self.reader.alignment:
            return False
        at = address - piece.address
        context = self.listing.steps[jump].going
        return self.reader.step(piece.data[at : at + self.reader.longest], context) is not None


def _rank(outcome: Outcome) -> tuple[bool, int]:
    """Tables that are bounded come before others, and longer ones before shorter."""
    return (False, 0) if outcome.table is None else (outcome.table.bounded, len(outcome.table.targets))


def _widened(address: Expr) -> Expr:
    """An address without the widening to 64 bits."""
    return address.args[0] if isinstance(address, Node) and address.op == "zext" else address


def _linear(expr: Expr) -> tuple[int, list[tuple[Node, int]]]:
    """A constant, and nodes with their factors, that together make the expression (modulo its width)."""
    if isinstance(expr, int):
        return expr, []
    match expr.op, expr.args:
        case "add", (left, right):
            (a, some), (b, more) = _linear(left), _linear(right)
            return a + b, some + more
        case "sub", (left, int(right)):
            constant, terms = _linear(left)
            return constant - right, terms
        case ("shl" | "mul") as op, (left, int(right)):
            factor = 1 << right if op == "shl" else right
            constant, terms = _linear(left)
            return constant * factor, [(node, times * factor) for node, times in terms]
        case _:
            return 0, [(expr, 1)]


def _limit(node: Node) -> int | None:
    """One more than the largest value of a node that was masked or shifted on purpose; None for others."""
    match node.op, node.args:
        case "and", (_, int(mask)):
            return mask + 1
        case "lshr", (_, int(amount)):
            return 1 << node.width - amount if 0 < amount < node.width else None
        case "extract", (Node() as inner,) if inner.width > node.width and node.width < 8:
            return 1 << node.width
        case "zext", (Node() as inner,):
            return _limit(inner)
        case _:
            return None
