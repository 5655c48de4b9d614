"""What a description may say and hardly means: not wrong, but nothing comes of it."""

from __future__ import annotations

from collections.abc import Iterator

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.errors import DescriptionError
from pyqemu.translator.adl.model import Model


def doubts(model: Model) -> list[DescriptionError]:
    """Each as an error that is none, in the order of the description."""
    return [*_nothing(model), *_dead_rows(model), *_same_texts(model)]


def _nothing(model: Model) -> Iterator[DescriptionError]:
    declarations = model.architecture.declarations
    if not model.instructions and declarations:
        advice = 'files beside main.arch are read by `use "FILE"`'
        yield DescriptionError(declarations[0].span, "there are no instructions", advice)


def _dead_rows(model: Model) -> Iterator[DescriptionError]:
    """Rows of operand tables behind one that takes all that they could."""
    for table in model.operands.values():
        before: list[ast.OperandRow] = []
        for row in table.rows:
            first = next((one for one in before if _takes_all_of(one, row)), None)
            if first is not None:
                message = f"this row of {table.name} is never reached"
                yield DescriptionError(row.span, message, f"line {first.span.line} comes first")
            if row.condition is None:
                before.append(row)


def _takes_all_of(first: ast.OperandRow, row: ast.OperandRow) -> bool:
    pairs = zip(first.patterns, row.patterns, strict=True)
    return all(not one.ranges or (set(other.ranges) and set(other.ranges) <= set(one.ranges)) for one, other in pairs)


def _same_texts(model: Model) -> Iterator[DescriptionError]:
    """Instructions of one unit without guards that are written alike, of which the assembler takes the first."""
    seen: dict[tuple[str, str], ast.Instruction] = {}
    for bound in model.encodings:
        instruction = bound.instruction
        if len(instruction.asm) != 1 or bound.encoding.guard != 1 or bound.encoding.features:
            continue
        row = instruction.asm[0]
        first = seen.setdefault((bound.encoding.unit.name, row.template), instruction)
        if row.condition is None and first is not instruction:
            message = f"{instruction.name} is written as {first.name} is"
            yield DescriptionError(row.span, message, "assembled, this text gives the first one")
