"""softfloat against the host's floating-point unit, through C's fenv and libm."""

from __future__ import annotations

import ctypes
import ctypes.util
import math
import random
import struct
from fractions import Fraction

import pytest

from pyqemu.translator.ir import softfloat as sf
from pyqemu.translator.ir.softfloat import FORMATS, FpEnvironment

libm = ctypes.CDLL(ctypes.util.find_library("m"))
C_TYPES = {32: ctypes.c_float, 64: ctypes.c_double}
HOST_ROUNDING = {sf.NEAREST_EVEN: 0, sf.DOWN: 0x400, sf.UP: 0x800, sf.ZERO: 0xC00}  # <fenv.h> on x86


def interesting(width: int, rng: random.Random) -> int:
    """A pattern: random, near a power of two, near a boundary, or special."""
    fmt = FORMATS[width]
    sign = rng.getrandbits(1) << (width - 1)
    match rng.randrange(6):
        case 0:
            return rng.getrandbits(width)
        case 1:
            return sign | rng.choice([0, 1, fmt.infinity, fmt.infinity - 1, 1 << (fmt.precision - 1)])
        case 2:  # a significand with few ones, near the middle of the range
            fraction = (1 << rng.randrange(fmt.precision)) ^ rng.getrandbits(2)
            exponent = fmt.bias + rng.randrange(-fmt.precision, fmt.precision)
            return sign | (exponent << (fmt.precision - 1)) + fraction & (fmt.sign - 1)
        case 3:  # subnormal or close to it
            return sign | rng.getrandbits(fmt.precision)
        case 4:
            return sign | fmt.infinity | rng.getrandbits(fmt.precision - 1)
        case _:
            exponent = fmt.bias + rng.randrange(-8, 8)
            return sign | exponent << (fmt.precision - 1) | rng.getrandbits(fmt.precision - 1)


