"""Value types of the IR: bit vectors and fixed vectors of them.

There are no floating-point types: a float is its bit pattern, and the operation says how it is read
(docs/decisions/floats-are-bits.md).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bits:
    """`iN`: N bits without a sign, N >= 1."""

    width: int

    def __str__(self) -> str:
        return f"i{self.width}"

    @property
    def total(self) -> int:
        """Width in bits of the whole value."""
        return self.width


@dataclass(frozen=True, slots=True)
class Vec:
    """`vKxN`: K lanes of N bits; lane 0 holds the least significant bits."""

    lanes: int
    width: int

    def __str__(self) -> str:
        return f"v{self.lanes}x{self.width}"

    @property
    def total(self) -> int:
        """Width in bits of the whole value."""
        return self.lanes * self.width


Type = Bits | Vec

I1 = Bits(1)
I8 = Bits(8)
I64 = Bits(64)
#: Of context variables where they are stored.
CONTEXT_TYPE = I64


def with_width(ty: Type, width: int) -> Type:
    """The type of `ty`'s shape whose elements have `width` bits."""
    return Bits(width) if isinstance(ty, Bits) else Vec(ty.lanes, width)


def parse_type(text: str) -> Type:
    """Reads `i32` or `v4x32`; raises ValueError for anything else."""
    if text.startswith("i"):
        return Bits(int(text[1:]))
    if text.startswith("v"):
        lanes, _, width = text[1:].partition("x")
        return Vec(int(lanes), int(width))
    raise ValueError(f"not a type: {text!r}")
