"""Random functions: the text form loses nothing, and passes keep the meaning."""

from __future__ import annotations

import copy
import random

import pytest

from pyqemu.translator.ir.equality import equal
from pyqemu.translator.ir.interp import Environment, Outcome, run
from pyqemu.translator.ir.parser import parse_function, parse_static
from pyqemu.translator.ir.printer import print_function, print_static
from pyqemu.translator.ir.verifier import verify
from pyqemu.translator.passes.by_name import PASSES
from pyqemu.translator.passes.dead_state import DeadState
from pyqemu.translator.passes.pipeline import PIPELINE, run_passes
from pyqemu.translator.static import evaluate, fields_of, interval, substitute
from tests.translator.ir.random_ir import (
    CONTEXT,
    FIELDS,
    RandomFunction,
    field_values,
    random_state,
    static_expr,
)


def test_static_expressions() -> None:
    """Simplifying keeps the value, the interval holds it, and the text form reads back."""
    rng = random.Random(1)
    for _ in range(3000):
        expr = static_expr(rng, 4, simplify=False)
        simple = substitute(expr, {})
        assert parse_static(print_static(expr)) == expr
        assert fields_of(simple) <= fields_of(expr) <= set(FIELDS)
        bounds = [interval(expr), interval(simple)]
        for _ in range(4):
            fields, ctx = field_values(rng), {CONTEXT.name: rng.getrandbits(1)}
            value = evaluate(expr, fields, 0, ctx)
            assert evaluate(simple, fields, 0, ctx) == value
            assert substitute(expr, fields, ctx) == value
            assert all(low <= value <= high for low, high in bounds)


@pytest.mark.parametrize("seed", range(100))
def test_round_trip(seed: int) -> None:
    function = RandomFunction(random.Random(seed)).function
    verify(function)
    text = print_function(function)
    again = parse_function(text)
    assert print_function(again) == text
    assert equal(function, again)
    verify(again)


def test_equal_sees_differences() -> None:
    rng = random.Random(3)
    texts = {print_function(RandomFunction(rng).function) for _ in range(50)}
    functions = [parse_function(text) for text in texts]
    for first in functions:
        assert [second for second in functions if equal(first, second)] == [first]


def result(function, seed: int) -> tuple[Outcome, dict[str, list[int]], Environment]:
    state, env = random_state(random.Random(seed))
    return run(function, state, env), state, env


PIPELINES = {name: (cls(),) for name, cls in PASSES.items()} | {"pipeline": PIPELINE}


@pytest.mark.parametrize("name", PIPELINES)
def test_passes_keep_the_meaning(name: str) -> None:
    for seed in range(120):
        function = RandomFunction(random.Random(seed)).function
        text = print_function(function)
        changed = run_passes(function, PIPELINES[name], check=True)
        assert changed == (not equal(function, parse_function(text))), text
        for number in range(3):
            before = result(parse_function(text), number)
            after = result(function, number)
            assert before[:2] == after[:2], text
            assert before[2].memory.bytes == after[2].memory.bytes, text
            assert before[2].fp == after[2].fp, text


def test_pipeline_settles() -> None:
    """A second run finds little to do: at most what the last passes of the first one laid open."""
    unsettled = 0
    for seed in range(100):
        function = RandomFunction(random.Random(seed)).function
        run_passes(function)
        unsettled += run_passes(function)
    assert unsettled <= 25


def test_dead_registers_are_left_out() -> None:
    """With N dead at exit all else is as before, unless an exception shows it."""
    for seed in range(150):
        function = RandomFunction(random.Random(seed), memory=False).function
        changed = copy.deepcopy(function)
        DeadState(("N",)).run(changed)
        for number in range(3):
            before, after = result(function, number), result(changed, number)
            assert before[0] == after[0]
            if before[0].way != "raise":
                before[1].pop("N"), after[1].pop("N")
            assert before[1] == after[1]
