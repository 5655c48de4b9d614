"""IEEE 754 arithmetic on bit patterns of 16, 32 and 64 bits, exact by Python's integers: slow and obvious.

A NaN result is always `Format.nan`, a pattern that no hardware makes, so that a description which forgets
to choose its NaN is noticed. Flags are those of the IR's `fp_flags`. Denormal inputs raise nothing by
themselves, and infinity times zero beside a quiet NaN addend raises nothing either: where architectures
differ, their descriptions say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

INVALID, ZERO_DIVIDE, OVERFLOW, UNDERFLOW, INEXACT, DENORMAL = 1, 2, 4, 8, 16, 32
NEAREST_EVEN, UP, DOWN, ZERO, NEAREST_AWAY = range(5)
ROUNDING = {"ne": NEAREST_EVEN, "pi": UP, "mi": DOWN, "z": ZERO, "na": NEAREST_AWAY}


@dataclass(slots=True)
class FpEnvironment:
    """Rounding mode (0 nearest-even 1 up 2 down 3 zero), sticky flags, and when tininess is detected."""

    rounding: int = NEAREST_EVEN
    flags: int = 0
    tininess_before: bool = False


@dataclass(frozen=True, slots=True)
class Format:
    """A binary format: `precision` counts the hidden bit."""

    width: int
    precision: int
    nan: int

    @property
    def bias(self) -> int:
        return (1 << (self.width - self.precision - 1)) - 1

    @property
    def infinity(self) -> int:
        return ((1 << (self.width - self.precision)) - 1) << (self.precision - 1)

    @property
    def sign(self) -> int:
        return 1 << (self.width - 1)


FORMATS = {
    16: Format(16, 11, 0xFE2D),
    32: Format(32, 24, 0xFFEDBAD1),
    64: Format(64, 53, 0xFFFDBADBADBADBAD),
}


@dataclass(frozen=True, slots=True)
class Number:
    """What a pattern means: a NaN, an infinity, or (-1)^sign * significand * 2^exponent."""

    kind: str  # finite, infinity, quiet, signalling
    sign: int
    significand: int = 0
    exponent: int = 0

    @property
    def is_nan(self) -> bool:
        return self.kind in ("quiet", "signalling")

    @property
    def is_zero(self) -> bool:
        return self.kind == "finite" and self.significand == 0

    @property
    def signed(self) -> int:
        return -self.significand if self.sign else self.significand


def unpack(bits: int, fmt: Format) -> Number:
    """The meaning of a pattern."""
    sign = bits >> (fmt.width - 1)
    fraction_bits = fmt.precision - 1
    fraction = bits & ((1 << fraction_bits) - 1)
    biased = (bits & ~fmt.sign) >> fraction_bits
    if biased == fmt.infinity >> fraction_bits:
        if fraction == 0:
            return Number("infinity", sign)
        return Number("quiet" if fraction >> (fraction_bits - 1) else "signalling", sign)
    if biased == 0:
        return Number("finite", sign, fraction, 1 - fmt.bias - fraction_bits)
    return Number("finite", sign, fraction | 1 << fraction_bits, biased - fmt.bias - fraction_bits)


# --- rounding ------------------------------------------------------------------------------------


def _round_shift(value: int, shift: int, sign: int, mode: int) -> tuple[int, bool]:
    """`value` / 2^shift rounded to an integer, and whether that was inexact; `value` is a magnitude."""
    if shift <= 0:
        return value << -shift, False
    kept, rest = value >> shift, value & ((1 << shift) - 1)
    if rest == 0:
        return kept, False
    half = 1 << (shift - 1)
    match mode:
        case 0:
            up = rest > half or (rest == half and bool(kept & 1))
        case 1:
            up = not sign
        case 2:
            up = bool(sign)
        case 4:
            up = rest >= half
        case _:
            up = False
    return kept + up, True


def _round(sign: int, significand: int, exponent: int, fmt: Format, env: FpEnvironment) -> int:
    """Packs significand * 2^exponent, correctly rounded. An inexact significand has a sticky lowest bit."""
    top = sign << (fmt.width - 1)
    if significand == 0:
        return top
    least = 1 - fmt.bias
    leading = exponent + significand.bit_length() - 1
    quantum = max(leading, least) - fmt.precision + 1
    rounded, inexact = _round_shift(significand, quantum - exponent, sign, env.rounding)
    if inexact:
        env.flags |= INEXACT
        if leading < least and (env.tininess_before or _stays_tiny(sign, significand, exponent, fmt, env)):
            env.flags |= UNDERFLOW
    if rounded >> fmt.precision:
        rounded, quantum = rounded >> 1, quantum + 1
    if quantum + fmt.precision - 1 > fmt.bias:
        env.flags |= OVERFLOW | INEXACT
        to_infinity = env.rounding == NEAREST_EVEN or env.rounding == (DOWN if sign else UP)
        return top | (fmt.infinity if to_infinity else fmt.infinity - 1)
    if not rounded >> (fmt.precision - 1):  # subnormal or zero: the exponent field is 0
        return top | rounded
    field = quantum + fmt.precision - 1 + fmt.bias
    return top | (field << (fmt.precision - 1)) | (rounded & ((1 << (fmt.precision - 1)) - 1))


def _stays_tiny(sign: int, significand: int, exponent: int, fmt: Format, env: FpEnvironment) -> bool:
    """Whether the value, rounded as if exponents had no bound, lies below the least normal number."""
    leading = exponent + significand.bit_length() - 1
    shift = leading - fmt.precision + 1 - exponent
    rounded, _ = _round_shift(significand, shift, sign, env.rounding)
    return leading + (rounded >> fmt.precision) < 1 - fmt.bias


def _nan(fmt: Format, env: FpEnvironment, *operands: Number) -> int:
    if any(number.kind == "signalling" for number in operands):
        env.flags |= INVALID
    return fmt.nan


def _invalid(fmt: Format, env: FpEnvironment) -> int:
    env.flags |= INVALID
    return fmt.nan


# --- arithmetic ----------------------------------------------------------------------------------


def _sum(a: Number, b: Number, fmt: Format, env: FpEnvironment) -> int:
    """a + b, neither a NaN."""
    if a.kind == "infinity" or b.kind == "infinity":
        if a.kind == b.kind and a.sign != b.sign:
            return _invalid(fmt, env)
        sign = a.sign if a.kind == "infinity" else b.sign
        return fmt.infinity | (fmt.sign if sign else 0)
    exponent = min(a.exponent, b.exponent)
    total = (a.signed << (a.exponent - exponent)) + (b.signed << (b.exponent - exponent))
    if total == 0:
        both = a.is_zero and b.is_zero and a.sign == b.sign
        return _round(a.sign if both else int(env.rounding == DOWN), 0, 0, fmt, env)
    return _round(int(total < 0), abs(total), exponent, fmt, env)


def add(a: int, b: int, width: int, env: FpEnvironment) -> int:
    """a + b."""
    fmt = FORMATS[width]
    x, y = unpack(a, fmt), unpack(b, fmt)
    return _nan(fmt, env, x, y) if x.is_nan or y.is_nan else _sum(x, y, fmt, env)


def sub(a: int, b: int, width: int, env: FpEnvironment) -> int:
    """a - b."""
    return add(a, b ^ FORMATS[width].sign, width, env)


def _product(x: Number, y: Number) -> Number:
    """x * y exactly; not for infinity times zero or NaNs."""
    sign = x.sign ^ y.sign
    if x.kind == "infinity" or y.kind == "infinity":
        return Number("infinity", sign)
    return Number("finite", sign, x.significand * y.significand, x.exponent + y.exponent)


def _undefined_product(x: Number, y: Number) -> bool:
    return (x.kind == "infinity" and y.is_zero) or (y.kind == "infinity" and x.is_zero)


def mul(a: int, b: int, width: int, env: FpEnvironment) -> int:
    """a * b."""
    fmt = FORMATS[width]
    x, y = unpack(a, fmt), unpack(b, fmt)
    if x.is_nan or y.is_nan:
        return _nan(fmt, env, x, y)
    if _undefined_product(x, y):
        return _invalid(fmt, env)
    product = _product(x, y)
    if product.kind == "infinity":
        return fmt.infinity | (fmt.sign if product.sign else 0)
    return _round(product.sign, product.significand, product.exponent, fmt, env)


def fma(a: int, b: int, c: int, width: int, env: FpEnvironment) -> int:
    """a * b + c, rounded once."""
    fmt = FORMATS[width]
    x, y, z = unpack(a, fmt), unpack(b, fmt), unpack(c, fmt)
    if x.is_nan or y.is_nan or z.is_nan:
        return _nan(fmt, env, x, y, z)
    if _undefined_product(x, y):
        return _invalid(fmt, env)
    return _sum(_product(x, y), z, fmt, env)


def div(a: int, b: int, width: int, env: FpEnvironment) -> int:
    """a / b."""
    fmt = FORMATS[width]
    x, y = unpack(a, fmt), unpack(b, fmt)
    if x.is_nan or y.is_nan:
        return _nan(fmt, env, x, y)
    if (x.kind == y.kind == "infinity") or (x.is_zero and y.is_zero):
        return _invalid(fmt, env)
    top = fmt.sign if x.sign ^ y.sign else 0
    if y.kind == "infinity":
        return top
    if x.kind == "infinity" or y.is_zero:
        if x.kind != "infinity":
            env.flags |= ZERO_DIVIDE
        return top | fmt.infinity
    # Enough bits that a sticky bit below them decides every rounding.
    scale = 2 * fmt.precision + 3
    quotient, rest = divmod(x.significand << scale, y.significand)
    sticky = quotient << 1 | (rest != 0)
    return _round(x.sign ^ y.sign, sticky, x.exponent - y.exponent - scale - 1, fmt, env)


def sqrt(a: int, width: int, env: FpEnvironment) -> int:
    """Square root."""
    fmt = FORMATS[width]
    x = unpack(a, fmt)
    if x.is_nan:
        return _nan(fmt, env, x)
    if x.is_zero:
        return a
    if x.sign:
        return _invalid(fmt, env)
    if x.kind == "infinity":
        return a
    scale = 2 * fmt.precision + 4 + (x.exponent & 1)  # makes the exponent even
    square = x.significand << scale
    root = isqrt(square)
    sticky = root << 1 | (root * root != square)
    return _round(0, sticky, (x.exponent - scale) // 2 - 1, fmt, env)


# --- conversions ---------------------------------------------------------------------------------


def convert(a: int, width: int, to: int, env: FpEnvironment) -> int:
    """A number of `width` bits in the format of `to` bits."""
    fmt = FORMATS[to]
    x = unpack(a, FORMATS[width])
    if x.is_nan:
        return _nan(fmt, env, x)
    if x.kind == "infinity":
        return fmt.infinity | (fmt.sign if x.sign else 0)
    return _round(x.sign, x.significand, x.exponent, fmt, env)


def from_int(value: int, to: int, env: FpEnvironment) -> int:
    """A (signed, unbounded) integer in the format of `to` bits."""
    return _round(int(value < 0), abs(value), 0, FORMATS[to], env)


def to_int(a: int, width: int, low: int, high: int, rm: str, env: FpEnvironment) -> int:
    """An integer within low … high: saturating, 0 for a NaN; invalid if the value does not fit."""
    x = unpack(a, FORMATS[width])
    if x.is_nan:
        env.flags |= INVALID
        return 0
    if x.kind == "infinity":
        env.flags |= INVALID
        return low if x.sign else high
    mode = env.rounding if rm == "dyn" else ROUNDING[rm]
    magnitude, inexact = _round_shift(x.significand, -x.exponent, x.sign, mode)
    value = -magnitude if x.sign else magnitude
    if not low <= value <= high:
        env.flags |= INVALID
        return min(max(value, low), high)
    if inexact:
        env.flags |= INEXACT
    return value


def round_to_integral(a: int, width: int, rm: str, exact: bool, env: FpEnvironment) -> int:
    """The integral value next to a, in its own format; raises inexact only if `exact`."""
    fmt = FORMATS[width]
    x = unpack(a, fmt)
    if x.is_nan:
        return _nan(fmt, env, x)
    if x.kind == "infinity" or x.is_zero:
        return a
    mode = env.rounding if rm == "dyn" else ROUNDING[rm]
    magnitude, inexact = _round_shift(x.significand, -x.exponent, x.sign, mode)
    if exact and inexact:
        env.flags |= INEXACT
    return _round(x.sign, magnitude, 0, fmt, FpEnvironment())


# --- comparisons ---------------------------------------------------------------------------------


def compare(a: int, b: int, width: int, signal: bool, env: FpEnvironment) -> int | None:
    """-1, 0 or 1 as a is less than, equal to or greater than b; None if one is a NaN."""
    fmt = FORMATS[width]
    x, y = unpack(a, fmt), unpack(b, fmt)
    if x.is_nan or y.is_nan:
        if signal or "signalling" in (x.kind, y.kind):
            env.flags |= INVALID
        return None
    left, right = _order(a, fmt), _order(b, fmt)
    return (left > right) - (left < right)


def _order(bits: int, fmt: Format) -> int:
    """An integer that orders patterns as their numbers; both zeros give 0."""
    return fmt.sign - bits if bits & fmt.sign else bits
