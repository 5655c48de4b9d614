"""The instructions found so far, and how control comes to them; grows while code is being found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from pyqemu.translator.program.flow import Exit, Step
from pyqemu.translator.program.image import Image


class Origin(StrEnum):
    """Why something is taken for code, or what leads to it; from the surest to the least sure."""

    KNOWN = "known"  # entry points, unwind tables, symbols
    CONSTANT = "constant"  # an address that code makes
    POINTER = "pointer"  # a word in data
    GAP = "gap"  # it lies between code and decodes


@dataclass(frozen=True, slots=True)
class JumpTable:
    """The targets of an indirect jump at `jump`, in the order of the index; the table's entries are `size` bytes.

    `bounded`: a comparison (or the index's width) limits the index; else entries were read as long as they made sense.
    """

    jump: int
    address: int
    size: int
    targets: tuple[int, ...]
    bounded: bool


@dataclass(slots=True)
class Listing:
    """Instructions by address. `sources[a]` are the instructions that jump to a; leaders begin blocks."""

    image: Image
    sizes: tuple[int, ...]
    steps: dict[int, Step] = field(default_factory=dict[int, Step])
    leaders: set[int] = field(default_factory=set[int])
    #: How each block was found first.
    origins: dict[int, Origin] = field(default_factory=dict[int, Origin])
    sources: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    #: Instructions that control does not go on behind, though they are calls: what follows is another function.
    last: set[int] = field(default_factory=set[int])
    #: Data among code that instructions load from constant addresses: sizes by address.
    literals: dict[int, int] = field(default_factory=dict[int, int])
    tables: dict[int, JumpTable] = field(default_factory=dict[int, JumpTable])

    def falls(self, address: int) -> bool:
        """Whether control may go on behind the instruction at `address`."""
        return self.steps[address].flow.falls and address not in self.last

    def before(self, address: int) -> int | None:
        """The instruction that ends at `address` and may go on there."""
        for size in self.sizes:
            step = self.steps.get(address - size)
            if step is not None and step.size == size and self.falls(address - size):
                return address - size
        return None

    def block_until(self, address: int) -> list[int]:
        """The instructions of the block that `address` is in, from its leader up to `address`."""
        found = [address]
        while found[-1] not in self.leaders:
            before = self.before(found[-1])
            if before is None or self.steps[before].flow.exit is not Exit.NONE:
                break
            found.append(before)
        found.reverse()
        return found

    def predecessors(self, leader: int) -> list[int]:
        """The last instructions of all blocks that may go on at `leader`; calls are not among them."""
        before = self.before(leader)
        return [*self.sources.get(leader, ()), *([] if before is None else [before])]

    def blocks(self) -> Iterator[tuple[int, list[int]]]:
        """All blocks: the leader and its instructions. Blocks of overlapping code share instructions."""
        for leader in sorted(self.leaders & self.steps.keys()):
            inside = [leader]
            while self.steps[inside[-1]].flow.exit is Exit.NONE and self.falls(inside[-1]):
                address = inside[-1] + self.steps[inside[-1]].size
                if address in self.leaders or address not in self.steps:
                    break
                inside.append(address)
            yield leader, inside
