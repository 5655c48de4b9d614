"""Small descriptions for the elaborator's tests, run by shape with holes, and lifted for given fields."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pyqemu.translator.adl.elaborate import Elaborator
from pyqemu.translator.adl.model import Model, build
from pyqemu.translator.adl.parse import parse_text
from pyqemu.translator.ir.function import Function
from pyqemu.translator.ir.guarded import guarded
from pyqemu.translator.ir.interp import Environment, GuestFault, Outcome, SparseMemory, run
from pyqemu.translator.ir.softfloat import FpEnvironment
from pyqemu.translator.static import evaluate
from pyqemu.translator.target import Encoding, ShapeChoice, ShapeLeaf, ShapeTree, Undefined

MEMORY = 0x1000
HERE = 0x40000

HEADER = """
arch small {
  unit U b32 order le
  data order le
  address b64
  file G[16]: b64
  view X[i]: b64 = G[i] except 15 zero
  view W[i]: b32 = X[i][31:0] write zext
  view H[i]: b16 = X[i][15:0] write keep
  view XS[i]: b64 = G[i]
  view R(sf)[i] = sf ? X[i] : W[i]
  file Q[8]: b128
  view D[i]: b64 = Q[i][63:0] write zext
  flags NZCV = N, Z, C, V
  reg TP: b64
  reg CR: b32
  view CRlow: b8 = CR[7:0] write keep
  ctx mode: 2
  exception undefined()
  exception trap(code: b16)
  const TABLE: b8[4] = [3, 5, 7, 9]
  const POWERS = [1, 10, 100, 1000]
  operand cond(c) -> b1 { 0 "eq" = Z; 1 "ne" = !Z; 2|3 "al" = b(1, 1) }
  operand scale(s) -> int { 0 "b" = 1; 1 "h" = 2; 2 "w" = 4; 3 "d" = 8 }
"""
PICTURE = "00000000 rd:4 rn:4 rm:4 f:4 imm:s8"
FIELDS = {"rd": 1, "rn": 2, "rm": 3, "f": 0, "imm": 0}


def describe(body: str, more: str = "", picture: str = PICTURE, rows: str = "") -> str:
    """A description with one instruction `I`."""
    return f'{HEADER}\n{more}\ninsn I {{\n enc "{picture}"\n {rows}\n asm "i"\n do {{\n{body}\n }}\n}}\n}}\n'


@dataclass(slots=True)
class Result:
    """State, memory and outcome after an instruction; `fault` is set if an access faulted."""

    state: dict[str, list[int]]
    outcome: Outcome | None
    memory: SparseMemory
    ctx: dict[str, int]
    flags: int
    fault: tuple[int, str] | None = None

    def view(self) -> object:
        """All that can be compared."""
        return self.state, self.outcome, self.memory.bytes, self.ctx, self.flags, self.fault


@dataclass(slots=True)
class Case:
    """What an instruction starts from."""

    fields: Mapping[str, int]
    ctx: Mapping[str, int] = field(default_factory=dict[str, int])
    here: int = HERE
    state: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    memory: Mapping[int, bytes] = field(default_factory=lambda: {MEMORY: bytes(range(64))})
    flags: int = 0


def fresh_state(model: Model, rng: random.Random | None = None) -> dict[str, list[int]]:
    """Registers, all zero or random."""
    return {
        r.name: [rng.getrandbits(r.width) if rng else 0 for _ in range(r.count)]
        for r in model.registers.values()
    }


def execute(function: Function, elaborator: Elaborator, case: Case) -> Result:
    """Runs a function on a copy of the case's state."""
    state = {name: list(values) for name, values in case.state.items()}
    ctx, memory = dict(case.ctx), SparseMemory(case.memory)
    fp = FpEnvironment()
    fp.flags = case.flags
    env = Environment(case.fields, case.here, ctx, memory, fp, elaborator.functions())
    outcome: Outcome | None = None
    fault: tuple[int, str] | None = None
    try:
        outcome = run(function, state, env)
    except GuestFault as error:
        fault = (error.address, error.access)
    return Result(state, outcome, memory, ctx, fp.flags, fault)


def pick(tree: ShapeTree, fields: Mapping[str, int], ctx: Mapping[str, int]) -> ShapeLeaf | Undefined:
    """The shape that these fields have."""
    while isinstance(tree, ShapeChoice):
        tree = tree.children.get(evaluate(tree.expr, fields, 0, ctx), Undefined())
    return tree


def leaves(tree: ShapeTree) -> Iterator[ShapeLeaf]:
    """All shapes that are not UNDEFINED."""
    if isinstance(tree, ShapeLeaf):
        yield tree
    elif isinstance(tree, ShapeChoice):
        for child in tree.children.values():
            yield from leaves(child)


class Small:
    """A small description, elaborated."""

    def __init__(self, text: str) -> None:
        self.model = build(parse_text(text))
        self.elaborator = Elaborator(self.model)
        self.encoding: Encoding = self.model.encodings[0].encoding
        self.tree = self.elaborator.shapes(self.encoding)
        self.guard = self.elaborator.guard(self.encoding)

    def labels(self) -> list[str]:
        """The labels of all shapes."""
        return [leaf.label for leaf in leaves(self.tree)]

    def leaf(self, **fields: int) -> Function:
        """The only shape, or the one for these fields."""
        found = pick(self.tree, {**FIELDS, **fields}, {"mode": 0})
        assert isinstance(found, ShapeLeaf)
        return found.function

    def run(
        self,
        fields: Mapping[str, int] | None = None,
        ctx: Mapping[str, int] | None = None,
        **state: dict[int, int] | int,
    ) -> Result:
        """Runs instruction `I`; its shape and its lifted form have to agree."""
        filled = {f.name: 0 for f in self.encoding.fields} | {
            k: v
            for k, v in (FIELDS | dict(fields or {})).items()
            if k in {f.name for f in self.encoding.fields}
        }
        case = Case(filled, {"mode": 0, **(ctx or {})}, state=fresh_state(self.model))
        for name, value in state.items():
            for index, one in (value if isinstance(value, dict) else {0: value}).items():
                case.state[name][index] = one
        leaf = pick(self.tree, filled, case.ctx)
        guard = None if self.guard is None else pick(self.guard, filled, case.ctx)
        lifted = self.elaborator.lift(self.encoding, filled, case.ctx)
        assert isinstance(leaf, ShapeLeaf) and isinstance(lifted, Function)
        assert not isinstance(guard, Undefined)
        by_shape = execute(guarded(guard and guard.function, leaf.function), self.elaborator, case)
        assert by_shape.view() == execute(lifted, self.elaborator, case).view()
        return by_shape


def small(body: str, more: str = "", picture: str = PICTURE, rows: str = "") -> Small:
    """The instruction `I` with this body."""
    return Small(describe(body, more, picture, rows))
