"""Lowering of floating-point operations; the arithmetic itself is in fp and softfp."""

from __future__ import annotations

from pyqemu.hostgen.emit import CPU, FLOATS, Operand, constant, element_type, lanes_of, like, width_of
from pyqemu.hostgen.fp import Fp, power
from pyqemu.hostgen.lower import Lowering, lowers
from pyqemu.hostgen.pack_format import CPU as MEMBERS
from pyqemu.translator.errors import UnsupportedError
from pyqemu.translator.ir.function import Op, Value

_ARITHMETIC = {"fadd": "fadd", "fsub": "fsub", "fmul": "fmul", "fdiv": "fdiv", "fsqrt": "sqrt", "fma": "fma"}
_TINY = frozenset({"fmul", "fdiv", "fma"})
_COMPARE = {"feq": "oeq", "flt": "olt", "fle": "ole", "funord": "uno"}
_DENORMAL = 32  # the sticky flag that is kept in cpu->fp_extra


def _fp(f: Lowering) -> Fp:
    return Fp(f.e, f.host, tininess_before=f.machine.tininess_before)


def _soft(f: Lowering, ty: str, name: str, *args: Operand) -> Operand:
    return f.e.call(ty, f"soft.{name}", *args, attributes="strictfp", declared="hidden")


def _each(f: Lowering, name: str, ty: str, *args: Operand) -> Operand:
    """A helper on each lane's bits; `ty`: type of one result."""
    return _fp(f).each_lane(lambda *lanes: _soft(f, ty, name, *lanes), *args)


@lowers(*_ARITHMETIC)
def _arithmetic(f: Lowering, op: Op) -> Operand:
    width = op.operands[0].type.width
    name = _ARITHMETIC[op.name]
    fp = _fp(f)
    if name == "fma" and (width == 16 or "fma" not in f.host.level.has):
        return _each(f, f"fma.{width}", f"i{width}", *f.args(op))
    if width == 16:  # double has more than twice the digits: rounding twice is rounding once
        wide = [fp.as_float(_each(f, "cvt.16.64", "i64", arg)) for arg in f.args(op)]
        return _each(f, "cvt.64.16", "i16", fp.as_bits(fp.arithmetic(name, *wide)))
    numbers = [f.as_float(value) for value in op.operands]
    result = fp.arithmetic(name, *numbers)
    nan = fp.with_tininess(name, result, *numbers) if name in _TINY else None
    if nan is not None:
        f.notes[id(op.results[0])] = nan
    return result


def _single(f: Lowering, value: Value) -> Operand:
    """As floats at least 32 bits wide, exactly."""
    if value.type.width > 16:
        return f.as_float(value)
    return _fp(f).as_float(_each(f, "cvt.16.32", "i32", f.of(value)))


@lowers("fcvt")
def _fcvt(f: Lowering, op: Op) -> Operand:
    (a,) = f.args(op)
    fp = _fp(f)
    source, target = width_of(a.type), width_of(f.type(op))
    if source in (16, target):  # nothing to convert then but a signalling NaN, which times one makes quiet
        middle = max(target, 32)
        wide = fp.as_float(_each(f, f"cvt.16.{middle}", f"i{middle}", a) if source == 16 else a)
        bits = fp.as_bits(fp.arithmetic("fmul", wide, fp.number(wide.type, power(0, middle))))
        return _each(f, "cvt.32.16", "i16", bits) if target == 16 else bits
    if target == 16:
        return _each(f, f"cvt.{source}.16", "i16", a)
    number = fp.as_float(a)
    result = fp.convert(number, like(number.type, FLOATS[target]))
    if target < source and fp.tininess_before:
        result = _narrowing_tininess(fp, number, result)
    return fp.as_bits(result)


def _narrowing_tininess(fp: Fp, number: Operand, result: Operand) -> Operand:
    """Rounded up to the least normal number from below it."""
    e = fp.e
    least = e.icmp("eq", e.op("and", fp.as_bits(result), (1 << 31) - 1), 1 << 23)
    bits = fp.as_bits(number)
    below = e.icmp("ult", e.op("and", bits, (1 << 63) - 1), (1023 - 126) << 52)
    found = e.op("and", least, below)
    lanes = lanes_of(found.type)
    fp.raise_if(e.icmp("ne", e.cast("bitcast", found, f"i{lanes}"), 0) if lanes else found, 8)
    return result


