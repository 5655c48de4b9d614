"""Addresses of code that instructions make: functions whose address is taken, for callbacks.

An instruction whose result depends on its own address may be the beginning of one; those that go on with its result
are run on numbers. So may one that loads a number which lies among code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pyqemu.translator.program.flow import Exit, Step
from pyqemu.translator.program.listing import Listing
from pyqemu.translator.program.symbolic import Place, State, Symbolic, place_of

#: How many instructions are looked at behind one that begins an address.
_REACH = 24


@dataclass(slots=True)
class ConstantFinder:
    """Finds the addresses that code makes, beginning with instructions whose `Flow.makes_address` holds."""

    listing: Listing
    symbolic: Symbolic = field(default_factory=Symbolic)
    _places: dict[int, tuple[frozenset[Place], frozenset[Place]]] = field(
        default_factory=dict[int, tuple[frozenset[Place], frozenset[Place]]]
    )

    def addresses(self, start: int) -> Iterator[int]:
        """The numbers that are made from the result of the instruction at `start`, that one included if it is final."""
        begun, loaded = self._numbers(start, State()), False
        if not begun:
            begun, loaded = self._literals(start), True
        if len(begun) != 1:
            return
        (place, number), *_ = begun.items()
        used = False
        if loaded:
            yield number  # whatever is made of it besides
        for address in self._following(start):
            reads, writes = self._reads_and_writes(address)
            if place in reads:
                used = True
                yield from self._numbers(address, State(begun)).values()
            if place in writes:
                break
        if not used and not loaded:
            yield number

    def _following(self, start: int) -> Iterator[int]:
        """The instructions behind one, as far as control may go on there."""
        steps = self.listing.steps
        address = start
        for _ in range(_REACH):
            if not self.listing.falls(address) or steps[address].flow.exit not in (Exit.NONE, Exit.CALL, Exit.BRANCH):
                return
            address += steps[address].size
            if address not in steps:
                return
            yield address

    def _numbers(self, address: int, state: State) -> dict[Place, int]:
        """The registers that an instruction gives a known value, other than those that have one already."""
        ways = self.symbolic.run(self.listing.steps[address], address, state)
        if len(ways) != 1:
            return {}
        return {
            place: value
            for place, value in ways[0].state.registers.items()
            if isinstance(value, int) and state.registers.get(place) != value
        }

    def _literals(self, address: int) -> dict[Place, int]:
        """The registers that an instruction loads from among code, at an address that it makes itself."""
        ways = self.symbolic.run(self.listing.steps[address], address, State())
        if len(ways) != 1:
            return {}
        values = ((p, self.symbolic.substitute(v, {}, self._literal)) for p, v in ways[0].state.registers.items())
        return {place: value for place, value in values if isinstance(value, int)}

    def _literal(self, address: int, size: int, order: str) -> int | None:
        """What is there if it lies among code; that is data then."""
        if self.listing.image.code_at(address) is None or address in self.listing.steps:
            return None
        self.listing.literals[address] = size
        return self.listing.image.load(address, size, order)

    def _reads_and_writes(self, address: int) -> tuple[frozenset[Place], frozenset[Place]]:
        """The registers that an instruction reads and writes."""
        step = self.listing.steps[address]
        found = self._places.get(id(step))
        if found is None:
            found = self._places[id(step)] = _places(step, "read"), _places(step, "write")
        return found


def _places(step: Step, name: str) -> frozenset[Place]:
    # Which register is meant does not depend on where the instruction stands.
    return frozenset(place_of(step, 0, op)[0] for block in step.meaning.blocks for op in block.ops if op.name == name)
