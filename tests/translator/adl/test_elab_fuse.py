"""Two neighbouring instructions fused do what they do one after the other."""

from __future__ import annotations

import random
from pathlib import Path

from pyqemu.translator.adl.elaborate import SECOND, Elaborator
from pyqemu.translator.adl.model import build
from pyqemu.translator.adl.parse import parse_folder
from pyqemu.translator.adl.shapes import paths
from pyqemu.translator.ir.function import Function
from pyqemu.translator.target import Encoding, ShapeLeaf
from tests.translator.adl.elab_support import HERE, Case, execute, fresh_state, pick

TOY = Path(__file__).parents[2] / "targets/toy"
CTX = {"trap_div": 0, "lane": 0, "it": 0}


def test_fused_instructions() -> None:
    model = build(parse_folder(TOY))
    elaborator = Elaborator(model)
    by_name = {bound.encoding.name: bound.encoding for bound in model.encodings}
    first, second = by_name["ADD_SUB_1"], by_name["BRANCH_cond"]
    rng = random.Random(1)
    made = {
        (a.label, b.label): elaborator.fuse(first, one, second, two)
        for one, a in paths(elaborator.shapes(first))
        for two, b in paths(elaborator.shapes(second))
    }
    assert all(isinstance(function, Function) for function in made.values())
    for _ in range(200):
        fields = [fields_of(encoding, rng) for encoding in (first, second)]
        leaves = [
            pick(elaborator.shapes(encoding), one, CTX)
            for encoding, one in zip((first, second), fields, strict=True)
        ]
        state = fresh_state(model, rng)
        a, b = leaves
        assert isinstance(a, ShapeLeaf) and isinstance(b, ShapeLeaf)
        middle = execute(a.function, elaborator, Case(fields[0], CTX, state=state))
        after = execute(b.function, elaborator, Case(fields[1], CTX, HERE + 4, middle.state))
        both = fields[0] | {SECOND + name: value for name, value in fields[1].items()}
        fused = made[a.label, b.label]
        assert fused is not None
        assert execute(fused, elaborator, Case(both, CTX, state=state)).view() == after.view()


def fields_of(encoding: Encoding, rng: random.Random) -> dict[str, int]:
    return encoding.fields_of(rng.getrandbits(32) & ~encoding.mask | encoding.value)


def test_what_cannot_be_fused() -> None:
    model = build(parse_folder(TOY))
    elaborator = Elaborator(model)
    by_name = {bound.encoding.name: bound.encoding for bound in model.encodings}
    divide, call = by_name["DIV"], by_name["CALL"]
    ways = [way for way, _ in paths(elaborator.shapes(divide))]
    (call_way,) = [way for way, _ in paths(elaborator.shapes(call))]
    assert elaborator.fuse(call, call_way, divide, ways[0]) is None  # goes elsewhere
    assert elaborator.fuse(divide, ways[0], divide, ways[1]) is None  # in different contexts
    assert elaborator.fuse(divide, ways[0], divide, ways[0]) is not None
