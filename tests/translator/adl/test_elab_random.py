"""Whole descriptions: every shape with its holes filled does what the lifted instruction does."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pyqemu.translator.adl.elaborate import Elaborator
from pyqemu.translator.adl.model import build
from pyqemu.translator.adl.parse import parse_folder
from pyqemu.translator.ir.guarded import guarded
from pyqemu.translator.static import evaluate, leaves_of
from pyqemu.translator.target import Encoding, ShapeChoice, ShapeLeaf, ShapeTree, Undefined
from tests.translator.adl.elab_support import MEMORY, Case, execute, fresh_state, leaves, pick

ROOT = Path(__file__).parents[3]
FOLDERS = [
    folder
    for folder in (ROOT / "tests/targets/toy", *sorted((ROOT / "targets").iterdir()))
    if (folder / "main.arch").is_file()
]
CASES = 4


def random_fields(encoding: Encoding, rng: random.Random) -> dict[str, int]:
    """Fields of a random word; small registers' numbers more often, so that they are equal now and then."""
    word = rng.getrandbits(32) & rng.choice([-1, rng.getrandbits(32), rng.getrandbits(32)])
    return encoding.fields_of(word & ~encoding.mask | encoding.value)


def check_disjoint(tree: ShapeTree) -> None:
    """Every choice is between at least two values, and depends on fields and context only."""
    if isinstance(tree, ShapeChoice):
        assert len(tree.children) > 1
        assert not any(type(leaf).__name__ == "Here" for leaf in leaves_of(tree.expr))
        for child in tree.children.values():
            check_disjoint(child)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_shapes_and_lifted_code_agree(folder: Path) -> None:
    model = build(parse_folder(folder))
    elaborator = Elaborator(model)
    rng = random.Random(folder.name)
    ran = 0
    for bound in model.encodings:
        encoding = bound.encoding
        tree = elaborator.shapes(encoding)
        guard = elaborator.guard(encoding)
        check_disjoint(tree)
        check_disjoint(guard or Undefined())
        assert len({leaf.label for leaf in leaves(tree)}) == len(list(leaves(tree)))
        for _ in range(CASES):
            fields = random_fields(encoding, rng)
            ctx = {name: rng.getrandbits(variable.width) for name, variable in model.contexts.items()}
            if not evaluate(encoding.guard, fields, 0, ctx):
                continue
            case = Case(fields, ctx, rng.getrandbits(48) & ~3, fresh_state(model, rng))
            for file in case.state.values():  # addresses that can be reached
                file[:] = [rng.choice([value, MEMORY + rng.randrange(8) * 8]) & max(file) for value in file]
            shape, lifted = pick(tree, fields, ctx), elaborator.lift(encoding, fields, ctx)
            if isinstance(lifted, Undefined) or isinstance(shape, Undefined):
                assert isinstance(lifted, Undefined) and isinstance(shape, Undefined), (encoding.name, fields)
                continue
            assert isinstance(shape, ShapeLeaf)
            test = None if guard is None else pick(guard, fields, ctx)
            assert not isinstance(test, Undefined)
            whole = guarded(test and test.function, shape.function)
            a, b = (execute(function, elaborator, case) for function in (whole, lifted))
            assert a.view() == b.view(), (encoding.name, shape.label, fields)
            ran += 1
    assert ran > len(model.encodings)
