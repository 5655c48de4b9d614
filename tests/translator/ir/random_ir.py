"""Random functions, states and decode-time expressions for property tests."""

from __future__ import annotations

import random

from pyqemu.translator.errors import VerifyError
from pyqemu.translator.ir.attributes import RMW_NAMES, ROUNDING_NAMES
from pyqemu.translator.ir.builder import Builder
from pyqemu.translator.ir.function import Function, Value
from pyqemu.translator.ir.interp import Environment, SparseMemory
from pyqemu.translator.ir.ops import OPS, Effect
from pyqemu.translator.ir.softfloat import FpEnvironment
from pyqemu.translator.ir.types import I1, I8, I64, Bits, Type, Vec, with_width
from pyqemu.translator.static import Apply, Ctx, Element, Field, Here, StaticExpr, apply, element

FIELDS = (Field("a", 3), Field("b", 4, True), Field("d", 1), Field("rn", 5), Field("rd", 5))
CONTEXT = Ctx("fz", 1)
TYPES: tuple[Type, ...] = (
    I1, I8, Bits(16), Bits(32), I64, Bits(128), Vec(4, 32), Vec(8, 16), Vec(2, 64), Vec(4, 1), Vec(16, 8),
)  # fmt: skip
PURE = [
    name
    for name, spec in OPS.items()
    if (spec.effects == Effect.PURE or (name[0] == "f" and spec.operands.startswith("T")))
    and name not in ("any", "const", "hole", "lookup")
] + ["sitof", "uitof", "lookup"]
_MEMORY = range(0x1000, 0x1100)


def static_expr(rng: random.Random, depth: int, simplify: bool) -> StaticExpr:
    """A random expression; made by the simplifying constructors or without them."""
    if depth == 0 or rng.random() < 0.15:
        return rng.choice([rng.randint(-3, 40), 0, 1, *FIELDS, CONTEXT])
    make = apply if simplify else lambda op, *args: Apply(op, args)

    def again() -> StaticExpr:
        return static_expr(rng, depth - 1, simplify)

    match rng.randrange(8):
        case 0:
            return make("select", again(), again(), again())
        case 1:
            return make(rng.choice(["neg", "inv", "log2", "popcount"]), again())
        case 2:
            return make(rng.choice(["bits", "sbits"]), again(), rng.randint(0, 6))
        case 3:
            return make(rng.choice(["shl", "shr"]), again(), make("bits", again(), 3))
        case 4:
            return (element if simplify else Element)((3, 1, 4, -7), again())
        case _:
            arithmetic = ["add", "sub", "mul", "div", "mod", "and", "or", "xor", "eq", "ne", "lt", "le"]
            return make(rng.choice(arithmetic), again(), again())


def field_values(rng: random.Random) -> dict[str, int]:
    return {
        field.name: rng.getrandbits(field.width) - (1 << field.width >> 1 if field.signed else 0)
        for field in FIELDS
    }


