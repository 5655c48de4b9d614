"""Decode-time expressions as the runtime's byte code (`ProgOp`), with common subexpressions shared.

The byte code computes in wrapping int64; expressions are unbounded. A value here is the low 64 bits of the
expression. Where an operation needs more than that of its operands (a quotient, a comparison), the
operands' ranges have to fit int64 or uint64, or the expression is refused.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from pyqemu.hostgen.pack_format import ProgOpCode as Code
from pyqemu.translator.errors import UnsupportedError
from pyqemu.translator.static import Apply, Ctx, Element, Field, Here, Interval, StaticExpr, apply, interval

_INT64: Interval = (-(1 << 63), (1 << 63) - 1)
_UINT64: Interval = (0, (1 << 64) - 1)
_MASK64 = (1 << 64) - 1
#: Operations whose low 64 bits depend on the operands' low 64 bits only.
_MODULAR = {
    "add": Code.ADD, "sub": Code.SUB, "mul": Code.MUL, "neg": Code.NEG, "inv": Code.INV,
    "and": Code.AND, "or": Code.OR, "xor": Code.XOR,
}  # fmt: skip


def fits(inner: Interval, outer: Interval) -> bool:
    """Whether all of `inner` lies in `outer`."""
    return outer[0] <= inner[0] and inner[1] <= outer[1]


@dataclass(frozen=True, slots=True)
class Step:
    """One ProgOp: `args` are numbers of earlier values; `table` is what kTable and kConst64 refer to."""

    code: Code
    args: tuple[int, ...] = ()
    imm: int = 0
    table: tuple[int, ...] = ()


class Program:
    """Values 0 … fields-1 are the encoding's fields, then `here`, the context variables, then one a step."""

    def __init__(self, fields: Sequence[str], context: Sequence[str]) -> None:
        self.fields = tuple(fields)
        self.context = tuple(context)
        self.steps: list[Step] = []
        self._numbers: dict[Step, int] = {}
        self._known: dict[StaticExpr, int] = {}

    @property
    def inputs(self) -> int:
        """How many values come before the first step's."""
        return len(self.fields) + 1 + len(self.context)

    def value(self, expr: StaticExpr) -> int:
        """The number of the value that is the low 64 bits of `expr`; adds what steps it takes."""
        number = self._known.get(expr)
        if number is None:
            number = self._known[expr] = self._compile(expr)
        return number

    def expression(self, number: int) -> StaticExpr:
        """An expression of which value `number` is the low 64 bits."""
        if number == len(self.fields):
            return Here()
        return next(expr for expr, known in self._known.items() if known == number)

    def needed(self, number: int) -> list[int]:
        """The values that value `number` is computed from, and itself, in order."""
        found = {number}
        for value in range(number, self.inputs - 1, -1):
            if value in found:
                found.update(self.steps[value - self.inputs].args)
        return sorted(found)

    def _step(self, code: Code, *args: int, imm: int = 0, table: tuple[int, ...] = ()) -> int:
        step = Step(code, args, imm, table)
        number = self._numbers.get(step)
        if number is None:
            number = self._numbers[step] = self.inputs + len(self.steps)
            self.steps.append(step)
            if number > 0xFFFF:
                raise UnsupportedError("a decode-time program of more than 65,535 values")
        return number

    def _constant(self, value: int) -> int:
        value &= _MASK64
        value -= (value >> 63) << 64
        if -(1 << 31) <= value < 1 << 31:
            return self._step(Code.CONST, imm=value)
        return self._step(Code.CONST64, table=(value,))

    def _compile(self, expr: StaticExpr) -> int:
        match expr:
            case int():
                return self._constant(expr)
            case Field(name):
                return self.fields.index(name)
            case Here(width):
                here = len(self.fields)
                return here if width >= 64 else self._step(Code.BITS, here, self._constant(width))
            case Ctx(name):
                return len(self.fields) + 1 + self.context.index(name)
            case Element(table, index):
                self._require("a table's index", index, _INT64)
                if not all(fits((e, e), (_INT64[0], _UINT64[1])) for e in table):
                    raise UnsupportedError("a constant table with elements wider than 64 bits in a hole")
                return self._step(Code.TABLE, self.value(index), self._constant(len(table)), table=table)
            case Apply(op, args):
                return self._apply(op, args)

    def _apply(self, op: str, args: tuple[StaticExpr, ...]) -> int:
        if op in _MODULAR:
            return self._step(_MODULAR[op], *[self.value(arg) for arg in args])
        if op in ("bits", "sbits", "shl", "shr"):
            return self._shift(op, *args)
        if op in ("eq", "ne", "lt", "le"):
            return self._comparison(op, *args)
        match op:
            case "select":
                return self._step(Code.SELECT, self._truth(args[0]), self.value(args[1]), self.value(args[2]))
            case "div" | "mod":
                for arg in args:
                    self._require(op, arg, _INT64)
                return self._step(Code.DIV if op == "div" else Code.MOD, *[self.value(arg) for arg in args])
            case "log2":
                self._require(op, args[0], (0, _INT64[1]))
                return self._step(Code.LOG2, self.value(args[0]))
            case "popcount":
                return self._step(Code.POPCOUNT, self.value(args[0]))
            case _:
                raise UnsupportedError(f"decode-time operation {op!r}")

    def _truth(self, condition: StaticExpr) -> int:
        bounds = interval(condition)
        if not (fits(bounds, _INT64) or fits(bounds, _UINT64)):
            raise UnsupportedError(f"a condition of range {bounds} at decode time")
        return self.value(condition)

    def _shift(self, op: str, value: StaticExpr, amount: StaticExpr) -> int:
        self._require(op, amount, _INT64)
        bounds = interval(value)
        match op:
            case "bits":
                if interval(amount)[0] >= 64:
                    return self.value(value)
                code = Code.BITS
            case "sbits":
                code = Code.SBITS
            case "shl":
                code = Code.SHL
            case _:
                if fits(bounds, _INT64):
                    code = Code.SHR
                elif fits(bounds, _UINT64):
                    code = Code.USHR
                elif isinstance(amount, int):
                    return self._word(value, amount)
                else:
                    raise UnsupportedError(f"a decode-time shift of a value of range {bounds}")
        return self._step(code, self.value(value), self.value(amount))

    def _word(self, value: StaticExpr, amount: int) -> int:
        shifted = shift_right(value, amount)
        if isinstance(shifted, Apply) and shifted.op == "shr":
            raise UnsupportedError(f"a decode-time value of range {interval(value)}")
        return self.value(shifted)

    def _comparison(self, op: str, a: StaticExpr, b: StaticExpr) -> int:
        bounds = interval(a), interval(b)
        signed = all(fits(bound, _INT64) for bound in bounds)
        if not signed and not all(fits(bound, _UINT64) for bound in bounds):
            raise UnsupportedError(f"a decode-time comparison of ranges {bounds[0]} and {bounds[1]}")
        match op:
            case "eq":
                code = Code.EQ
            case "ne":
                code = Code.NE
            case "lt":
                code = Code.LT if signed else Code.ULT
            case _:
                code = Code.LE if signed else Code.ULE
        return self._step(code, self.value(a), self.value(b))

    def _require(self, what: str, expr: StaticExpr, outer: Interval) -> None:
        if not fits(interval(expr), outer):
            raise UnsupportedError(f"{what} of range {interval(expr)} at decode time")


