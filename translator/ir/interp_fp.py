"""Meaning of the floating-point operations, element by element, by `softfloat`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pyqemu.translator.ir import softfloat
from pyqemu.translator.ir.function import Op
from pyqemu.translator.ir.interp_int import Runtime, elementwise, signed
from pyqemu.translator.ir.softfloat import FpEnvironment

_ARITHMETIC: Mapping[str, Callable[..., int]] = {
    "fadd": softfloat.add,
    "fsub": softfloat.sub,
    "fmul": softfloat.mul,
    "fdiv": softfloat.div,
    "fsqrt": softfloat.sqrt,
    "fma": softfloat.fma,
}
_COMPARISONS: Mapping[str, Callable[[int | None], bool]] = {
    "feq": lambda order: order == 0,
    "flt": lambda order: order == -1,
    "fle": lambda order: order in (-1, 0),
    "funord": lambda order: order is None,
}
OPERATIONS = frozenset(
    {*_ARITHMETIC, *_COMPARISONS, "fcvt", "ftosi", "ftoui", "sitof", "uitof", "frint"}
)  # those of the table's that compute with elements


def fp_result(op: Op, values: Sequence[Runtime], env: FpEnvironment) -> Runtime:
    """The result of a floating-point operation; raises flags in `env`."""
    return elementwise(op.operands[0].type, op.results[0].type, _meaning(op, env), values)


def _meaning(op: Op, env: FpEnvironment) -> Callable[..., int]:
    """The operation as a function of its operands' element width and elements."""
    if op.name in _ARITHMETIC:
        arithmetic = _ARITHMETIC[op.name]

        def compute(width: int, *args: int) -> int:
            return arithmetic(*args, width, env)

        return compute
    if op.name in _COMPARISONS:
        test, signal = _COMPARISONS[op.name], bool(op.attrs["signal"])

        def compare(width: int, a: int, b: int) -> int:
            return test(softfloat.compare(a, b, width, signal, env))

        return compare
    return _conversion(op, env)


def _conversion(op: Op, env: FpEnvironment) -> Callable[[int, int], int]:
    to = op.results[0].type.width
    rm, exact = op.attrs.get("rm", ""), bool(op.attrs.get("exact"))

    def convert(width: int, a: int) -> int:
        match op.name:
            case "fcvt":
                return softfloat.convert(a, width, to, env)
            case "ftosi":
                return softfloat.to_int(a, width, -(1 << to >> 1), (1 << to >> 1) - 1, rm, env)
            case "ftoui":
                return softfloat.to_int(a, width, 0, (1 << to) - 1, rm, env)
            case "sitof":
                return softfloat.from_int(signed(a, width), to, env)
            case "uitof":
                return softfloat.from_int(a, to, env)
            case _:
                return softfloat.round_to_integral(a, width, rm, exact, env)

    return convert
