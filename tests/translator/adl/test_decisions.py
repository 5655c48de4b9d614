"""The descriptions in docs/decisions/language-for-many-architectures.md are built, printed and elaborated."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from pyqemu.translator.adl.conflicts import find_conflicts
from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.adl.model import build
from pyqemu.translator.adl.parse import parse_text
from pyqemu.translator.target import ShapeChoice, ShapeLeaf, ShapeTree

PAGE = Path(__file__).parents[3] / "docs" / "decisions" / "language-for-many-architectures.md"
BLOCK = re.compile(r"^## ([^\n]*)\n(?:(?!^## ).)*?^```arch\n(.*?)^```", re.DOTALL | re.MULTILINE)
BLOCKS = BLOCK.findall(PAGE.read_text())


def leaves(tree: ShapeTree) -> int:
    match tree:
        case ShapeLeaf():
            return 1
        case ShapeChoice():
            return sum(leaves(child) for child in tree.children.values())
        case _:
            return 0


@pytest.mark.parametrize(("title", "text"), BLOCKS, ids=[title.split(":")[0] for title, _ in BLOCKS])
def test_example(title: str, text: str) -> None:
    model = build(parse_text(text))
    assert find_conflicts(model) == []
    target = DescribedTarget(model)
    rng = random.Random(1)
    for encoding in target.encodings:
        assert leaves(target.shapes(encoding)) > 0
        for _ in range(50):
            word = rng.getrandbits(encoding.unit.width) & ~encoding.mask | encoding.value
            if target.decode(word, encoding.unit.name, {}) is encoding:
                assert target.disassemble(encoding, encoding.fields_of(word), 0x1000)
                target.lift(encoding, encoding.fields_of(word), {})


def test_all_examples_are_found() -> None:
    assert len(BLOCKS) == PAGE.read_text().count("```arch") == 4