def shift_right(expr: StaticExpr, amount: int) -> StaticExpr:
    """`expr >> amount` with the shift moved inwards as far as it goes, so that wide values come in words."""
    low, high = interval(expr)
    if low >> amount == high >> amount:
        return low >> amount
    match expr:
        case Apply("and" | "or" | "xor" | "inv" as op, args):
            return apply(op, *[shift_right(arg, amount) for arg in args])
        case Apply("select", (condition, then, otherwise)):
            return apply("select", condition, shift_right(then, amount), shift_right(otherwise, amount))
        case Apply("shl", (inner, int(by))):
            return apply("shl", inner, by - amount) if by >= amount else shift_right(inner, amount - by)
        case Apply("shr", (inner, int(by))):
            return shift_right(inner, amount + by)
        case Apply("bits", (inner, int(width))):
            return apply("bits", shift_right(inner, amount), width - amount)
        case Apply("mul", (inner, int(factor))) if factor > 0:
            return _shift_product(inner, factor, amount) or apply("shr", expr, amount)
        case Element(table, index):
            return Element(tuple(entry >> amount for entry in table), index)
        case _:
            return apply("shr", expr, amount)


def _shift_product(inner: StaticExpr, factor: int, amount: int) -> StaticExpr | None:
    """`inner * factor >> amount` where the product is copies of `inner` that do not overlap."""
    low, high = interval(inner)
    if low < 0:
        return None
    pieces: list[int] = [bit for bit in range(factor.bit_length()) if factor >> bit & 1]
    if any(b - a < high.bit_length() for a, b in itertools.pairwise(pieces)):
        return None
    result: StaticExpr = 0
    for place in pieces:
        if place + high.bit_length() > amount:
            op = "shl" if place >= amount else "shr"
            result = apply("or", result, apply(op, inner, abs(place - amount)))
    return result
