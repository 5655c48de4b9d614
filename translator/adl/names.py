"""Which names stand in a piece of syntax tree."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import cast

from pyqemu.translator.adl import ast


def names_in(node: object) -> set[str]:
    """All names that stand in a piece of syntax tree, calls included."""
    found = {node.name} if isinstance(node, ast.Name | ast.Call) else set[str]()
    if isinstance(node, tuple):
        for item in cast(tuple[object, ...], node):
            found |= names_in(item)
    elif is_dataclass(node):
        for field in fields(node):
            if field.name != "span":
                found |= names_in(getattr(node, field.name))
    return found
