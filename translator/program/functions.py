"""Functions as sets of blocks, each block in one of them, and the natural loops of a function."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, cast

import networkx

from pyqemu.translator.program.image import Image

_networkx = cast(Any, networkx)


@dataclass(frozen=True, slots=True)
class Function:
    """A function's entry and all its blocks, that one included; `name` is empty if no symbol tells it."""

    entry: int
    blocks: frozenset[int]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Loop:
    """A natural loop: the block by which it is entered, and all its blocks, that one included."""

    header: int
    blocks: frozenset[int]


def functions_of(graph: Any, entries: Collection[int], image: Image) -> tuple[Function, ...]:
    """Divides the blocks of `graph` into functions, sorted by entry.

    From each entry all is its function's that is reached without a call and without passing another entry. What no
    entry reaches (a landing pad, say) belongs to the function whose extent it lies in, else it is one by itself.
    """
    starts = {entry for entry in entries if entry in graph}
    owner: dict[int, int] = {}
    for entry in sorted(starts):
        _claim(graph, entry, entry, starts, owner)
    for block in sorted(graph):
        if block not in owner:
            extent = image.extent_at(block)
            entry = extent.start if extent is not None and extent.start in starts else block
            _claim(graph, block, entry, starts, owner)
    blocks: dict[int, set[int]] = {}
    for block, entry in owner.items():
        blocks.setdefault(entry, set()).add(block)
    names = {symbol.address: symbol.name for symbol in reversed(image.symbols)}
    return tuple(Function(entry, frozenset(blocks[entry]), names.get(entry, "")) for entry in sorted(blocks))


def _claim(graph: Any, block: int, entry: int, starts: set[int], owner: dict[int, int]) -> None:
    """Gives `block` and what it leads to to the function at `entry`."""
    pending = [block]
    while pending:
        at = pending.pop()
        if at in owner:
            continue
        owner[at] = entry
        pending.extend(to for to in within(graph, at) if to not in starts and to not in owner)


def within(graph: Any, block: int) -> Iterable[int]:
    """Where control goes from `block` other than by a call."""
    return (to for to, attributes in graph.adj[block].items() if attributes["kind"] != "call")


def loops_of(graph: Any, function: Function) -> tuple[Loop, ...]:
    """The natural loops of a function; those with one header are one loop."""
    flow = _networkx.DiGraph()
    flow.add_nodes_from(function.blocks)
    flow.add_edges_from((b, to) for b in function.blocks for to in within(graph, b) if to in function.blocks)
    dominators: dict[int, int] = dict(_networkx.immediate_dominators(flow, function.entry))
    dominators[function.entry] = function.entry  # newer networkx leaves the start out
    bodies: dict[int, set[int]] = {}
    for block, header in flow.edges:
        if block in dominators and _dominates(dominators, header, block):
            body = bodies.setdefault(header, {header})
            body |= _reaching(flow, block, body)
    return tuple(Loop(header, frozenset(bodies[header])) for header in sorted(bodies))


def _dominates(dominators: dict[int, int], one: int, other: int) -> bool:
    """Whether every way from the entry to `other` goes through `one`."""
    while other not in (one, dominators[other]):
        other = dominators[other]
    return other == one


def _reaching(flow: Any, block: int, body: set[int]) -> set[int]:
    """All blocks from which `block` is reached without passing through `body`."""
    found: set[int] = set()
    pending = [block]
    while pending:
        at = pending.pop()
        if at not in found and at not in body:
            found.add(at)
            pending.extend(flow.pred[at])
    return found
