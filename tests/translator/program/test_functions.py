"""Functions and loops of graphs that are given as edges."""

from __future__ import annotations

import networkx
import pytest

from pyqemu.translator.program.functions import Function, functions_of, loops_of
from pyqemu.translator.program.image import Extent, Image, Symbol


def graph(*edges: str) -> networkx.DiGraph:
    """A graph of edges `1>2`, or `1c2` for a call."""
    result = networkx.DiGraph()
    for edge in edges:
        kind = "call" if "c" in edge else "next"
        a, b = map(int, edge.replace("c", ">").split(">"))
        result.add_edge(a, b, kind=kind)
    return result


def image(*extents: tuple[int, int], symbols: tuple[Symbol, ...] = ()) -> Image:
    return Image("le", 8, 0, (), (), symbols=symbols, extents=tuple(Extent(*extent) for extent in extents))


def functions(g: networkx.DiGraph, entries: set[int], i: Image) -> dict[int, set[int]]:
    return {function.entry: set(function.blocks) for function in functions_of(g, entries, i)}


def test_calls_and_tail_calls_end_functions() -> None:
    g = graph("1>2", "2c10", "2>3", "3>20", "10>11", "20>21")
    assert functions(g, {1, 10, 20}, image()) == {1: {1, 2, 3}, 10: {10, 11}, 20: {20, 21}}


def test_each_block_has_one_function() -> None:
    """What two functions share belongs to one of them."""
    g = graph("1>5", "3>5", "5>6")
    assert functions(g, {1, 3}, image()) == {1: {1, 5, 6}, 3: {3}}


def test_what_no_entry_reaches() -> None:
    """A landing pad belongs to the function whose extent it is in; what is in none is a function."""
    g = graph("1>2", "4>5", "8>9")
    assert functions(g, {1}, image((1, 6))) == {1: {1, 2, 4, 5}, 8: {8, 9}}


def test_names() -> None:
    g = graph("1>2", "2c3")
    found = functions_of(g, {1, 3}, image(symbols=(Symbol("alias", 1, 0), Symbol("main", 1, 0))))
    assert [function.name for function in found] == ["alias", ""]


@pytest.mark.parametrize(
    ("edges", "loops"),
    [
        ("1>2 2>3", {}),
        ("1>1 1>2", {1: {1}}),
        ("1>2 2>3 3>2 3>4", {2: {2, 3}}),
        ("1>2 2>3 3>3 3>2 2>4", {2: {2, 3}, 3: {3}}),  # nested
        ("1>2 2>3 2>4 3>2 4>2", {2: {2, 3, 4}}),  # two back edges to one header
        ("1>2 1>3 2>3 3>2", {}),  # two entries: not natural
        ("1>2 2c7 2>1 7>8 8>7", {1: {1, 2}}),  # the callee's loop is not the caller's
    ],
)
def test_loops(edges: str, loops: dict[int, set[int]]) -> None:
    g = graph(*edges.split())
    function = Function(1, frozenset(node for node in g if node < 7))
    assert {loop.header: set(loop.blocks) for loop in loops_of(g, function)} == loops
