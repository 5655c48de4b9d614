"""Which code becomes which region."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

#: Instructions of one region at most: beyond that, compiling takes more than in proportion.
MOST_INSTRUCTIONS = 500


@dataclass(frozen=True, slots=True)
class RegionPlan:
    """A region to be made: where it may be entered at least, and the code that it may use, as ascending
    ranges (start, end) of module offsets.
    """

    name: str
    entries: tuple[int, ...]
    ranges: tuple[tuple[int, int], ...]

    def allows(self, offset: int) -> bool:
        """Whether the instruction at `offset` may be part of it."""
        place = bisect_right(self.ranges, offset, key=lambda r: r[0]) - 1
        return place >= 0 and offset < self.ranges[place][1]
