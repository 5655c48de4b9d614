"""Which code becomes which region."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pyqemu.translator.lift.instructions import Reader
from pyqemu.translator.lift.region import ranges_of
from pyqemu.translator.lift.trace import trace
from pyqemu.translator.program.program import Program

#: Instructions of one region at most: beyond that, compiling takes more than in proportion.
MOST_INSTRUCTIONS = 500
#: Instructions of a region around a hot block.
MOST_HOT = 250


@dataclass(frozen=True, slots=True)
class RegionPlan:
    """A region to be made: where and in which context it may be entered at least, and the code that it may use, as
    ascending ranges (offset, bytes) of module offsets.
    """

    name: str
    entries: tuple[int, ...]
    ranges: tuple[tuple[int, int], ...]
    context: Mapping[str, int]

    def allows(self, offset: int) -> bool:
        """Whether the instruction at `offset` may be part of it."""
        place = bisect_right(self.ranges, offset, key=lambda r: r[0]) - 1
        return place >= 0 and offset - self.ranges[place][0] < self.ranges[place][1]


def plan_program(program: Program, base: int) -> Iterator[RegionPlan]:
    """A region for each function, several for a long one, or one in several contexts. `base`: the address of module
    offset 0.

    Where a jump table leads becomes an entry, and so does what another region of the same function goes to.
    """
    for function in program.functions:
        name = function.name or f"sub_{function.entry:x}"
        chunks = list(_chunks(program.graph, sorted(function.blocks)))
        for number, (context, chunk) in enumerate(chunks):
            inside = set(chunk)
            entries = [block for block in chunk if block == function.entry or _is_entered(program.graph, block, inside)]
            entries = [block for block in entries or chunk[:1] if program.graph.nodes[block]["context"] is not None]
            ranges = tuple((block - base, program.graph.nodes[block]["end"] - block) for block in chunk)
            offsets = tuple(entry - base for entry in entries)
            yield RegionPlan(name if len(chunks) == 1 else f"{name}.{number}", offsets, ranges, context)


def _chunks(graph: Any, blocks: Iterable[int]) -> Iterator[tuple[Mapping[str, int], list[int]]]:
    """Blocks of one context in order of address, as many together as make a region of bearable size. What has none of
    its own comes with the block before it.
    """
    chunk: list[int] = []
    count, context = 0, None
    for block in blocks:
        size, its = graph.nodes[block]["instructions"], graph.nodes[block]["context"]
        if chunk and context is not None and (count + size > MOST_INSTRUCTIONS or its not in (context, None)):
            yield context, chunk
            chunk, count, context = [], 0, None
        chunk.append(block)
        count += size
        context = context or its
    if chunk and context is not None:
        yield context, chunk


def _is_entered(graph: Any, block: int, inside: set[int]) -> bool:
    """Whether control comes from elsewhere, or by an indirect jump. (Return sites, `trace` finds by itself.)"""
    for source, _, attributes in graph.in_edges(block, data=True):
        if attributes["kind"] == "jump-table" or (attributes["kind"] != "call" and source not in inside):
            return True
    return False


def plan_hot(reader: Reader, hot: Iterable[int], limit: int = MOST_HOT) -> Iterator[RegionPlan]:
    """Regions around hot blocks, given by module offset, hottest first: what control reaches from one of them first,
    in any direction, which includes the loops that it is in. Hot blocks that are reached become entries of it.
    """
    waiting = dict.fromkeys(hot)
    while waiting:
        first = next(iter(waiting))
        del waiting[first]
        found = trace(reader, (first,), lambda _: True, limit).instructions
        inside = [offset for offset in waiting if offset in found]
        for offset in inside:
            del waiting[offset]
        if found:
            yield RegionPlan(f"hot_{first:x}", (first, *inside), tuple(ranges_of(found.values())), reader.context)
