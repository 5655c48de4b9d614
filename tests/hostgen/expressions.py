"""Decode-time expressions of the kind that descriptions have, over a few fields."""

from __future__ import annotations

from random import Random

from pyqemu.hostgen.value_form import Fields
from pyqemu.translator.static import Ctx, Field, Here, StaticExpr, apply, element
from pyqemu.translator.target import EncodingField, FieldSlice

FIELDS: Fields = {
    "rd": EncodingField("rd", 5, False, (FieldSlice(0, 5, 0),)),
    "bit": EncodingField("bit", 1, False, (FieldSlice(31, 1, 0),)),
    "imm": EncodingField("imm", 12, False, (FieldSlice(10, 12, 0),)),
    "offset": EncodingField("offset", 21, True, (FieldSlice(5, 19, 2), FieldSlice(29, 2, 0))),
}
LEAVES = [Field(field.name, field.width, field.signed) for field in FIELDS.values()]
RD, BIT, IMM, OFFSET = LEAVES
MODE = Ctx("mode", 2)


def random_expression(rng: Random, depth: int) -> StaticExpr:
    """One of up to `depth` steps."""
    if depth == 0:
        return rng.choice([*LEAVES, *LEAVES, Here(), MODE, rng.randrange(-70, 70)])
    a, b = random_expression(rng, depth - 1), random_expression(rng, rng.randrange(depth))
    match rng.randrange(12):
        case 0 | 1 | 2:
            return apply(rng.choice(("add", "sub", "and", "or", "xor")), a, b)
        case 3:
            return apply("mul", a, rng.randrange(-9, 9))
        case 4:
            return apply("shl", a, rng.randrange(20))
        case 5:
            return apply("shr", a, rng.randrange(12))
        case 6:
            return apply(rng.choice(("bits", "sbits")), a, rng.randrange(1, 70))
        case 7:
            return apply("and", a, rng.choice((-4096, -4, 7, 0x70)))
        case 8:
            return apply(rng.choice(("eq", "ne", "lt", "le")), a, b)
        case 9:
            return apply("select", rng.choice((BIT, a)), b, random_expression(rng, 0))
        case 10:
            return element(tuple(rng.getrandbits(64) for _ in range(rng.choice((3, 32, 40)))), rng.choice((RD, a)))
        case _:
            return apply(rng.choice(("neg", "inv")), a)
