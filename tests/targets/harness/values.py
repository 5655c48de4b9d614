"""Integers and floats that are telling as operands, whatever the architecture."""

from __future__ import annotations

import random

_MASK = (1 << 64) - 1
_EDGES = (
    0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF,
    0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, (1 << 63) - 1, 1 << 63, _MASK,
)  # fmt: skip
_FRACTION = {16: 10, 32: 23, 64: 52}
_FLOAT_EDGES = {
    16: (0x7D01, 0xFE23, 0x7BFF, 0x03FF, 0x3C01),
    32: (
        0x7F800001, 0xFFA00001, 0x7FC00000, 0xFFC12345, 0x7FFFFF, 0x00800001, 0x7F7FFFFF, 0x3EFFFFFF,
        0x00400000, 0x00200000, 0x477FE000, 0x477FF000, 0x33000000, 0x387FE000, 0x4EFFFFFF,
        0x7E800000, 0x7F000000, 0x1A000000, 0x20000000,
    ),
    64: (
        0x7FF0000000000001, 0xFFF4000000000001, 0x7FF8000000000000, 0xFFF8123456789ABC,
        0x000FFFFFFFFFFFFF, 0x0010000000000001, 0x7FEFFFFFFFFFFFFF, 0x3FDFFFFFFFFFFFFF,
        0x41DFFFFFFFC00000, 0x41EFFFFFFFE00000, 0x47EFFFFFE0000000, 0x47EFFFFFF0000000, 0x380FFFFFE0000000,
        0x36A0000000000000, 0x3690000000000000, 0x40EFFC0000000000, 0x3E70000000000000, 0x7FD0000000000000,
    ),
}  # fmt: skip


def telling_integer(rng: random.Random) -> int:
    """64 bits: random, small of either sign, or an edge."""
    match rng.randrange(6):
        case 0:
            return rng.choice(_EDGES)
        case 1:
            return rng.randrange(-256, 256) & _MASK
        case 2:
            return 1 << rng.randrange(64)
        case 3:
            return (rng.getrandbits(32) << 32 | rng.choice(_EDGES) & 0xFFFFFFFF) & _MASK
        case _:
            return rng.getrandbits(64)


def telling_float(rng: random.Random, width: int) -> int:
    """A float's bits: an edge, a power of two, near the least normal one, of middling size, or anything.

    NaNs of all kinds, values whose results are tiny, too large for a float, an integer or a half, or lie half way
    between two results.
    """
    fraction = _FRACTION[width]
    bias = (1 << (width - fraction - 2)) - 1
    sign = rng.getrandbits(1) << (width - 1)
    match rng.randrange(7):
        case 0:
            return sign ^ rng.choice(_FLOAT_EDGES[width])
        case 1:
            near = (0, 1, 2 * bias, 2 * bias + 1, *(bias + k for k in (-1, 0, 1, 31, 32, 63, 64)))
            return sign | min(rng.choice(near), 2 * bias + 1) << fraction
        case 2:
            return sign | rng.randrange(3) << fraction | rng.getrandbits(fraction)
        case 3:
            return sign | (bias + rng.randrange(-2, 3)) << fraction | rng.getrandbits(fraction)
        case 4:
            exponent = bias + rng.randrange(-bias // 7, bias // 7)
            return sign | exponent << fraction | rng.getrandbits(fraction)
        case 5:  # few bits are set: sums, products and what is cut off lie half way between two floats
            exponent = bias + rng.randrange(-fraction - 3, fraction + 4)
            places = [rng.choice((0, 1, fraction - 1, rng.randrange(fraction))) for _ in range(rng.randrange(4))]
            bits = sum({1 << place for place in places})
            return sign | exponent << fraction | bits
        case _:
            return rng.getrandbits(width)