class RandomFunction:
    """Builds one function: blocks that go forward, any operation, any register, memory if asked for."""

    def __init__(self, rng: random.Random, memory: bool = True, blocks: int = 4) -> None:
        self._rng = rng
        self._memory = memory
        self.function = Function("random", label=rng.choice(["", "sf=1,S=0"]))
        self._builder = Builder(self.function)
        self._blocks = [self._builder.block("entry")]
        for number in range(rng.randrange(blocks)):
            types = [rng.choice(TYPES) for _ in range(rng.randrange(3))]
            self._blocks.append(self._builder.block(f"b{number}", types))
        common: list[Value] = []
        for place, block in enumerate(self._blocks):
            self._builder.at(block)
            self._values = [*common, *block.arguments]
            for _ in range(rng.randrange(3, 14)):
                self._operation()
            if place == 0:
                common = list(self._values)
            self._terminator(self._blocks[place + 1 :])
        for value in rng.sample(common, min(3, len(common))):
            value.name = rng.choice(["x", "y", "sum.lo", "7"])

    def _value(self, ty: Type) -> Value:
        """A value of type `ty`: one that there is, or a new constant."""
        fitting = [value for value in self._values if value.type == ty]
        if fitting and self._rng.random() < 0.8:
            return self._rng.choice(fitting[-6:])
        return self._builder.const(self._rng.choice([0, 1, -1, 5, self._rng.getrandbits(64)]), ty)

    def _operation(self) -> None:
        rng, builder = self._rng, self._builder
        match rng.randrange(10 if self._memory else 9):
            case 0 | 1:
                file, ty = rng.choice([("S", I64), ("V", Bits(128)), ("V", Vec(4, 32)), ("N", I1)])
                self._values.append(builder.read(file, ty, self._index(file), rng.choice([None, 31])))
            case 2 | 3:
                file, ty = rng.choice([("S", I64), ("V", Vec(4, 32)), ("N", I1)])
                builder.write(self._value(ty), file, self._index(file), rng.choice([None, 31]))
            case 4:
                self._values.append(builder.hole(static_expr(rng, 2, True), rng.choice([I1, I8, I64])))
            case 5:
                name = rng.choice(["fp_flags", "fp_raise", "fp_set_mode"])
                if name == "fp_flags":
                    self._values.append(builder.value(name))
                else:
                    builder.op(name, self._value(I8))
            case 9:
                self._access()
            case _:
                self._pure()

    def _index(self, file: str) -> StaticExpr | None:
        if file == "N":
            return None
        return self._rng.choice([3, 31, FIELDS[0], FIELDS[3], FIELDS[4]])

    def _access(self) -> None:
        rng, builder = self._rng, self._builder
        address = builder.const(rng.choice(_MEMORY[:-16]), I64)
        ty = rng.choice([I8, Bits(32), I64, Vec(4, 32)])
        endian = rng.choice(["le", "be"])
        match rng.randrange(4):
            case 0:
                builder.store(address, self._value(ty), endian=endian)
            case 1:
                self._values.append(
                    builder.value("cas", address, self._value(ty), self._value(ty), endian=endian)
                )
            case 2:
                operand = self._value(ty)
                self._values.append(
                    builder.value("rmw", address, operand, op=rng.choice(RMW_NAMES), endian=endian)
                )
            case _:
                self._values.append(builder.load(address, ty, endian=endian))

    def _pure(self) -> None:
        """An operation of the table on operands and a type that may fit; the builder refuses the rest."""
        rng, name = self._rng, self._rng.choice(PURE)
        spec = OPS[name]
        for _ in range(20):
            base = rng.choice(TYPES)
            shapes = {
                "T": base,
                "E": with_width(base, 1),
                "S": Bits(base.width),
                "E|i1": rng.choice([I1, with_width(base, 1)]),
            }
            operands = [self._value(shapes.get(want, rng.choice(TYPES))) for want in spec.operands.split()]
            attrs = {
                "lo": rng.choice([0, 8, 32]),
                "index": rng.randrange(4),
                "mask": tuple(rng.randrange(8) for _ in range(rng.choice([2, 4]))),
                "table": (1, 5, 1 << 40, 7),
                "rm": rng.choice(ROUNDING_NAMES),
                "exact": rng.getrandbits(1),
                "signal": rng.getrandbits(1),
            }
            try:
                given = {key: attrs[key] for key in spec.attrs}
                self._values.append(self._builder.value(name, *operands, type=self._stated(base), **given))
                return
            except VerifyError:
                continue

    def _stated(self, base: Type) -> Type:
        same_shape = with_width(base, self._rng.choice([1, 8, 16, 32, 64]))
        return self._rng.choice([*TYPES, same_shape, same_shape, with_width(base, base.width * 2)])

    def _terminator(self, later: list) -> None:
        rng, builder = self._rng, self._builder
        if later and rng.random() < 0.8:
            edges = [
                (block, [self._value(arg.type) for arg in block.arguments])
                for block in rng.choices(later, k=2)
            ]
            if rng.random() < 0.7:
                (first, first_args), (second, second_args) = edges
                builder.branch(self._value(I1), first, second, first_args, second_args)
            else:
                builder.jump(edges[0][0], *edges[0][1])
            return
        match rng.randrange(4):
            case 0:
                builder.goto(Apply("add", (Here(), FIELDS[1])), rng.choice(["plain", "call", "return"]))
            case 1:
                builder.goto_indirect(self._value(I64))
            case 2:
                builder.raise_("svc", self._value(Bits(16)))
            case _:
                builder.next()


def random_state(rng: random.Random) -> tuple[dict[str, list[int]], Environment]:
    """Registers and an environment that a random function can run on."""
    state = {
        "S": [rng.choice([0, 1, rng.getrandbits(64)]) for _ in range(64)],
        "V": [rng.getrandbits(128) for _ in range(64)],
        "N": [rng.getrandbits(1)],
    }
    memory = SparseMemory({_MEMORY.start: rng.randbytes(len(_MEMORY))})
    fp = FpEnvironment(rng.randrange(4), 0, bool(rng.getrandbits(1)))
    return state, Environment(field_values(rng), rng.getrandbits(48), {"fz": rng.getrandbits(1)}, memory, fp)