@lowers("ftosi", "ftoui")
def _to_integer(f: Lowering, op: Op) -> Operand:
    fp = _fp(f)
    ty = element_type(f.type(op))
    if width_of(ty) > 64:
        raise UnsupportedError(f"{op.name} to {ty}")
    signed = op.name == "ftosi"

    def convert(x: Operand) -> Operand:
        return fp.to_integer(x, ty, op.attrs["rm"], signed=signed)

    return fp.each_lane(convert, _single(f, op.operands[0]))


@lowers("sitof", "uitof")
def _from_integer(f: Lowering, op: Op) -> Operand:
    fp, e = _fp(f), f.e
    (a,) = f.args(op)
    signed = op.name == "sitof"
    width = width_of(f.type(op))
    if width == 16:  # what lies beyond 2^30 overflows just as that does; so the double is exact
        if width_of(a.type) > 32:
            limit = constant(a.type, 1 << 30)
            a = e.intrinsic("smin" if signed else "umin", a, limit)
            a = e.intrinsic("smax", a, constant(a.type, -(1 << 30))) if signed else a
        number = fp.from_integer(a, like(a.type, "double"), signed=signed)
        return _each(f, "cvt.64.16", "i16", fp.as_bits(number))
    if lanes_of(a.type):

        def convert(x: Operand) -> Operand:
            return fp.from_integer(x, FLOATS[width], signed=signed)

        return fp.as_bits(fp.each_lane(convert, a))
    return fp.as_bits(fp.from_integer(a, FLOATS[width], signed=signed))


@lowers("frint")
def _frint(f: Lowering, op: Op) -> Operand:
    fp = _fp(f)
    (a,) = op.operands
    rounded = fp.round(_single(f, a), op.attrs["rm"], exact=bool(op.attrs["exact"]))
    bits = fp.as_bits(rounded)
    return _each(f, "cvt.32.16", "i16", bits) if a.type.width == 16 else bits


@lowers(*_COMPARE)
def _compare(f: Lowering, op: Op) -> Operand:
    fp = _fp(f)
    if op.name == "funord" and op.operands[0] is op.operands[1] and not op.attrs["signal"]:
        nan = f.notes.get(id(op.operands[0]))  # an arithmetic result is never signalling
        if nan is not None:
            return nan
    a, b = (_single(f, value) for value in op.operands)
    signal = bool(op.attrs["signal"])
    predicate = _COMPARE[op.name]
    if lanes_of(a.type) and signal:

        def compare(x: Operand, y: Operand) -> Operand:
            return fp.compare(predicate, x, y, signal=True)

        return fp.each_lane(compare, a, b)
    return fp.compare(predicate, a, b, signal=signal)


# --- status and control --------------------------------------------------------------------------


def _extra(f: Lowering) -> Operand:
    return f.e.at(CPU, MEMBERS["fp_extra"])


@lowers("fp_flags")
def _flags(f: Lowering, op: Op) -> Operand:
    extra = f.e.cast("trunc", f.e.load("i32", _extra(f), 4), "i8")
    return f.e.op("or", f.host.fp_flags(f.e), extra)


@lowers("fp_set_flags")
def _set_flags(f: Lowering, op: Op) -> None:
    (flags,) = f.args(op)
    f.host.fp_set_flags(f.e, flags)
    f.e.store(f.e.resize(f.e.op("and", flags, _DENORMAL), "i32"), _extra(f), 4)


@lowers("fp_raise")
def _raise(f: Lowering, op: Op) -> None:
    (flags,) = f.args(op)
    known = _constant(f, op.operands[0])
    if known is None or known & ~_DENORMAL:
        f.host.fp_raise(f.e, flags)
    if known is None or known & _DENORMAL:
        mask = f.e.resize(f.e.op("and", flags, _DENORMAL), "i32")
        f.e.store(f.e.op("or", f.e.load("i32", _extra(f), 4), mask), _extra(f), 4)


def _constant(f: Lowering, value: Value) -> int | None:
    definition = f.definition(value)
    return definition.attrs["value"] if definition is not None and definition.name == "const" else None


@lowers("fp_set_mode")
def _set_mode(f: Lowering, op: Op) -> None:
    (mode,) = f.args(op)
    f.host.fp_set_mode(f.e, mode)
    f.e.store(f.e.resize(f.e.op("and", mode, 3), "i32"), f.e.at(CPU, MEMBERS["fp_mode"]), 4)
