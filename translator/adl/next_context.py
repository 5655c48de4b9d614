"""`next ctx = e`: that what an instruction does agrees with the context that it says the next one has."""

from __future__ import annotations

from pyqemu.translator.adl.errors import DescriptionError
from pyqemu.translator.adl.model import BoundEncoding
from pyqemu.translator.ir.function import Function


def check_next(bound: BoundEncoding, function: Function, *, with_guard: bool) -> None:
    """Raises DescriptionError if the next context would depend on run time.

    `with_guard`: the guard is part of `function`.
    """
    instruction = bound.instruction
    names = [op.name for block in function.blocks for op in block.ops]
    written = {op.attrs["ctx"] for block in function.blocks for op in block.ops if op.name == "set_ctx"}
    for one in instruction.next:
        if one.name in written:
            raise DescriptionError(one.span, f"{one.name} is written as well", "leave one of them out")
    if instruction.guard is not None and names.count("next") > with_guard:
        raise DescriptionError(
            instruction.next[0].span,
            "what is guarded may be skipped, and then the next instruction would have another context",
            "an instruction with `guard` and `next` ends in a goto",
        )
