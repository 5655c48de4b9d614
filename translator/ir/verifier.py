"""Checks a function against the rules of the IR. What it finds is always a bug of pyqemu, never a user's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from pyqemu.translator.errors import VerifyError
from pyqemu.translator.ir.attributes import check_attributes
from pyqemu.translator.ir.cfg import immediate_dominators
from pyqemu.translator.ir.function import Block, Function, Op, Value
from pyqemu.translator.ir.ops import OPS, Effect
from pyqemu.translator.ir.printer import print_op
from pyqemu.translator.ir.signature import result_types

_SUCCESSORS = {"jump": 1, "branch": 2}


def verify(function: Function, functions: Mapping[str, Function] | None = None) -> None:
    """Raises VerifyError if `function` breaks a rule; checks calls if given the outlined functions."""
    _Verifier(function, functions).run()


class _Verifier:
    def __init__(self, function: Function, functions: Mapping[str, Function] | None) -> None:
        self._function = function
        self._functions = functions
        self._place: dict[Value, tuple[Block, int]] = {}
        self._outlined = any(op.name == "ret" for block in function.blocks for op in block.ops)

    def run(self) -> None:
        blocks = self._function.blocks
        if not blocks:
            raise VerifyError(f"{self._function.name}: no blocks")
        if len({block.label for block in blocks}) != len(blocks):
            raise VerifyError(f"{self._function.name}: two blocks of one label")
        if blocks[0].arguments and not self._outlined:
            raise VerifyError(f"{self._function.name}: parameters, but it does not return")
        for block in blocks:
            self._check_shape(block)
            self._define(block)
        for block in blocks:
            for op in block.ops:
                self._check_op(block, op)
        self._check_dominance()

    def _fail(self, block: Block, op: Op | None, message: str) -> NoReturn:
        shown = f": `{print_op(op)}`" if op else ""
        raise VerifyError(f"{self._function.name}, block {block.label}{shown}: {message}")

    def _check_shape(self, block: Block) -> None:
        if not block.ops:
            self._fail(block, None, "no operations")
        for op in block.ops:
            if op.name not in OPS:
                raise VerifyError(f"{self._function.name}, block {block.label}: no operation {op.name!r}")
            if (Effect.ENDS_BLOCK in op.spec.effects) != (op is block.ops[-1]):
                self._fail(block, op, "a block has one terminator, and it stands last")

    def _define(self, block: Block) -> None:
        places = [(value, -1) for value in block.arguments]
        places += [(value, place) for place, op in enumerate(block.ops) for value in op.results]
        for value, place in places:
            if value in self._place:
                self._fail(block, None, "a value is defined twice")
            self._place[value] = (block, place)

    def _check_op(self, block: Block, op: Op) -> None:
        stated = [value.type for value in op.results]
        try:
            check_attributes(op.name, op.attrs)
            types = result_types(op.name, [value.type for value in op.operands], op.attrs, stated)
        except VerifyError as error:
            self._fail(block, op, str(error))
        if list(types) != stated:
            self._fail(block, op, f"gives {', '.join(map(str, types)) or 'nothing'}")
        if op.name == "at" and len(op.attrs["state"]) != len(op.operands):
            self._fail(block, op, "as many registers as operands")
        self._check_successors(block, op)
        if op.name == "ret" and tuple(value.type for value in op.operands) != self._function.results:
            self._fail(
                block, op, f"the function gives {', '.join(map(str, self._function.results)) or 'nothing'}"
            )
        if Effect.LEAVES in op.spec.effects and (op.name == "ret") != self._outlined:
            self._fail(block, op, "an outlined function leaves by `ret` alone, an instruction never")
        if op.name == "call" and self._functions is not None:
            self._check_call(block, op)

    def _check_successors(self, block: Block, op: Op) -> None:
        wanted = len(op.attrs["entries"]) if op.name == "dispatch" else _SUCCESSORS.get(op.name, 0)
        if len(op.successors) != wanted:
            self._fail(block, op, f"has {len(op.successors)} successors")
        for edge in op.successors:
            if edge.block not in self._function.blocks:
                self._fail(block, op, f"block {edge.block.label} is not of this function")
            if edge.block is self._function.entry:
                self._fail(block, op, "nothing goes back to the entry")
            if [value.type for value in edge.arguments] != [value.type for value in edge.block.arguments]:
                self._fail(block, op, f"arguments do not fit block {edge.block.label}")

    def _check_call(self, block: Block, op: Op) -> None:
        callee = (self._functions or {}).get(op.attrs["fn"])
        if callee is None:
            self._fail(block, op, "no such function")
        if [value.type for value in op.operands] != [value.type for value in callee.entry.arguments]:
            self._fail(block, op, "arguments do not fit the function")
        if tuple(value.type for value in op.results) != callee.results:
            self._fail(block, op, "results are not the function's")

    def _check_dominance(self) -> None:
        dominators = immediate_dominators(self._function)
        for block in self._function.blocks:
            for place, op in enumerate(block.ops):
                for value in (*op.operands, *[value for edge in op.successors for value in edge.arguments]):
                    if value not in self._place:
                        self._fail(block, op, "uses a value of another function, or of no block")
                    if block in dominators and not self._dominates(dominators, value, block, place):
                        self._fail(block, op, "uses a value that is not defined on every way to it")

    def _dominates(self, dominators: Mapping[Block, Block], value: Value, block: Block, place: int) -> bool:
        """Whether `value` is defined ahead of operation `place` of `block`."""
        home, at = self._place[value]
        if home is block:
            return at < place
        while dominators[block] is not block:
            block = dominators[block]
            if block is home:
                return True
        return False
