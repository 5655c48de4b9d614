"""Expressions known at decode time, as guards, conditions and assembly text use them."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.compiled import Source
from pyqemu.translator.adl.errors import DescriptionError
from pyqemu.translator.adl.model import build
from pyqemu.translator.adl.parse import parse_expression, parse_text
from pyqemu.translator.adl.static_expr import Environment
from pyqemu.translator.static import Ctx, Field, Here, evaluate

SPAN = ast.Span(Path("<text>"), 1, 1, 1, 1)
PRELUDE = """
unit U b8 order le
exception undefined()
ctx mode: 2
reg R: b8
const T: b8[4] = [3, 5, 7, 11]
const K = 6 * 7
const SQUARES = [i * i for i in 0..8]
operand size(s) -> int { 0 = 1; 1 = 2; 2..3 = 8 if s != 3; _ = 16 }
fn sum(n: int) -> int {
  var result = 0
  for i in 0..4 { result = result + (i < n ? i : 0) }
  return result
}
fn early(x: int, y: int) -> int {
  var z = x
  if x > 2 { z = z + y; if y { return z } } else { z = 1 }
  let w = z * 2
  return w
}
fn both(x: int) -> (int, int) { if x { return (x, 1) } else { return (7, 2) } }
fn masked(n: int, x: int) -> int = repl(x, n, 2)
"""
FIELDS = {"a": Field("a", 2), "b": Field("b", 3, True)}


def environment() -> Environment:
    model = build(parse_text(PRELUDE))
    env = Environment(model.globals, FIELDS)
    (function,) = parse_text("fn lets() { let c = a + 1; let (p, q) = both(a); let d = c * 2 }").declarations
    assert isinstance(function, ast.Function)
    for let in function.body:
        assert isinstance(let, ast.Let)
        env.add_let(let)
    return env


def sum_(n: int) -> int:
    return sum(i for i in range(4) if i < n)


def early(x: int, y: int) -> int:
    z = x
    if x > 2:
        z += y
        if y:
            return z
    else:
        z = 1
    return z * 2


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("a + b * 2 - -3", lambda a, b: a + b * 2 + 3),
        ("a == 1 | b <= -2", lambda a, b: (a == 1) | (b <= -2)),
        ("b >= a & !(a > 2)", lambda a, b: (b >= a) & (not a > 2)),
        ("b / 2 * 10 + b % 3", lambda a, b: b // 2 * 10 + b % 3),
        ("~a ^ b << 2 >> 1", lambda a, b: ~a ^ ((b << 2) >> 1)),
        ("a ? b : c", lambda a, b: b if a else a + 1),
        ("d + p + q", lambda a, b: (a + 1) * 2 + (a + 1 if a else 9)),
        ("T[a] + K", lambda a, b: [3, 5, 7, 11][a] + 42),
        ("SQUARES[a + 4]", lambda a, b: (a + 4) ** 2),
        ("size(a)", lambda a, b: [1, 2, 8, 16][a]),
        ("sum(b)", lambda a, b: sum_(b)),
        ("early(a, b)", lambda a, b: early(a, b)),
        ("masked(a, b)", lambda a, b: (b & (1 << a) - 1) * (1 | 1 << a) if a else 0),
        ("bits(b, 3) + sbits(a, 2)", lambda a, b: (b & 7) + (a - 4 if a & 2 else a)),
        ("b[0] + b[2:1]", lambda a, b: (b & 1) + (b >> 1 & 3)),
        ("log2(a + 1) + popcount(a)", lambda a, b: (a + 1).bit_length() - 1 + a.bit_count()),
        ("min(a, b) + 10 * max(a, b) + 100 * abs(b)", lambda a, b: min(a, b) + 10 * max(a, b) + 100 * abs(b)),
        ("[a, b, 9][a % 3]", lambda a, b: [a, b, 9][a % 3]),
    ],
)
def test_meaning(text: str, meaning: object) -> None:
    assert callable(meaning)
    expr = environment().static(parse_expression(text, SPAN))
    source = Source(lambda leaf: leaf.name if isinstance(leaf, Field) else "here")
    compiled = source.function("a, b", f" return {source.number(expr)}")
    for a, b in itertools.product(range(4), range(-4, 4)):
        wanted = int(meaning(a, b))
        assert evaluate(expr, {"a": a, "b": b}) == wanted
        assert compiled(a, b) == wanted


def test_context_and_address() -> None:
    env = environment()
    assert env.static(parse_expression("mode", SPAN)) == Ctx("mode", 2)
    assert evaluate(env.static(parse_expression("here + 4 * b", SPAN)), {"b": -1}, here=100) == 96
    assert env.static(parse_expression("here", SPAN)) == Here(64)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("R + 1", "known only at run time"),
        ("mem[a, 4]", "unknown name mem"),
        ("x", "unknown name x"),
        ("a <u b", "compares bits"),
        ("(a, b)", "not a list or tuple"),
        ("sum(a, b)", "takes 1 arguments"),
        ("zext(a, 8)", "no function over ints"),
        ("SQUARES[9]", "no element 9"),
        ("[i for i in 0..a]", "must be constants"),
    ],
)
def test_mistakes(text: str, message: str) -> None:
    with pytest.raises(DescriptionError, match=message):
        environment().static(parse_expression(text, SPAN))
