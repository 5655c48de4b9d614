"""Decode-time expressions: integers computed from an instruction's fields before it runs.

They are what holes, shapes and guards are made of. The description's elaborator builds them, the IR carries
them in `hole`, `read`, `write` and `goto`, and the pack writer compiles them to the runtime's byte code.
Integers are unbounded here; `interval` bounds them, so that users can check what fits where.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Interval = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the encoding: `width` bits, read as signed or not."""

    name: str
    width: int
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Here:
    """The guest address of the instruction itself; `width` bits."""

    width: int = 64


@dataclass(frozen=True, slots=True)
class Ctx:
    """A context variable of `width` bits, unsigned."""

    name: str
    width: int


@dataclass(frozen=True, slots=True)
class Apply:
    """`op` (a key of OPERATIONS) applied to arguments."""

    op: str
    args: tuple[StaticExpr, ...]


@dataclass(frozen=True, slots=True)
class Element:
    """Element `index` of a constant table (values given in full); 0 beyond its end."""

    table: tuple[int, ...]
    index: StaticExpr


StaticExpr = int | Field | Here | Ctx | Apply | Element

_MASK = (1 << 64) - 1
#: name -> meaning on unbounded ints. Shifts take amounts 0..; `bits(x,n)` is x mod 2^n, `sbits` reads it as signed.
OPERATIONS: Mapping[str, Callable[..., int]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a // b if b else 0,
    "mod": lambda a, b: a % b if b else a,
    "neg": lambda a: -a,
    "inv": lambda a: ~a,
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b,
    "shl": lambda a, b: a << b if b >= 0 else 0,
    "shr": lambda a, b: a >> b if b >= 0 else 0,
    "eq": lambda a, b: int(a == b),
    "ne": lambda a, b: int(a != b),
    "lt": lambda a, b: int(a < b),
    "le": lambda a, b: int(a <= b),
    "select": lambda c, a, b: a if c else b,
    "bits": lambda a, n: a & ((1 << n) - 1),
    "sbits": lambda a, n: ((a & ((1 << n) - 1)) ^ (1 << n >> 1)) - (1 << n >> 1),
    "log2": lambda a: a.bit_length() - 1,
    "popcount": lambda a: (a & _MASK).bit_count(),
}
