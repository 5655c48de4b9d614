"""Built-in functions on floating point: elements of 16, 32 or 64 bits read as IEEE 754."""

from __future__ import annotations

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.arguments import (
    Builtin,
    argument,
    float_or_int_operands,
    operand,
    text_argument,
    want_arguments,
    width_argument,
)
from pyqemu.translator.adl.body import Body
from pyqemu.translator.adl.values import Scope, Val, type_name
from pyqemu.translator.ir.function import Value
from pyqemu.translator.ir.types import I8, with_width

ROUNDING = ("ne", "pi", "mi", "z", "na", "dyn")
_FORMATS = (16, 32, 64)


def _check_format(body: Body, call: ast.Call, value: Value) -> Value:
    if value.type.width not in _FORMATS:
        raise body.error(
            call.span,
            f"{call.name} works on b16, b32 and b64, not {type_name(value.type)}",
            "see docs/language.md",
        )
    return value


def _arithmetic(name: str, count: int) -> Builtin:
    def run(body: Body, call: ast.Call, scope: Scope) -> Val:
        if count == 1:
            want_arguments(body, call, 1)
            values = [operand(body, call, 0, argument(body, call, 0, scope))]
        else:
            values = float_or_int_operands(body, call, scope, count)
        _check_format(body, call, values[0])
        return body.emitter.emit(name, values, values[0].type)

    return run


def _comparison(name: str, signal: int) -> Builtin:
    def run(body: Body, call: ast.Call, scope: Scope) -> Val:
        a, b = float_or_int_operands(body, call, scope, 2)
        _check_format(body, call, a)
        return body.emitter.emit(name, [a, b], with_width(a.type, 1), signal=signal)

    return run


def _convert(name: str) -> Builtin:
    """fcvt, sitof, uitof: to a format of `w` bits."""

    def run(body: Body, call: ast.Call, scope: Scope) -> Val:
        want_arguments(body, call, 2)
        value = operand(body, call, 0, argument(body, call, 0, scope))
        width = width_argument(body, call, 1, scope)
        if width not in _FORMATS:
            raise body.error(call.arguments[1].span, f"there is no format of {width} bits", "16, 32 or 64")
        if name == "fcvt":
            _check_format(body, call, value)
            if value.type.width == width:
                return value
        return body.emitter.emit(name, [value], with_width(value.type, width))

    return run


def _to_integer(name: str) -> Builtin:
    def run(body: Body, call: ast.Call, scope: Scope) -> Val:
        want_arguments(body, call, 3)
        value = _check_format(body, call, operand(body, call, 0, argument(body, call, 0, scope)))
        width = width_argument(body, call, 1, scope)
        rm = text_argument(body, call, 2, ROUNDING, scope)
        return body.emitter.emit(name, [value], with_width(value.type, width), rm=rm)

    return run


def _frint(body: Body, call: ast.Call, scope: Scope) -> Val:
    want_arguments(body, call, 3)
    value = _check_format(body, call, operand(body, call, 0, argument(body, call, 0, scope)))
    rm = text_argument(body, call, 1, ROUNDING, scope)
    exact = body.constant(argument(body, call, 2, scope), call.arguments[2].span, "whether inexact is raised")
    return body.emitter.emit("frint", [value], value.type, rm=rm, exact=int(exact != 0))


def _flags(body: Body, call: ast.Call, scope: Scope) -> Val:
    want_arguments(body, call, 0)
    return body.emitter.emit("fp_flags", [], I8)


def _environment(name: str, what: str) -> Builtin:
    def run(body: Body, call: ast.Call, scope: Scope) -> Val:
        want_arguments(body, call, 1)
        value = body.to_type(argument(body, call, 0, scope), I8, call.arguments[0].span, f"{name}'s argument")
        body.emitter.effect(name, [value])
        body.path.early = body.path.early or f"{name}, which changes {what} at once"
        return ()

    return run


FLOAT_BUILTINS: dict[str, Builtin] = {
    **{name: _arithmetic(name, 2) for name in ("fadd", "fsub", "fmul", "fdiv")},
    "fsqrt": _arithmetic("fsqrt", 1),
    "fma": _arithmetic("fma", 3),
    **{name: _comparison(name, 0) for name in ("feq", "flt", "fle", "funord")},
    **{f"{name}_s": _comparison(name, 1) for name in ("feq", "flt", "fle", "funord")},
    **{name: _convert(name) for name in ("fcvt", "sitof", "uitof")},
    **{name: _to_integer(name) for name in ("ftosi", "ftoui")},
    "frint": _frint,
    "fp_flags": _flags,
    "fp_set_flags": _environment("fp_set_flags", "the sticky flags"),
    "fp_raise": _environment("fp_raise", "the sticky flags"),
    "fp_set_mode": _environment("fp_set_mode", "the rounding mode"),
}
