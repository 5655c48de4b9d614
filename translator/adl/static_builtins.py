"""Built-in functions over ints, operand patterns and choices, as static expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.errors import DescriptionError
from pyqemu.translator.static import OPERATIONS, StaticExpr, apply, interval

#: A static value: an int, or a tuple or list of values.
Value = StaticExpr | tuple["Value", ...]


def pattern_matches(pattern: ast.Pattern, argument: StaticExpr) -> StaticExpr:
    """Whether `argument` is one of the pattern's numbers, as 0 or 1."""
    if not pattern.ranges:
        return 1
    result: StaticExpr = 0
    for low, high in pattern.ranges:
        if low == high:
            within = apply("eq", argument, low)
        else:
            within = apply("and", apply("le", low, argument), apply("le", argument, high))
        result = apply("or", result, within)
    return result


def select(condition: StaticExpr, then: Value, otherwise: Value, span: ast.Span) -> Value:
    """`condition ? then : otherwise`, part by part for tuples."""
    if isinstance(condition, int):
        return then if condition else otherwise
    if isinstance(then, tuple) and isinstance(otherwise, tuple) and len(then) == len(otherwise):
        return tuple(select(condition, a, b, span) for a, b in zip(then, otherwise, strict=True))
    if isinstance(then, tuple) or isinstance(otherwise, tuple):
        raise DescriptionError(span, "both cases must be of one kind")
    return apply("select", condition, then, otherwise)


def _replicate(value: StaticExpr, width: StaticExpr, count: StaticExpr) -> StaticExpr:
    """`count` copies of the low `width` bits of `value`; for the few widths and counts that fields allow."""
    for name, part in (("width", width), ("count", count)):
        if not isinstance(part, int):
            low, high = interval(part)
            result: StaticExpr = 0
            for number in range(max(low, 0), min(high, 128) + 1):
                fixed = (
                    _replicate(value, number, count) if name == "width" else _replicate(value, width, number)
                )
                result = apply("select", apply("eq", part, number), fixed, result)
            return result
    assert isinstance(width, int) and isinstance(count, int)
    return apply("mul", apply("bits", value, width), sum(1 << (width * i) for i in range(max(count, 0))))


def _operation(name: str) -> tuple[int, Callable[..., StaticExpr]]:
    return OPERATIONS[name].__code__.co_argcount, partial(apply, name)


def _minimum(a: StaticExpr, b: StaticExpr) -> StaticExpr:
    return apply("select", apply("lt", a, b), a, b)


def _maximum(a: StaticExpr, b: StaticExpr) -> StaticExpr:
    return apply("select", apply("lt", a, b), b, a)


def _absolute(a: StaticExpr) -> StaticExpr:
    return apply("select", apply("lt", a, 0), apply("neg", a), a)


#: Built-in functions over ints: number of arguments, meaning.
BUILT_IN: Mapping[str, tuple[int, Callable[..., StaticExpr]]] = {
    **{name: _operation(name) for name in ("bits", "sbits", "log2", "popcount")},
    "b": _operation("bits"),
    "repl": (3, _replicate),
    "min": (2, _minimum),
    "max": (2, _maximum),
    "abs": (1, _absolute),
}
