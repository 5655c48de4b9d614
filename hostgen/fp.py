"""Floating point on LLVM values of type float and double (and vectors of them), exact in flags and rounding
modes.

All arithmetic is by constrained intrinsics: dynamic rounding mode, exceptions strict. What hosts differ in
is made up here: conversions that saturate, rounding to integral values without a host instruction,
underflow detected before rounding.
"""

from __future__ import annotations

from collections.abc import Callable

from pyqemu.hostgen.emit import (
    FLOATS,
    UNLIKELY,
    Emitter,
    Operand,
    constant,
    element_type,
    lanes_of,
    like,
    mangle,
    width_of,
)
from pyqemu.hostgen.host import Host

_CONSTRAINED = "llvm.experimental.constrained"
_DYNAMIC = 'metadata !"round.dynamic"'
_STRICT = 'metadata !"fpexcept.strict"'
_WIDTHS = {"float": 32, "double": 64}
#: Bits of the fraction, and the exponent's bias.
FRACTION = {16: 10, 32: 23, 64: 52}
BIAS = {16: 15, 32: 127, 64: 1023}
INVALID, INEXACT, UNDERFLOW = 1, 16, 8
_ROUNDERS = {"ne": "roundeven", "pi": "ceil", "mi": "floor", "z": "trunc", "dyn": "nearbyint"}


def infinity(width: int) -> int:
    """Bits of +infinity."""
    return (2 * BIAS[width] + 1) << FRACTION[width]


def power(exponent: int, width: int) -> int:
    """Bits of 2^exponent."""
    return (BIAS[width] + exponent) << FRACTION[width]


def float_width(ty: str) -> int:
    """Bits of one element of type `double`, `<4 x float>` …"""
    return _WIDTHS[element_type(ty)]


