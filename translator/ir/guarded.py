"""An instruction and its guard as one function."""

from __future__ import annotations

from pyqemu.translator.ir.function import Block, Function, Op, Successor, Value

_SKIPPED = "skipped"


def guarded(guard: Function | None, function: Function) -> Function:
    """What `function` does where `guard` (it gives i1) gives 1; else `next`. Neither is changed."""
    known = None if guard is None else constant_guard(guard)
    if guard is None or known == 1:
        return function
    made = Function(function.name, label=function.label)
    skipped = Block(_SKIPPED, [], [Op("next")])
    if known == 0:
        made.blocks = [skipped]
        return made
    test, body = _copied(guard, "guard."), _copied(function, "")
    for block in test:
        last = block.terminator
        if last.name == "ret":
            block.ops[-1] = Op("branch", last.operands, successors=[Successor(body[0]), Successor(skipped)])
    made.blocks = [*test, *body, skipped]
    return made


def constant_guard(guard: Function) -> int | None:
    """What a guard gives in any case; None if that depends on the state."""
    first, *others = guard.entry.ops
    return first.attrs["value"] if first.name == "const" and len(others) == 1 else None


def _copied(function: Function, prefix: str) -> list[Block]:
    """The blocks of a function anew, their labels behind `prefix`."""
    blocks = {block: Block(prefix + block.label) for block in function.blocks}
    values: dict[Value, Value] = {}

    def copy(value: Value) -> Value:
        return values.setdefault(value, Value(value.type, value.name))

    for block, made in blocks.items():
        made.arguments = [copy(value) for value in block.arguments]
        made.ops = [
            Op(
                op.name, [copy(v) for v in op.operands], [copy(v) for v in op.results], op.attrs,
                [Successor(blocks[edge.block], [copy(v) for v in edge.arguments]) for edge in op.successors],
            )
            for op in block.ops
        ]  # fmt: skip
    return list(blocks.values())
