"""Random operands that meet corners: small numbers, powers of two and their neighbours, floats at the
limits.
"""

from __future__ import annotations

from random import Random

from pyqemu.translator.ir.types import Bits, Type

_FRACTION = {16: 10, 32: 23, 64: 52}


def integer(rng: Random, width: int) -> int:
    """A value of `width` bits."""
    mask = (1 << width) - 1
    match rng.randrange(6):
        case 0:
            return rng.choice((0, 1, mask, mask >> 1, (mask >> 1) + 1)) & mask
        case 1:
            return rng.randrange(min(mask, 2 * width) + 1)
        case 2:
            return (1 << rng.randrange(width)) + rng.choice((-1, 0, 1)) & mask
        case _:
            return rng.getrandbits(width)


def floating(rng: Random, width: int, near: int | None = None) -> int:
    """Bits of a float of `width` bits; often near the exponent field `near`."""
    fraction = _FRACTION[width]
    top = (1 << (width - 1 - fraction)) - 1
    sign = rng.getrandbits(1) << (width - 1)
    mantissa = rng.choice(
        (
            0,
            1,
            (1 << fraction) - 1,
            1 << (fraction - 1),
            rng.getrandbits(fraction),
            rng.getrandbits(3) << (fraction - 3),
        )
    )
    bias = top >> 1
    exponent = rng.choice(
        (
            0,
            0,
            1,
            top,
            top - 1,
            rng.randrange(top + 1),
            bias + rng.randrange(-3, 66),
            bias + rng.randrange(-fraction - 3, 4),
        )
    )
    if near is not None and rng.random() < 0.5:
        exponent = near + rng.randrange(-2, 3)
    return sign | min(max(exponent, 0), top) << fraction | mantissa


def operand(rng: Random, ty: Type, *, is_float: bool, near: int | None = None) -> int:
    """The bits of a value of type `ty`."""
    if isinstance(ty, Bits):
        return floating(rng, ty.width, near) if is_float else integer(rng, ty.width)
    result = 0
    for lane in range(ty.lanes):
        one = floating(rng, ty.width, near) if is_float else integer(rng, ty.width)
        result |= one << (lane * ty.width)
    return result
