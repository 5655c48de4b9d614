"""What was found of a program: its blocks as a graph, its functions and their loops, and what was not reached."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

import networkx

from pyqemu.translator.program.flow import Exit
from pyqemu.translator.program.functions import Function, Loop, functions_of, loops_of
from pyqemu.translator.program.image import Image
from pyqemu.translator.program.listing import JumpTable, Listing, Origin

_networkx = cast(Any, networkx)


class Edge(StrEnum):
    """How control comes from one block to another; the attribute `kind` of an edge."""

    NEXT = "next"
    TAKEN = "taken"
    CALL = "call"
    RETURN_SITE = "return-site"
    JUMP_TABLE = "jump-table"


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts. `bytes` by how they were reached; `unreached` are bytes of code that nothing leads to."""

    blocks: int
    instructions: int
    functions: int
    bytes: Mapping[Origin, int]
    unreached: int
    tables: int
    unbounded_tables: int
    unresolved_tables: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Program:
    """The code of an image. Addresses are as linked; `image.base` is the lowest, `image.file_offset` leads to the file.

    `graph` is a networkx DiGraph whose nodes are the addresses of blocks, with attributes `end` (the address behind
    the block), `instructions` (how many), `exit` (an Exit), `origin` (an Origin: how sure it is) and `context` (what
    its first instruction was decoded in, None in the middle of a run of instructions that give one another theirs);
    its edges have `kind` (an Edge). Where a call goes to its own return site, the edge is the return's. `leftovers` are
    ranges of code that were not reached, start and end.
    """

    image: Image
    graph: Any
    functions: tuple[Function, ...]
    tables: Mapping[int, JumpTable]
    unresolved: tuple[int, ...]
    leftovers: tuple[tuple[int, int], ...]
    statistics: Statistics
    _starts: tuple[int, ...]

    def block_at(self, address: int) -> int | None:
        """The start of the block that `address` is in."""
        place = bisect_right(self._starts, address) - 1
        if place >= 0 and address < self.graph.nodes[self._starts[place]]["end"]:
            return self._starts[place]
        return None

    def function_at(self, address: int) -> Function | None:
        """The function that has a block at `address`."""
        return next((function for function in self.functions if address in function.blocks), None)

    def loops(self, function: Function) -> tuple[Loop, ...]:
        """The natural loops of a function, by the addresses of their headers."""
        return loops_of(self.graph, function)


def build_program(
    image: Image,
    listing: Listing,
    entries: Collection[int],
    reached: Mapping[Origin, int],
    unresolved: tuple[int, ...],
    stays: Callable[[Mapping[str, int]], bool],
) -> Program:
    """The program that consists of the instructions of a finished listing; functions begin at `entries`. `stays` tells
    which contexts stay from instruction to instruction.
    """
    graph = _graph(listing, stays)
    functions = functions_of(graph, entries, image)
    leftovers = tuple(_leftovers(image, listing))
    statistics = Statistics(
        blocks=len(graph),
        instructions=len(listing.steps),
        functions=len(functions),
        bytes=dict(reached),
        unreached=sum(end - start for start, end in leftovers),
        tables=len(listing.tables),
        unbounded_tables=sum(not table.bounded for table in listing.tables.values()),
        unresolved_tables=len(unresolved),
    )
    tables, starts = dict(listing.tables), tuple(sorted(graph))
    return Program(image, graph, functions, tables, unresolved, leftovers, statistics, starts)


def _graph(listing: Listing, stays: Callable[[Mapping[str, int]], bool]) -> Any:
    """The graph of all blocks. Edges to where no code is are left out."""
    graph = _networkx.DiGraph()
    ends: list[tuple[int, int]] = []
    for leader, inside in listing.blocks():
        last = inside[-1]
        step = listing.steps[last]
        origin, context = listing.origins[leader], listing.steps[leader].context
        graph.add_node(
            leader, end=last + step.size, instructions=len(inside), exit=step.flow.exit, origin=origin,
            context=context if stays(context) else None,
        )  # fmt: skip
        ends.append((leader, last))
    for leader, last in ends:
        # What is added later replaces what is there: the way inside a function counts more than the call.
        edges = sorted(_edges(listing, last), key=lambda edge: edge[1] is not Edge.CALL)
        graph.add_edges_from((leader, to, {"kind": kind}) for to, kind in edges if to in graph)
    return graph


def _edges(listing: Listing, last: int) -> Iterator[tuple[int, Edge]]:
    """Where the block that ends with the instruction at `last` may go on."""
    step = listing.steps[last]
    for to in step.calls(last):
        yield to, Edge.CALL
    for to in step.gotos(last):
        yield to, Edge.TAKEN
    if last in listing.tables:
        for to in listing.tables[last].targets:
            yield to, Edge.JUMP_TABLE
    if listing.falls(last):
        is_call = step.flow.exit in (Exit.CALL, Exit.INDIRECT_CALL)
        yield last + step.size, Edge.RETURN_SITE if is_call else Edge.NEXT


def _leftovers(image: Image, listing: Listing) -> Iterator[tuple[int, int]]:
    """Ranges of code without an instruction that was reached."""
    spans = iter(sorted((address, address + step.size) for address, step in listing.steps.items()))
    span = next(spans, None)
    for piece in image.code:
        at = piece.address
        while span is not None and span[0] < piece.end:
            if span[0] > at:
                yield at, span[0]
            at = max(at, span[1])
            span = next(spans, None)
        if at < piece.end:
            yield at, piece.end
