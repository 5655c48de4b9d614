"""Promotes a region's guest registers to values: they are read where the region is entered, and written only
where it is left.

What a fault would show in between becomes operands of `at`. The SSA form is pruned: a block argument is made
only where a register's value is still wanted (Cytron et al. 1991, with liveness).

With `write_through`, code outside of loops writes registers at once, as its instructions do it, and only reads are
saved there. Where code runs but once from an entry to an exit that is the better bargain: exits, entries and faults
need not deal with what has been written on other ways to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pyqemu.translator.ir.cfg import (
    blocks_in_loops,
    dominance_frontiers,
    dominator_children,
    immediate_dominators,
    reachable,
)
from pyqemu.translator.ir.function import Block, Function, Op, Successor, Value
from pyqemu.translator.ir.ops import LEAVING
from pyqemu.translator.ir.types import Bits, Type, Vec
from pyqemu.translator.passes.locations import OWN, RECIPE, SHADOW, UNTOUCHED

Place = tuple[str, int | None]


@dataclass(frozen=True, slots=True)
class PromoteState:
    """`keep`: names of registers that stay in the state, since called functions use them there."""

    keep: tuple[str, ...] = ()
    write_through: bool = False

    def run(self, function: Function) -> bool:
        """Changes a region in place; whether anything changed."""
        if function.entry.terminator.name != "dispatch":
            return False
        reached = reachable(function)
        function.blocks = [block for block in function.blocks if block in reached]
        return _Promotion(function, frozenset(self.keep), write_through=self.write_through).run()


def promoted_type(width: int) -> Type:
    """What a register of `width` bits is between its accesses: wide ones are vectors, as hosts keep them so."""
    return Bits(width) if width <= 64 or width % 64 else Vec(width // 64, 64)


def _bits(mask: int) -> Iterator[int]:
    """The numbers of the bits that are set."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


