"""Every rewrite of fold and copyprop on small functions: operands meet the constants that rules look for."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator

import pytest

from pyqemu.translator.ir.builder import Builder
from pyqemu.translator.ir.function import Function, Value
from pyqemu.translator.ir.interp import Environment, run
from pyqemu.translator.ir.ops import OPS, Effect
from pyqemu.translator.ir.parser import parse_function
from pyqemu.translator.ir.printer import print_function
from pyqemu.translator.ir.types import Bits, Type, Vec, with_width
from pyqemu.translator.passes.copyprop import CopyProp
from pyqemu.translator.passes.fold import Fold
from pyqemu.translator.passes.pipeline import run_passes

TYPES: tuple[Type, ...] = (Bits(1), Bits(8), Vec(2, 8), Vec(4, 1))
BINARY = [name for name, spec in OPS.items() if spec.effects == Effect.PURE and spec.operands == "T T"]
Body = Callable[[Builder, Value, Value], Value]


def check(ty: Type, body: Body) -> bool:
    """Runs `body` on registers A and B, before and after the passes; whether they changed anything."""
    function = Function("rule")
    builder = Builder(function)
    builder.write(body(builder, builder.read("A", ty), builder.read("B", ty)), "R")
    builder.next()
    text = print_function(function)
    original = parse_function(text)
    changed = run_passes(function, (Fold(), CopyProp(), Fold()), check=True)
    rng = random.Random(text)
    top = (1 << ty.total) - 1
    values = [0, 1, top, top >> 1, *[rng.getrandbits(ty.total) for _ in range(2)]]
    for a, b in itertools.product(values, values):
        before, after = ({"A": [a], "B": [b], "R": [0]} for _ in range(2))
        run(original, before, Environment())
        run(function, after, Environment())
        assert before == after, f"{text}became\n{print_function(function)}"
    return changed


def constants(ty: Type) -> Iterator[int]:
    yield from {value & ((1 << ty.width) - 1) for value in (0, 1, 2, -1, ty.width, 1 << (ty.width - 1))}


@pytest.mark.parametrize("name", BINARY)
def test_binary_operations_with_constants(name: str) -> None:
    if name == "shuffle":
        return
    for ty in TYPES:
        stated = with_width(ty, 2 * ty.width) if OPS[name].result == "X" else None
        check(ty, lambda b, x, y, t=stated: b.value(name, x, x, type=t))
        for constant in constants(ty):
            check(ty, lambda b, x, y, t=stated, c=constant: b.value(name, x, b.const(c, x.type), type=t))
            check(ty, lambda b, x, y, t=stated, c=constant: b.value(name, b.const(c, x.type), x, type=t))


@pytest.mark.parametrize("name", ["add", "and", "or", "xor"])
def test_two_constants(name: str) -> None:
    for ty in TYPES[1:3]:
        for c, d in itertools.product([0, 1, 0xFE, 0xFF, 0x0F, 0xF0, 0xF1, 0x10], repeat=2):
            check(
                ty,
                lambda b, x, y, c=c, d=d: b.value(
                    name, b.value(name, x, b.const(c, x.type)), b.const(d, x.type)
                ),
            )


def test_unary_pairs() -> None:
    names = ["not", "neg", "abs", "bitrev", "bswap", "clz", "popcount"]
    for first, second, ty in itertools.product(names, names, TYPES[1:3]):
        check(ty, lambda b, x, y, f=first, s=second: b.value(s, b.value(f, x)))


@pytest.mark.parametrize("ty", TYPES)
def test_select(ty: Type) -> None:
    ones = list(constants(ty))
    for c, d in itertools.product(ones, ones):
        for turned in (False, True):

            def body(b: Builder, x: Value, y: Value, c=c, d=d, turned=turned) -> Value:
                condition = b.value("ult", x, y)
                condition = b.value("not", condition) if turned else condition
                return b.select(condition, b.const(c, x.type), b.const(d, x.type))

            check(ty, body)
    check(ty, lambda b, x, y: b.select(b.value("eq", x, y), x, x))
    check(ty, lambda b, x, y: b.select(b.const(1, Bits(1)), x, y))
    check(ty, lambda b, x, y: b.select(b.const(0, with_width(x.type, 1)), x, y))


def test_carries() -> None:
    for name, ty in itertools.product(["add_carry", "add_overflow"], TYPES):
        for c, d in itertools.product([0, 1], [0, 1]):

            def body(b: Builder, x: Value, y: Value, name=name, c=c, d=d) -> Value:
                return b.value(name, x, b.const(c, x.type), b.const(d, with_width(x.type, 1)))

            check(ty, body)


def test_chains_of_widths() -> None:
    def step(b: Builder, value: Value, kind: str, width: int) -> Value:
        if width == value.type.width:
            return value
        return b.trunc(value, width) if width < value.type.width else getattr(b, kind)(value, width)

    for shape in (Bits(8), Vec(2, 8)):
        for first, second in itertools.product(["zext", "sext"], repeat=2):
            for v, w in itertools.product([3, 8, 16, 32], repeat=2):
                check(shape, lambda b, x, y, f=first, s=second, v=v, w=w: step(b, step(b, x, f, v), s, w))


def pieces(b: Builder, x: Value, y: Value) -> dict[str, Value]:
    """Things that were put together, 16 or 24 bits wide."""
    zero = b.const(0, Bits(8))
    return {
        "concat": b.concat(x, y),
        "zero": b.concat(zero, x),
        "zext": b.zext(x, 16),
        "sext": b.sext(x, 16),
        "insert": b.insert(b.concat(x, y), y, 4),
        "again": b.insert(b.insert(b.concat(x, y), y, 4), x, 4),
        "back": b.insert(b.concat(x, y), b.extract(b.concat(x, y), 3, 7), 3),
        "trunc": b.trunc(b.concat(b.concat(x, y), x), 16),
        "extract": b.extract(b.concat(b.concat(x, y), x), 5, 16),
    }


@pytest.mark.parametrize(
    "kind", ["concat", "zero", "zext", "sext", "insert", "again", "back", "trunc", "extract"]
)
def test_pieces(kind: str) -> None:
    changed = False
    for lo in range(0, 16, 2):
        for width in (1, 4, 8, 10, 16):
            if lo + width <= 16:
                changed |= check(
                    Bits(8),
                    lambda b, x, y, lo=lo, w=width: b.value(
                        "extract", pieces(b, x, y)[kind], type=Bits(w), lo=lo
                    ),
                )
                check(Bits(8), lambda b, x, y, w=width: b.trunc(pieces(b, x, y)[kind], w))
    assert changed


def test_lanes() -> None:
    ty = Vec(2, 8)
    for i, j in itertools.product(range(2), repeat=2):
        check(
            ty,
            lambda b, x, y, i=i, j=j: b.value(
                "lane", b.value("with_lane", x, b.value("lane", y, index=i), index=i), index=j
            ),
        )
        check(ty, lambda b, x, y, i=i, j=j: b.value("lane", b.splat(b.value("lane", x, index=i), 2), index=j))
    check(ty, lambda b, x, y: b.bitcast(b.bitcast(b.bitcast(x, Bits(16)), Vec(16, 1)), ty))