class Fp:
    """Emits floating-point code of one function."""

    def __init__(self, e: Emitter, host: Host, *, tininess_before: bool) -> None:
        self.e = e
        self.host = host
        self.tininess_before = tininess_before

    # --- representation ---

    def as_float(self, bits: Operand) -> Operand:
        """iN as a float of N bits (32 or 64)."""
        return self.e.cast("bitcast", bits, like(bits.type, FLOATS[width_of(bits.type)]))

    def as_bits(self, value: Operand) -> Operand:
        return self.e.cast("bitcast", value, like(value.type, f"i{float_width(value.type)}"))

    def number(self, ty: str, bits: int) -> Operand:
        """The float of type `ty` (scalar or splatted) with these bits."""
        return self.as_float(constant(like(ty, f"i{float_width(ty)}"), bits))

    # --- operations of the host ---

    def arithmetic(self, name: str, *args: Operand) -> Operand:
        """fadd fsub fmul fdiv sqrt fma, and rounding functions that take the dynamic mode."""
        ty = args[0].type
        return self.e.call(ty, f"{_CONSTRAINED}.{name}.{mangle(ty)}", *args, _DYNAMIC, _STRICT, attributes="strictfp")

    def compare(self, predicate: str, a: Operand, b: Operand, *, signal: bool = False) -> Operand:
        """Ordered comparison; `signal`: a quiet NaN is invalid too."""
        name = "fcmps" if signal else "fcmp"
        return self.e.call(
            like(a.type, "i1"), f"{_CONSTRAINED}.{name}.{mangle(a.type)}", a, b,
            f'metadata !"{predicate}"', _STRICT, attributes="strictfp",
        )  # fmt: skip

    def convert(self, a: Operand, ty: str) -> Operand:
        """float to double or back."""
        if a.type == ty:
            return a
        names = f"{mangle(ty)}.{mangle(a.type)}"
        if float_width(ty) > float_width(a.type):
            return self.e.call(ty, f"{_CONSTRAINED}.fpext.{names}", a, _STRICT, attributes="strictfp")
        return self.e.call(ty, f"{_CONSTRAINED}.fptrunc.{names}", a, _DYNAMIC, _STRICT, attributes="strictfp")

    def to_signed(self, a: Operand, ty: str) -> Operand:
        """Towards zero; the value has to fit. Raises inexact."""
        name = f"{_CONSTRAINED}.fptosi.{mangle(ty)}.{mangle(a.type)}"
        return self.e.call(ty, name, a, _STRICT, attributes="strictfp")

    def from_signed(self, a: Operand, ty: str) -> Operand:
        name = f"{_CONSTRAINED}.sitofp.{mangle(ty)}.{mangle(a.type)}"
        return self.e.call(ty, name, a, _DYNAMIC, _STRICT, attributes="strictfp")

    def negate(self, a: Operand) -> Operand:
        return self.e.let(a.type, f"fneg {a}")

    def magnitude(self, a: Operand) -> Operand:
        return self.e.intrinsic("fabs", a)

    def copy_sign(self, a: Operand, sign: Operand) -> Operand:
        return self.e.intrinsic("copysign", a, sign)

    # --- flags ---

    def raise_flags(self, flags: int) -> None:
        self.host.fp_raise(self.e, constant("i8", flags))

    def raise_if(self, condition: Operand, flags: int) -> None:
        """Raises flags on a branch that is not expected."""
        e = self.e
        cold, done = e.new_label(), e.new_label()
        e.branch(condition, cold, done, UNLIKELY)
        e.begin(cold)
        self.raise_flags(flags)
        e.jump(done)
        e.begin(done)

    # --- tininess ---

    def with_tininess(self, name: str, result: Operand, *args: Operand) -> Operand | None:
        """Raises underflow where the host, which looks after rounding, did not: the result is rounded up to
        the least normal number. Gives, for each lane, whether the result is a NaN, which the same comparison tells;
        None if there was nothing to do.
        """
        if not self.tininess_before:
            return None
        e = self.e
        width, lanes = float_width(result.type), lanes_of(result.type)
        least = self.number(result.type, power(1 - BIAS[width], width))
        rare = self.compare("ueq", self.magnitude(result), least)  # equal, or a NaN
        found = e.icmp("ne", e.cast("bitcast", rare, f"i{lanes}"), 0) if lanes else rare
        before, cold, done = e.label, e.new_label(), e.new_label()
        e.branch(found, cold, done, UNLIKELY)
        e.begin(cold)
        tiny = self.compare("oeq", self.magnitude(result), least)
        for lane in range(lanes or 1):
            parts = [e.lane(arg, lane) if lanes else arg for arg in args]
            here, other = e.new_label(), e.new_label()
            e.branch(e.lane(tiny, lane) if lanes else tiny, here, other)
            e.begin(here)
            e.call(
                "void", f"soft.tiny.{name}.{width}", *[self.as_bits(part) for part in parts],
                attributes="strictfp", declared="hidden",
            )  # fmt: skip
            e.jump(other)
            e.begin(other)
        nan = self.compare("uno", result, result)
        end = e.label
        e.jump(done)
        e.begin(done)
        return e.phi(nan.type, (constant(nan.type, 0), before), (nan, end))

    # --- to an integral value ---

    def round(self, x: Operand, rm: str, *, exact: bool) -> Operand:
        """frint; a signalling NaN raises invalid."""
        if "round" not in self.host.level.has:
            return self._round_by_call(x, rm, exact=exact)
        if rm == "dyn":
            return self.arithmetic("rint" if exact else "nearbyint", x)
        rounded = self._round_away(x) if rm == "na" else self._rounder(_ROUNDERS[rm], x)
        if exact:
            different = self.compare("one", rounded, x)
            lanes = lanes_of(x.type)
            if lanes:
                different = self.e.icmp("ne", self.e.cast("bitcast", different, f"i{lanes}"), 0)
            self.raise_if(different, INEXACT)
        return rounded

    def _rounder(self, name: str, x: Operand) -> Operand:
        return self.e.call(x.type, f"{_CONSTRAINED}.{name}.{mangle(x.type)}", x, _STRICT, attributes="strictfp")

    def _round_by_call(self, x: Operand, rm: str, *, exact: bool) -> Operand:
        width = float_width(x.type)
        name = f"soft.frint.{width}.{rm}.{int(exact)}"

        def one(lane: Operand) -> Operand:
            return self._call_bits(name, width, lane)

        return self.each_lane(one, x)

    def _call_bits(self, name: str, width: int, *args: Operand) -> Operand:
        bits = [self.as_bits(arg) for arg in args]
        return self.as_float(self.e.call(f"i{width}", name, *bits, attributes="strictfp", declared="hidden"))

    def _round_away(self, x: Operand) -> Operand:
        """Nearest, ties away: from the truncated value by exact steps, which raise nothing."""
        e = self.e
        whole = self._rounder("trunc", x)
        finite = e.icmp("ult", self._magnitude_bits(x), infinity(float_width(x.type)))
        zero = self.number(x.type, 0)
        rest = self.arithmetic("fsub", e.select(finite, x, zero), e.select(finite, whole, zero))
        far = self.compare("oge", self.magnitude(rest), self.number(x.type, power(-1, float_width(x.type))))
        step = self.copy_sign(self.number(x.type, power(0, float_width(x.type))), x)
        stepped = self.arithmetic("fadd", e.select(far, whole, zero), e.select(far, step, zero))
        return e.select(far, stepped, whole)

    def _magnitude_bits(self, x: Operand) -> Operand:
        bits = self.as_bits(x)
        return self.e.op("and", bits, (1 << (width_of(bits.type) - 1)) - 1)

    # --- to integers, saturating ---

    def to_integer(self, x: Operand, ty: str, rm: str, *, signed: bool) -> Operand:
        """A scalar; saturates and raises invalid beyond the range, else inexact if x is not integral."""
        e = self.e
        y = x if rm == "z" else self.round(x, rm, exact=False)
        fast, slow, done = e.new_label(), e.new_label(), e.new_label()
        e.branch(self._in_range(y, ty, signed=signed), fast, slow, "!prof !0")
        e.begin(fast)
        value = self._convert_in_range(y, ty, signed=signed)
        if rm != "z":
            self._raise_if_fraction(x, ty, signed=signed)
        fast_end = e.label
        e.jump(done)
        e.begin(slow)
        limit = self._saturated(y, ty, signed=signed)
        slow_end = e.label
        e.jump(done)
        e.begin(done)
        return e.phi(ty, (value, fast_end), (limit, slow_end))

    def _in_range(self, y: Operand, ty: str, *, signed: bool) -> Operand:
        """Whether y, truncated, fits; false for NaN. Raises nothing for a quiet one."""
        e, width, bits = self.e, float_width(y.type), width_of(ty)
        high = self.compare("olt", y, self.number(y.type, power(bits - signed, width)))
        if not signed:
            low = self.compare("ogt", y, self.negate(self.number(y.type, power(0, width))))
        elif bits <= FRACTION[width]:  # -2^(bits-1) - 1 is a number of the format
            least = float_bits(-(1 << (bits - 1)) - 1, width)
            low = self.compare("ogt", y, self.number(y.type, least))
        else:
            low = self.compare("oge", y, self.negate(self.number(y.type, power(bits - 1, width))))
        return e.op("and", high, low)

    def _convert_in_range(self, y: Operand, ty: str, *, signed: bool) -> Operand:
        e, bits = self.e, width_of(ty)
        if signed or bits < 64:
            wide = "i32" if bits < 32 or (bits == 32 and signed) else "i64"
            return e.resize(self.to_signed(y, wide), ty)
        top = self.number(y.type, power(63, float_width(y.type)))
        big = self.compare("oge", y, top)
        rest = self.arithmetic("fsub", y, e.select(big, top, self.number(y.type, 0)))
        return e.op("xor", self.to_signed(rest, "i64"), e.op("shl", e.cast("zext", big, "i64"), 63))

    def _raise_if_fraction(self, x: Operand, ty: str, *, signed: bool) -> None:
        """The host's conversion of x raises inexact just if x is not integral; its value is not used."""
        if not signed and width_of(ty) == 64:
            top = self.number(x.type, power(62, float_width(x.type)))  # beyond it all are integral
            x = self.e.select(self.compare("olt", x, top), x, self.number(x.type, 0))
        self.to_signed(x, "i64")

    def _saturated(self, y: Operand, ty: str, *, signed: bool) -> Operand:
        e, bits = self.e, width_of(ty)
        self.raise_flags(INVALID)
        least, most = (1 << (bits - 1), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
        negative = e.icmp("slt", self.as_bits(y), 0)
        limit = e.select(negative, constant(ty, least), constant(ty, most))
        is_nan = e.icmp("ugt", self._magnitude_bits(y), infinity(float_width(y.type)))
        return e.select(is_nan, constant(ty, 0), limit)

    # --- from integers ---

    def from_integer(self, a: Operand, ty: str, *, signed: bool) -> Operand:
        """A scalar or vector, rounded once."""
        e, bits = self.e, width_of(a.type)
        if signed or bits < 64:
            wide = "i32" if bits < 32 or (bits == 32 and signed) else "i64"
            return self.from_signed(e.resize(a, like(a.type, wide), signed=signed), ty)
        # Halved with the lost bit kept as a sticky one, then doubled, which is exact.
        big = e.icmp("slt", a, 0)
        half = e.op("or", e.op("lshr", a, 1), e.op("and", a, 1))
        converted = self.from_signed(e.select(big, half, a), ty)
        zero = self.number(ty, 0)
        doubled = self.arithmetic("fadd", e.select(big, converted, zero), e.select(big, converted, zero))
        return e.select(big, doubled, converted)

    # --- lanes ---

    def each_lane(self, one: Callable[..., Operand], *args: Operand) -> Operand:
        """`one` on each lane, or on scalars."""
        e = self.e
        lanes = lanes_of(args[0].type)
        if not lanes:
            return one(*args)
        results = [one(*[e.lane(arg, lane) for arg in args]) for lane in range(lanes)]
        return e.gather(results, f"<{lanes} x {results[0].type}>")


def float_bits(value: int, width: int) -> int:
    """Bits of an integer that the format represents exactly."""
    import struct

    code, number = ("<f", "<I") if width == 32 else ("<d", "<Q")
    (bits,) = struct.unpack(number, struct.pack(code, float(value)))
    return bits