class _Promotion:
    """Sets of places are ints, a bit for each place."""

    def __init__(self, function: Function, keep: frozenset[str], *, write_through: bool) -> None:
        self._function = function
        self._keep = keep
        loops = blocks_in_loops(function) if write_through else set(function.blocks)
        self._at_once = {block for block in function.blocks if block not in loops}  # they write at once
        self._numbers: dict[Place, int] = {}
        self._number_of: dict[Op, int] = {}  # of the place that a `read` or `write` means
        self._places: list[Place] = []
        self._types: list[Type] = []
        self._defines: dict[Block, int] = {}
        self._dirty: dict[Block, int] = {}  # on entry: what may differ from the state in memory
        self._live: dict[Block, int] = {}  # on entry
        self._arguments: dict[Block, list[int]] = {}
        self._renamed: dict[Value, Value] = {}
        self._seen = 0  # places that others than the region see
        self._entering: dict[Block, dict[int, Value]] = {}  # blocks that begin with what places are there

    def run(self) -> bool:
        self._find_places()
        if not self._places:
            return False
        self._solve_dirty()
        self._solve_live()
        self._enter_by_blocks()
        above = immediate_dominators(self._function)
        self._place_arguments(dominance_frontiers(self._function, above))
        self._rename(dominator_children(self._function, above))
        return True

    # --- what there is ---

    def _place_of(self, op: Op) -> int:
        """The number of the place that a `read` or `write` means."""
        place = op.attrs["reg"], op.attrs["index"]
        number = self._numbers.get(place)
        if number is None:
            number = self._numbers[place] = len(self._places)
            self._places.append(place)
            width = (op.results[0] if op.name == "read" else op.operands[0]).type.total
            self._types.append(promoted_type(width))
            if not op.attrs["reg"].startswith(SHADOW):
                self._seen |= 1 << number
        return number

    def _find_places(self) -> None:
        for block in self._function.blocks:
            defined = 0
            for op in block.ops:
                if op.name in ("read", "write") and op.attrs["reg"] not in self._keep:
                    number = self._number_of[op] = self._place_of(op)
                    if op.name == "write":
                        defined |= 1 << number
            self._defines[block] = defined

    # --- data flow ---

    def _solve_dirty(self) -> None:
        blocks = self._function.blocks
        self._dirty = dict.fromkeys(blocks, 0)
        pending = list(reversed(blocks))
        while pending:
            block = pending.pop()
            written = self._defines[block] & self._seen
            leaving = self._dirty[block] & ~written if block in self._at_once else self._dirty[block] | written
            for edge in block.terminator.successors:
                if leaving & ~self._dirty[edge.block]:
                    self._dirty[edge.block] |= leaving
                    pending.append(edge.block)

    def _wanted(self, block: Block) -> int:
        """Places whose values on entry `block` itself needs."""
        wanted = defined = 0
        dirty = self._dirty[block]
        for op in block.ops:
            number = self._number_of.get(op)
            if number is not None:
                if op.name == "write":
                    defined |= 1 << number
                else:
                    wanted |= 1 << number & ~defined
            elif op.name == "at" or op.name in LEAVING:
                wanted |= dirty & ~defined  # what is defined here is dirty, and has its value here
        return wanted

    def _solve_live(self) -> None:
        blocks = self._function.blocks
        wanted = {block: self._wanted(block) for block in blocks}
        self._live = dict(wanted)
        before: dict[Block, list[Block]] = {block: [] for block in blocks}
        for block in blocks:
            for edge in block.terminator.successors:
                before[edge.block].append(block)
        pending = list(blocks)
        while pending:
            block = pending.pop()
            for source in before[block]:
                live = self._live[source] | self._live[block] & ~self._defines[source]
                if live != self._live[source]:
                    self._live[source] = live
                    pending.append(source)

    # --- the new form ---

    def _enter_by_blocks(self) -> None:
        """Each entry gets a block that reads what is live there."""
        function = self._function
        made: list[Block] = []
        for edge in function.entry.terminator.successors:
            block = Block(f"{edge.block.label}.enter")
            self._entering[block] = {number: Value(self._types[number]) for number in _bits(self._live[edge.block])}
            block.ops = [self._begin(number, value) for number, value in self._entering[block].items()]
            self._defines[block] = self._live[edge.block]
            self._live[block] = self._dirty[block] = 0
            block.ops.append(Op("jump", successors=[Successor(edge.block)]))
            edge.block = block
            made.append(block)
        function.blocks[1:1] = made

    def _begin(self, number: int, value: Value) -> Op:
        """What a place is where the region is entered."""
        reg, index = self._places[number]
        if reg == RECIPE:
            return Op("const", results=[value], attrs={"value": UNTOUCHED})
        if reg.startswith(OWN):
            return Op("any", results=[value])
        return Op("read", results=[value], attrs={"reg": reg.removeprefix(SHADOW), "index": index, "zero": None})

    def _place_arguments(self, frontiers: Mapping[Block, list[Block]]) -> None:
        """Block arguments at the iterated dominance frontiers of definitions, where the place is live."""
        self._arguments = {block: [] for block in self._function.blocks}
        for number in range(len(self._places)):
            bit = 1 << number
            pending = [block for block in self._function.blocks if self._defines[block] & bit]
            seen: set[Block] = set()
            while pending:
                for block in frontiers[pending.pop()]:
                    if block not in seen and self._live[block] & bit:
                        seen.add(block)
                        self._arguments[block].append(number)
                        pending.append(block)
        for block, numbers in self._arguments.items():
            block.arguments += [Value(self._types[number]) for number in numbers]

    def _rename(self, children: Mapping[Block, list[Block]]) -> None:
        """Down the dominator tree, with what each place is at the moment."""
        stack: list[tuple[Block, dict[int, Value]]] = [(self._function.entry, {})]
        while stack:
            block, values = stack.pop()
            numbers = self._arguments[block]
            if numbers:
                values.update(zip(numbers, block.arguments[-len(numbers) :], strict=True))
            self._rewrite(block, values)
            below = children[block]
            stack += [(child, dict(values)) for child in below]

    def _rewrite(self, block: Block, values: dict[int, Value]) -> None:
        entering = self._entering.get(block)
        values.update(entering or {})
        dirty = self._dirty[block]
        kept: list[Op] = []
        renamed = self._renamed.keys()
        for op in block.ops:
            if not renamed.isdisjoint(op.operands):
                op.operands[:] = [self._renamed.get(value, value) for value in op.operands]
            number = self._number_of.get(op)
            if number is not None and op.name == "write":
                values[number] = _as(op.operands[0], self._types[number], kept)
                bit = 1 << number & self._seen
                dirty = dirty & ~bit if block in self._at_once else dirty | bit
                if bit and block in self._at_once:
                    kept.append(op)
                continue
            elif number is not None:
                self._read(op, values[number], kept)
                continue
            elif op.name == "at":
                numbers = list(_bits(dirty))
                op.operands += [values[n] for n in numbers]
                op.attrs = {**op.attrs, "state": (*op.attrs["state"], *[self._places[n] for n in numbers])}
            elif op.name in LEAVING:
                kept += [self._write_back(n, values[n]) for n in _bits(dirty)]
            for edge in op.successors:  # of terminators only
                passed = [values[n] for n in self._arguments[edge.block]]
                edge.arguments[:] = [*(self._renamed.get(v, v) for v in edge.arguments), *passed]
            kept.append(op)
        block.ops = kept

    def _read(self, op: Op, value: Value, kept: list[Op]) -> None:
        """The result of a `read` is the place's value, seen as the type that was asked for."""
        (result,) = op.results
        if value.type == result.type:
            self._renamed[result] = value
        else:
            kept.append(Op("bitcast", [value], [result]))

    def _write_back(self, number: int, value: Value) -> Op:
        reg, index = self._places[number]
        return Op("write", [value], attrs={"reg": reg, "index": index, "zero": None})


def _as(value: Value, type: Type, kept: list[Op]) -> Value:
    if value.type == type:
        return value
    made = Value(type)
    kept.append(Op("bitcast", [value], [made]))
    return made


def registers_of(functions: Mapping[str, Function], names: Iterable[str]) -> tuple[str, ...]:
    """Names of the registers that outlined functions use, those that they call included."""
    found: set[str] = set()
    seen: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        for block in functions[name].blocks:
            for op in block.ops:
                if op.name == "call":
                    pending.append(op.attrs["fn"])
                elif op.name in ("read", "write"):
                    found.add(op.attrs["reg"])
    return tuple(sorted(found))
