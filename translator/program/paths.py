"""The ways by which control comes to an instruction, and what is known there when they are run on expressions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from pyqemu.translator.program.flow import Exit, Step
from pyqemu.translator.program.listing import Listing
from pyqemu.translator.program.symbolic import Expr, Node, Place, State, Symbolic, Way, nodes_of, place_of

#: Most instructions before a jump that are looked at.
_LONGEST = 64
#: Most ways to a jump that are looked at.
_MOST_WAYS = 8
#: Most blocks in which the definition of a register is looked for.
_MOST_BLOCKS = 256

#: Addresses of instructions that follow one another.
Path = Sequence[int]


class _No(Enum):
    """What is known of a register that has no one constant: it changes, or what comes round a loop adds nothing new."""

    CONSTANT = auto()
    NEWS = auto()


_Constant = int | _No


@dataclass(slots=True)
class Paths:
    """Looks backwards through a listing. Calls are taken to keep registers: what is found is checked by its sense."""

    listing: Listing
    symbolic: Symbolic

    def to(self, address: int) -> Path:
        """The way to an instruction from where several meet, or from where nobody is known to come."""
        return self._straight(self.listing.block_until(address))

    def longer(self, path: Path) -> Iterator[Path]:
        """A path with each of the ways before it that meet where it begins."""
        sources = self.listing.predecessors(path[0])
        if 1 < len(sources) <= _MOST_WAYS:
            for source in sources:
                before = self.listing.block_until(source)
                if path[0] not in before:
                    yield self._straight([*before, *path])

    def _straight(self, path: list[int]) -> list[int]:
        """The path with what comes before it, as long as that is the only way to it."""
        while len(path) < _LONGEST:
            sources = self.listing.predecessors(path[0])
            if len(sources) != 1:
                break
            before = self.listing.block_until(sources[0])
            if set(before) & set(path):
                break
            path = [*before, *path]
        return path

    def target_of(self, path: Path) -> tuple[Expr, State] | None:
        """The target of the indirect jump at a path's end, and the state there."""
        state = self._run(path[:-1], path[-1])
        ways = self.symbolic.run(self.listing.steps[path[-1]], path[-1], state)
        jumps = [way for way in ways if way.exit.name == "goto_indirect" and way.exit.attrs["kind"] == "plain"]
        return (jumps[0].operands[0], jumps[0].state) if len(jumps) == 1 else None

    def with_constants(self, expr: Expr, leader: int, state: State) -> Expr:
        """`expr` with constants for the registers that always have them when control comes to `leader`.

        What conditions on the way were about is not among them, even if all that is known so far gives it one value.
        """
        compared = {node for condition, _ in state.conditions for node in nodes_of(condition)}
        known: dict[Node, Expr] = {}
        for node in nodes_of(expr):
            if node.op == "register" and node not in compared:
                value = self._constant(leader, node.detail, set())
                if isinstance(value, int):
                    known[node] = value
        return self.symbolic.substitute(expr, known) if known else expr

    def _constant(self, leader: int, place: Place, seen: set[tuple[int, Place]]) -> _Constant:
        """The constant that is in a register whenever control comes to `leader`."""
        if (leader, place) in seen:
            return _No.NEWS
        seen.add((leader, place))
        sources = self.listing.predecessors(leader)
        if not sources or len(seen) > _MOST_BLOCKS:
            return _No.CONSTANT
        result: _Constant = _No.NEWS
        for source in sources:
            value = self._constant_after(source, leader, place, seen)
            if value is _No.CONSTANT or (_No.NEWS not in (value, result) and value != result):
                return _No.CONSTANT
            result = result if value is _No.NEWS else value
        return result

    def _constant_after(self, source: int, leader: int, place: Place, seen: set[tuple[int, Place]]) -> _Constant:
        """The constant in a register behind the block that ends with `source` and goes on at `leader`."""
        block = self.listing.block_until(source)
        if not any(self._writes(address, place) for address in block):
            return self._constant(block[0], place, seen)
        state = self._run(block, leader)
        value = state.registers.get(place)
        if value is None:
            return _No.CONSTANT
        known: dict[Node, Expr] = {}
        for node in nodes_of(value):
            if node.op == "register":
                constant = self._constant(block[0], node.detail, seen)
                if isinstance(constant, _No):
                    return constant if value is node else _No.CONSTANT
                known[node] = constant
        result = self.symbolic.substitute(value, known)
        return result if isinstance(result, int) else _No.CONSTANT

    def _writes(self, address: int, place: Place) -> bool:
        """Whether the instruction at `address` may write a register."""
        step = self.listing.steps[address]
        return any(
            op.name == "write" and op.attrs["reg"] == place[0] and place_of(step, address, op) == (place, False)
            for block in step.meaning.blocks
            for op in block.ops
        )

    def _run(self, path: Path, then: int) -> State:
        """The state behind a path that goes on at `then`.

        Where the path cannot be gone on (it was put together of blocks, and values on it may exclude that), what came
        before the block is forgotten: there must be other ways to it.
        """
        state, at, begun = State(), 0, 0
        while at < len(path):
            after = self._after(path[at], path[at + 1] if at + 1 < len(path) else then, state)
            if after is None:
                leader = next((place for place in range(at, begun, -1) if path[place] in self.listing.leaders), at + 1)
                state, at, begun = State(), leader, leader
            else:
                state, at = after, at + 1
        return state

    def _after(self, address: int, following: int, state: State) -> State | None:
        """The state behind one instruction that goes on at `following`; None if it cannot."""
        step = self.listing.steps[address]
        ways = [way for way in self.symbolic.run(step, address, state) if _leads(way, step, address, following)]
        if len(ways) > 1:
            return self._joined(state, ways)
        return ways[0].state if ways else None

    def _joined(self, before: State, ways: Sequence[Way]) -> State:
        """What holds whichever way was taken."""
        states = [way.state for way in ways]
        registers: dict[Place, Expr] = {}
        for place in {place for state in states for place in state.registers}:
            values = {state.registers.get(place) for state in states}
            value = values.pop()
            registers[place] = value if not values and value is not None else self.symbolic.unknown(64)
        return State(registers, max(state.stores for state in states), before.conditions)


def _leads(way: Way, step: Step, address: int, following: int) -> bool:
    """Whether a way out of the instruction at `address` goes on at `following`."""
    exit = way.exit
    match exit.name:
        case "goto" if exit.attrs["kind"] != "call":
            return following in step.gotos(address)
        case "goto_indirect" if exit.attrs["kind"] != "call":
            return step.flow.exit is Exit.INDIRECT  # by its table
        case "raise" if step.flow.exit is not Exit.RAISE:
            return False
        case _:
            return following == address + step.size
