"""The operation table and what is made of it."""

from __future__ import annotations

from pathlib import Path

from pyqemu.translator.ir import doc, interp, interp_fp, interp_int
from pyqemu.translator.ir.attributes import KINDS
from pyqemu.translator.ir.ops import OPS, Effect
from pyqemu.translator.ir.parser import parse_functions
from pyqemu.translator.ir.verifier import verify

ROOT = Path(__file__).parents[3]


def test_document_is_current() -> None:
    """If this fails: python -m pyqemu.translator.ir.doc > docs/ir.md"""
    assert (ROOT / "docs" / "ir.md").read_text() == doc.render()


def test_document_has_every_operation() -> None:
    assert all(f"\n| `{name}" in doc.render() for name in OPS)


def test_example_of_the_document() -> None:
    example = doc.render().split("```")[1]
    for function in parse_functions(example):
        verify(function)


def test_every_operation_has_a_meaning() -> None:
    meanings = {*interp_int.ELEMENTWISE, *interp_int.WHOLE, *interp_fp.OPERATIONS, *interp.MEANINGS}
    terminators = {name for name, spec in OPS.items() if Effect.ENDS_BLOCK in spec.effects}
    assert meanings | terminators == set(OPS)
    assert not meanings & terminators


def test_every_attribute_has_a_kind() -> None:
    assert {key for spec in OPS.values() for key in spec.attrs} == set(KINDS)