def to_float(bits: int, width: int) -> float:
    return struct.unpack({16: "<e", 32: "<f", 64: "<d"}[width], bits.to_bytes(width // 8, "little"))[0]


def from_float(value: float, width: int) -> int:
    return int.from_bytes(struct.pack({16: "<e", 32: "<f", 64: "<d"}[width], value), "little")


def same(ours: int, host: int, width: int) -> bool:
    fmt = FORMATS[width]
    if sf.unpack(host, fmt).is_nan:
        return ours == fmt.nan
    return ours == host


@pytest.mark.parametrize("rounding", HOST_ROUNDING)
@pytest.mark.parametrize("width", [32, 64])
def test_fma_and_sqrt_against_libm(width: int, rounding: int) -> None:
    """fma(a, 1, b) and fma(a, b, -0) make sums and products of it, so one C function covers them."""
    rng = random.Random(width + rounding)
    suffix = "f" if width == 32 else ""
    c_type = C_TYPES[width]
    raw = ctypes.c_uint32 if width == 32 else ctypes.c_uint64
    fma, sqrt = getattr(libm, "fma" + suffix), getattr(libm, "sqrt" + suffix)
    fma.argtypes, fma.restype = [c_type] * 3, c_type
    sqrt.argtypes, sqrt.restype = [c_type], c_type

    def value(bits: int):
        return c_type.from_buffer_copy(raw(bits)).value

    def host(function, *args: int) -> int:
        libm.fesetround(HOST_ROUNDING[rounding])
        try:
            result = function(*map(value, args))
        finally:
            libm.fesetround(0)
        return raw.from_buffer_copy(c_type(result)).value

    one, minus_zero = FORMATS[width].bias << (FORMATS[width].precision - 1), FORMATS[width].sign
    env = FpEnvironment(rounding)
    for _ in range(1500):
        a, b, c = (interesting(width, rng) for _ in range(3))
        if any(sf.unpack(x, FORMATS[width]).is_nan for x in (a, b, c)):
            continue  # ctypes quietens NaNs on their way
        assert same(sf.fma(a, b, c, width, env), host(fma, a, b, c), width), (hex(a), hex(b), hex(c))
        assert same(sf.add(a, b, width, env), host(fma, a, one, b), width), (hex(a), hex(b))
        if rounding == sf.NEAREST_EVEN:
            assert same(sf.mul(a, b, width, env), host(fma, a, b, minus_zero), width), (hex(a), hex(b))
        assert same(sf.sqrt(a, width, env), host(sqrt, a), width), hex(a)


def test_add_sub_mul_div_sqrt_of_doubles_against_python() -> None:
    rng, env = random.Random(1), FpEnvironment()
    for _ in range(5000):
        a, b = interesting(64, rng), interesting(64, rng)
        x, y = to_float(a, 64), to_float(b, 64)
        assert same(sf.add(a, b, 64, env), from_float(x + y, 64), 64)
        assert same(sf.sub(a, b, 64, env), from_float(x - y, 64), 64)
        assert same(sf.mul(a, b, 64, env), from_float(x * y, 64), 64)
        if y:
            assert same(sf.div(a, b, 64, env), from_float(x / y, 64), 64), (hex(a), hex(b))
        if x >= 0:
            assert same(sf.sqrt(a, 64, env), from_float(math.sqrt(x), 64), 64)


def narrow(value: float, width: int) -> int:
    """`value` in a narrower format, to the nearest; struct refuses to overflow."""
    try:
        return from_float(value, width)
    except OverflowError:
        return FORMATS[width].infinity | (FORMATS[width].sign if value < 0 else 0)


@pytest.mark.parametrize("width", [16, 32])
def test_narrow_formats_against_doubles(width: int) -> None:
    """A double has more than twice the bits and two more, so rounding its result again does no harm."""
    rng, env = random.Random(width), FpEnvironment()
    for _ in range(5000):
        a, b = interesting(width, rng), interesting(width, rng)
        x, y = to_float(a, width), to_float(b, width)
        if x != x or y != y:
            continue
        assert same(sf.add(a, b, width, env), narrow(x + y, width), width)
        assert same(sf.mul(a, b, width, env), narrow(x * y, width), width)
        if y:
            assert same(sf.div(a, b, width, env), narrow(x / y, width), width), (hex(a), hex(b))
        if x >= 0:
            assert same(sf.sqrt(a, width, env), narrow(math.sqrt(x), width), width)


def test_conversions_between_formats() -> None:
    rng, env = random.Random(7), FpEnvironment()
    for _ in range(5000):
        a = interesting(64, rng)
        x = to_float(a, 64)
        if x == x:
            assert sf.convert(a, 64, 32, env) == narrow(x, 32)
            assert sf.convert(a, 64, 16, env) == narrow(x, 16)
        b = interesting(32, rng)
        if not sf.unpack(b, FORMATS[32]).is_nan:
            assert sf.convert(b, 32, 64, env) == from_float(to_float(b, 32), 64)
            assert sf.convert(b, 32, 16, env) == narrow(to_float(b, 32), 16)


def test_all_halves_survive_widening() -> None:
    env = FpEnvironment()
    for bits in range(1 << 16):
        if not sf.unpack(bits, FORMATS[16]).is_nan:
            wide = sf.convert(bits, 16, 64, env)
            assert wide == from_float(to_float(bits, 16), 64)
            assert sf.convert(wide, 64, 16, env) == bits
    assert env.flags == 0


def test_integers() -> None:
    rng, env = random.Random(9), FpEnvironment()
    for _ in range(3000):
        value = rng.getrandbits(rng.randrange(1, 65)) * rng.choice((1, -1))
        assert sf.from_int(value, 64, env) == from_float(float(value), 64)
    rounders = {"z": math.trunc, "mi": math.floor, "pi": math.ceil, "ne": round}
    for _ in range(3000):
        a = interesting(64, rng)
        x = to_float(a, 64)
        if not math.isfinite(x):
            continue
        for rm, rounder in rounders.items():
            exact = rounder(x)
            env.flags = 0
            got = sf.to_int(a, 64, -(1 << 31), (1 << 31) - 1, rm, env)
            if -(1 << 31) <= exact < 1 << 31:
                assert (got, env.flags) == (exact, 0 if exact == x else sf.INEXACT)
            else:
                assert (got, env.flags) == (-(1 << 31) if exact < 0 else (1 << 31) - 1, sf.INVALID)
            env.flags = 0
            integral = sf.round_to_integral(a, 64, rm, True, env)
            assert Fraction(to_float(integral, 64)) == exact
            assert integral >> 63 == a >> 63  # the sign stays, that of a zero too
            assert env.flags == (0 if exact == x else sf.INEXACT)


def test_ties_away() -> None:
    env = FpEnvironment()
    for value, expected in ((0.5, 1), (-0.5, -1), (1.5, 2), (2.5, 3), (2.4999, 2), (-2.5, -3)):
        assert sf.to_int(from_float(value, 64), 64, -100, 100, "na", env) == expected


MIN_NORMAL = 1 << 52
FLAG_CASES = [
    # operation, operands, flags
    (sf.div, (from_float(1.0, 64), 0), sf.ZERO_DIVIDE),
    (sf.div, (0, 0), sf.INVALID),
    (sf.div, (from_float(1.0, 64), from_float(3.0, 64)), sf.INEXACT),
    (sf.div, (from_float(math.inf, 64), 0), 0),
    (sf.mul, (FORMATS[64].infinity, 0), sf.INVALID),
    (sf.mul, (FORMATS[64].infinity - 1, FORMATS[64].infinity - 1), sf.OVERFLOW | sf.INEXACT),
    (sf.mul, (1, 1), sf.UNDERFLOW | sf.INEXACT),
    (sf.mul, (1, from_float(2.0, 64)), 0),
    (sf.sub, (FORMATS[64].infinity, FORMATS[64].infinity), sf.INVALID),
    (sf.add, (FORMATS[64].infinity | 1, 0), sf.INVALID),  # signalling
    (sf.add, (FORMATS[64].infinity | 1 << 51, 0), 0),  # quiet
]


@pytest.mark.parametrize(("operation", "operands", "flags"), FLAG_CASES)
def test_flags(operation, operands: tuple[int, int], flags: int) -> None:
    env = FpEnvironment()
    operation(*operands, 64, env)
    assert env.flags == flags


def test_tininess() -> None:
    """Far less than half a step below the least normal number: tiny before rounding, not after."""
    small = from_float(2.0**-600, 64)
    for before in (False, True):
        env = FpEnvironment(tininess_before=before)
        assert sf.fma(small, small | 1 << 63, MIN_NORMAL, 64, env) == MIN_NORMAL
        assert env.flags == sf.INEXACT | (sf.UNDERFLOW if before else 0)


def test_overflow_goes_where_the_mode_says() -> None:
    big, fmt = FORMATS[64].infinity - 1, FORMATS[64]
    for mode, positive in (
        (sf.NEAREST_EVEN, fmt.infinity),
        (sf.UP, fmt.infinity),
        (sf.DOWN, big),
        (sf.ZERO, big),
    ):
        assert sf.add(big, big, 64, FpEnvironment(mode)) == positive


def test_comparisons() -> None:
    rng = random.Random(11)
    quiet, signalling = FORMATS[64].infinity | 1 << 51, FORMATS[64].infinity | 1
    for _ in range(3000):
        env = FpEnvironment()
        a, b = interesting(64, rng), interesting(64, rng)
        x, y = to_float(a, 64), to_float(b, 64)
        order = None if x != x or y != y else (x > y) - (x < y)
        assert sf.compare(a, b, 64, False, env) == order
    for a, signal, flags in (
        (quiet, False, 0),
        (quiet, True, 1),
        (signalling, False, 1),
        (signalling, True, 1),
    ):
        env = FpEnvironment()
        assert sf.compare(a, 0, 64, signal, env) is None
        assert env.flags == flags
