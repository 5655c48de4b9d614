"""What an expression or statement can name besides locals and fields, taken from the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.model import DataOrderIf, Model
from pyqemu.translator.adl.static_expr import Globals
from pyqemu.translator.target import Register


@dataclass(frozen=True, slots=True)
class Declarations:
    """The declarations that the elaborator looks up, by name."""

    registers: Mapping[str, Register]
    groups: Mapping[str, tuple[str, ...]]
    views: Mapping[str, ast.View]
    contexts: Mapping[str, int]
    stepping: frozenset[str]  # context variables that each instruction may change for the next one
    exceptions: Mapping[str, ast.ExceptionDecl]
    constants: Mapping[str, ast.ConstTable]
    operands: Mapping[str, ast.OperandTable]
    functions: Mapping[str, ast.Function]
    globals: Globals
    address_width: int
    data_order: str
    data_order_if: DataOrderIf | None
    shape_limit: int

    def names(self) -> set[str]:
        """All names that may stand in an expression by themselves."""
        return {*self.registers, *self.groups, *self.views, *self.contexts, *self.constants}

    def callables(self) -> set[str]:
        """All names that may be called, built-ins not included."""
        return {*self.functions, *self.operands}


def declarations_of(model: Model) -> Declarations:
    """The declarations of a checked model."""
    return Declarations(
        model.registers,
        model.groups,
        model.views,
        model.globals.contexts,
        frozenset(v.name for v in model.contexts.values() if v.follows is not None),
        model.exceptions,
        model.constants,
        model.operands,
        model.functions,
        model.globals,
        model.properties.address_width,
        model.properties.data_order,
        model.data_order_if,
        model.properties.shape_limit,
    )
