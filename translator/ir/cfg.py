"""A function's control flow as a networkx graph, and what is asked of it; typed here, as networkx is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import networkx

from pyqemu.translator.ir.function import Block, Function

_networkx = cast(Any, networkx)


def control_flow(function: Function) -> Any:
    """A networkx DiGraph whose nodes are the function's blocks; parallel edges are one."""
    graph = _networkx.DiGraph()
    graph.add_nodes_from(function.blocks)
    graph.add_edges_from((block, edge.block) for block in function.blocks for edge in block.terminator.successors)
    return graph


def has_loops(function: Function) -> bool:
    """Whether control can come to a block again."""
    return not _networkx.is_directed_acyclic_graph(control_flow(function))


def immediate_dominators(function: Function) -> Mapping[Block, Block]:
    """Each reachable block's immediate dominator; the entry is its own."""
    dominators: dict[Block, Block] = dict(
        _networkx.immediate_dominators(control_flow(function), function.entry)
    )
    dominators[function.entry] = function.entry  # newer networkx gives None for the start
    return dominators


def dominator_children(function: Function, above: Mapping[Block, Block]) -> dict[Block, list[Block]]:
    """The dominator tree, given `immediate_dominators`: for each reachable block those right below it."""
    children: dict[Block, list[Block]] = {block: [] for block in function.blocks}
    for block, dominator in above.items():
        if block is not dominator:
            children[dominator].append(block)
    return children


def dominance_frontiers(function: Function, above: Mapping[Block, Block]) -> dict[Block, list[Block]]:
    """Given `immediate_dominators`, for each reachable block the blocks where its dominance ends, in a fixed
    order.
    """
    frontiers: dict[Block, dict[Block, None]] = {block: {} for block in function.blocks}
    for block, sources in predecessors(function).items():
        if len(sources) < 2 or block not in above:
            continue
        for source in sources:
            while source in above and source is not above[block]:
                frontiers[source][block] = None
                source = above[source]
    return {block: list(found) for block, found in frontiers.items()}


def reachable(function: Function) -> set[Block]:
    """The blocks that can be reached from the entry, itself included."""
    found = {function.entry}
    pending = [function.entry]
    while pending:
        for edge in pending.pop().terminator.successors:
            if edge.block not in found:
                found.add(edge.block)
                pending.append(edge.block)
    return found


def predecessors(function: Function) -> dict[Block, list[Block]]:
    """For each block the blocks that end by going to it, one entry an edge."""
    result: dict[Block, list[Block]] = {block: [] for block in function.blocks}
    for block in function.blocks:
        for edge in block.terminator.successors:
            result[edge.block].append(block)
    return result


def blocks_in_loops(function: Function) -> set[Block]:
    """The blocks that control may come back to from themselves."""
    graph = control_flow(function)
    found: set[Block] = set()
    for component in _networkx.strongly_connected_components(graph):
        if len(component) > 1 or any(graph.has_edge(block, block) for block in component):
            found.update(component)
    return found
