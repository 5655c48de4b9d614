"""Solving equations between static expressions: random ones against trying everything, and wide ones by algebra."""

from __future__ import annotations

import random
from itertools import product

import pytest

from pyqemu.translator.adl.asm_invert import Equation, fails, holds
from pyqemu.translator.adl.asm_solve import Solver
from pyqemu.translator.adl.asm_term import Place, Term
from pyqemu.translator.static import Apply, Element, Field, Here, StaticExpr, apply, element, evaluate, interval

HERE = 0x1230
PLACE = Place(HERE, {})
FIELDS = [Field("a", 3), Field("b", 2, True), Field("c", 1), Field("d", 4)]
X = Field("x", 26, True)
Y = Field("y", 14)
H = Field("h", 16)
BINARY = ("add", "sub", "mul", "and", "or", "xor", "shl", "shr", "bits", "sbits", "eq", "ne", "lt", "le", "div", "mod")


def random_expr(rng: random.Random, depth: int) -> StaticExpr:
    """An expression over FIELDS and `here` in which no shift amount or width is negative or large."""
    if depth == 0 or rng.random() < 0.1:
        return rng.choice([rng.randrange(-3, 20), Here(16), *FIELDS, *FIELDS])
    kind = rng.random()
    if kind < 0.1:
        return element(tuple(rng.randrange(6) for _ in range(16)), Field("d", 4))
    if kind < 0.25:
        return apply("select", *(random_expr(rng, depth - 1) for _ in range(3)))
    if kind < 0.35:
        return apply(rng.choice(["neg", "inv"]), random_expr(rng, depth - 1))
    op = rng.choice(BINARY)
    left = random_expr(rng, depth - 1)
    if op in ("shl", "shr", "bits", "sbits"):
        return apply(op, left, rng.choice([1, 2, 3, 6, Field("a", 3)]))
    return apply(op, left, random_expr(rng, depth - 1))


def all_fields() -> list[dict[str, int]]:
    ranges = [range(low, high + 1) for low, high in map(interval, FIELDS)]
    return [dict(zip([f.name for f in FIELDS], values, strict=True)) for values in product(*ranges)]


@pytest.mark.parametrize("seed", range(150))
def test_random_equations(seed: int) -> None:
    """What is found is just what meets the equations; fields that are not in an answer do not matter."""
    rng = random.Random(seed)
    exprs = [random_expr(rng, rng.randint(1, 4)) for _ in range(rng.randint(1, 3))]
    goal = rng.choice(all_fields())
    equations = [Equation(Term(expr), evaluate(expr, goal, HERE) + rng.choice([0, 0, 0, 1, -2])) for expr in exprs]
    answers = list(Solver(PLACE).solve(equations, {}))
    for fields in all_fields():
        meets = all(evaluate(e.term.expr, fields, HERE) == e.wanted for e in equations)
        assert meets == any(answer.items() <= fields.items() for answer in answers), (exprs, fields)


@pytest.mark.parametrize("seed", range(50))
def test_conditions(seed: int) -> None:
    rng = random.Random(seed)
    expr = random_expr(rng, 3)
    for equation, wanted in ((holds(Term(expr)), True), (fails(Term(expr)), False)):
        answers = list(Solver(PLACE).solve([equation], {}))
        for fields in all_fields():
            found = any(answer.items() <= fields.items() for answer in answers)
            assert found == (bool(evaluate(expr, fields, HERE)) == wanted), (expr, fields)


@pytest.mark.parametrize(
    ("expr", "value", "expected"),
    [
        (apply("add", Here(64), apply("mul", X, 4)), HERE - 8, [{"x": -2}]),
        (apply("bits", apply("add", Here(64), apply("mul", X, 4)), 64), HERE - 0x2000 & (1 << 64) - 1, [{"x": -0x800}]),
        (apply("bits", apply("add", Here(64), apply("mul", X, 4)), 64), HERE + 2, []),
        (apply("sub", 100, apply("shl", Y, 3)), 100 - 0x3FF8, [{"y": 0x7FF}]),
        (apply("inv", apply("neg", X)), 41, [{"x": 42}]),
        (apply("or", apply("shl", Y, 2), Field("c", 2)), 0xABCE, [{"y": 0x2AF3, "c": 2}]),
        (apply("add", apply("mul", Field("c", 2), 1 << 14), Y), 0xC001, [{"c": 3, "y": 1}]),
        (apply("or", apply("shl", Y, 4), Field("c", 2)), 0x14, []),
        (apply("sbits", apply("shl", H, apply("mul", Field("s", 2), 16)), 64), -1 << 60, [{"h": 0xF000, "s": 3}]),
        (apply("xor", Y, 0x155), 0, [{"y": 0x155}]),
        (apply("select", Field("c", 1), Y, apply("add", Y, 1 << 14)), 1 << 14, [{"c": 0, "y": 0}]),
        (apply("ne", apply("eq", X, 5), 0), 1, [{"x": 5}]),
        (apply("mul", X, 12), 30, []),
        (X, 1 << 25, []),
        (Y, -1, []),
    ],
)
def test_wide_fields(expr: StaticExpr, value: int, expected: list[dict[str, int]]) -> None:
    """Fields that are too wide to be tried."""
    assert list(Solver(PLACE).solve([Equation(Term(expr), value)], {})) == expected


def test_what_is_too_large_is_let_pass() -> None:
    """An inequality says nothing that could be listed; fields that something else gives are still found."""
    wide = holds(Term(apply("ne", X, 5)))
    assert list(Solver(PLACE).solve([wide], {})) == [{}]
    assert list(Solver(PLACE).solve([wide, Equation(Term(X), 6)], {})) == [{"x": 6}]
    assert list(Solver(PLACE).solve([wide, Equation(Term(X), 5)], {})) == []


def test_given_fields_are_kept() -> None:
    term = Term(apply("add", Field("a", 3), Field("d", 4)))
    assert list(Solver(PLACE).solve([Equation(term, 9)], {"a": 2})) == [{"a": 2, "d": 7}]
    assert not list(Solver(PLACE).solve([Equation(term, 9)], {"a": 2, "d": 6}))


def test_tables_depend_on_the_place() -> None:
    expr = Apply("and", (Element((1, 2, 4, 8), Field("b", 2)), Here(16)))
    for here in (1, 2, 4, 8):
        answers = list(Solver(Place(here, {})).solve([Equation(Term(expr), here)], {}))
        assert answers == [{"b": here.bit_length() - 1}]
    term = Term(expr)
    assert [len(list(Solver(Place(here, {})).solve([Equation(term, 0)], {}))) for here in (0, 3, 15)] == [4, 2, 0]


def test_fields_are_put_together_from_parts() -> None:
    """Bits of a field, wanted one by one and in runs; nothing is tried."""
    field = Field("list", 16)
    for wanted in (0, 0x8421, 0x7FFE, 0xFFFF):
        bits = [apply("bits", apply("shr", field, place), 1) for place in range(12)]
        equations = [Equation(Term(apply("eq", bit, 0)), ~wanted >> place & 1) for place, bit in enumerate(bits[:6])]
        equations += [Equation(Term(bit), wanted >> place & 1) for place, bit in enumerate(bits)][6:]
        equations.append(Equation(Term(apply("bits", apply("shr", field, 12), 4)), wanted >> 12))
        settled = Solver(PLACE).propagate(equations, {})
        assert settled == ({"list": wanted}, [])
    high = Equation(Term(apply("bits", apply("shr", field, 8), 8)), 1)
    contradicting = [Equation(Term(apply("bits", field, 9)), 3), high]
    assert not list(Solver(PLACE).solve(contradicting, {}))
