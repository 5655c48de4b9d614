"""A run-time `if`: two paths, and how they meet again.

Both branches are elaborated into blocks of their own. If they hold nothing but cheap pure operations, the
operations move up and the paths meet in selects; else they meet in a block with arguments. Writes and gotos
of the branches stay pending, under the condition, so that they still come after the last access that can
fault.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.body import (
    Body,
    ChosenGoto,
    IndirectGoto,
    NextAddress,
    Path,
    PendingWrite,
)
from pyqemu.translator.adl.values import Val, as_static, describe
from pyqemu.translator.adl.writes import may_alias
from pyqemu.translator.ir.function import Block, Op, Value
from pyqemu.translator.ir.ops import Effect

#: Operations that both branches together may have if they are to be computed in any case.
MOST_SPECULATED = 16
_COSTLY = frozenset({"udiv", "sdiv", "urem", "srem"})


@dataclass(slots=True)
class _Side:
    """One branch: its first and last block, and the path at its end."""

    first: Block
    last: Block
    path: Path
    blocks: int  # how many blocks it made


def run_time_if(
    body: Body, condition: Value, span: ast.Span, then: Callable[[], None], otherwise: Callable[[], None]
) -> None:
    """Elaborates both branches under the i1 `condition` and joins them."""
    known = body.emitter.constant_of(condition)
    if known is not None:
        (then if known else otherwise)()
        return
    origin, start = body.path, body.emitter.block
    first_new = len(body.emitter.function.blocks)
    sides = [_run(body, origin, branch) for branch in (then, otherwise)]
    body.path, body.emitter.block = origin, start
    if all(_is_simple(side) for side in sides) and sum(len(s.first.ops) for s in sides) <= MOST_SPECULATED:
        _speculate(body, condition, sides, span)
    else:
        inside = {id(block) for block in body.emitter.function.blocks[first_new:]}
        body.emitter.branch(condition, sides[0].first, sides[1].first)
        _meet(body, condition, sides, span, inside)


def _run(body: Body, origin: Path, branch: Callable[[], None]) -> _Side:
    before = len(body.emitter.function.blocks)
    body.path = origin.fork()
    first = body.emitter.block = body.emitter.new_block()
    branch()
    return _Side(first, body.emitter.block, body.path, len(body.emitter.function.blocks) - before)


def _is_simple(side: _Side) -> bool:
    if not side.path.alive or side.blocks != 1:
        return False
    return all(
        op.spec.effects in (Effect.PURE, Effect.READS_STATE) and op.name not in _COSTLY
        for op in side.first.ops
    )


def _speculate(body: Body, condition: Value, sides: list[_Side], span: ast.Span) -> None:
    """Moves both branches' operations before the `if`."""
    blocks = body.emitter.function.blocks
    for side in sides:
        blocks.remove(side.first)
        body.emitter.block.ops += side.first.ops

    def merge(values: list[Value]) -> Value:
        return body.emitter.select(condition, *values)

    _join(body, condition, sides, span, merge, lambda value, _side: value, lambda _side: None)


def _meet(body: Body, condition: Value, sides: list[_Side], span: ast.Span, inside: set[int]) -> None:
    """Lets both branches go on in one block, or the one that does not end the instruction."""
    alive = [side for side in sides if side.path.alive]
    if len(alive) < 2:
        survivor = alive[0] if alive else sides[0]
        body.path, body.emitter.block = survivor.path, survivor.last
        return
    join = body.emitter.new_block()
    jumps: list[list[Value]] = [[], []]
    made = [block for block in body.emitter.function.blocks if id(block) in inside]
    ops: set[Op | None] = {op for block in made for op in block.ops}
    arguments = {argument for block in made for argument in block.arguments}

    def merge(values: list[Value]) -> Value:
        if values[0] is values[1]:
            return values[0]
        argument = Value(values[0].type)
        join.arguments.append(argument)
        for jump, value in zip(jumps, values, strict=True):
            jump.append(value)
        return argument

    def carry(value: Value, side: int) -> Value:
        """`value` of one side, where both have met; on the other side it does not matter."""
        if value not in arguments and body.emitter.definitions.get(value) not in ops:
            return value  # made before the `if`
        body.emitter.block = sides[1 - side].last
        values = [body.emitter.const(0, value.type)]
        values.insert(side, value)
        body.emitter.block = join
        return merge(values)

    def enter(side: int | None) -> None:
        body.emitter.block = join if side is None else sides[side].last

    body.emitter.block = join
    _join(body, condition, sides, span, merge, carry, enter)
    for side, jump in zip(sides, jumps, strict=True):
        body.emitter.block = side.last
        body.emitter.jump(join, jump)
    body.emitter.block = join


def _join(
    body: Body,
    condition: Value,
    sides: list[_Side],
    span: ast.Span,
    merge: Callable[[list[Value]], Value],
    carry: Callable[[Value, int], Value],
    enter: Callable[[int | None], None],
) -> None:
    """Makes body.path what holds after both sides; `enter` says where conversions of one side's values go."""
    origin, (a, b) = body.path, (sides[0].path, sides[1].path)
    joined = origin.fork()
    for cell in origin.cells:
        joined.cells[cell] = _merge_cell(body, cell.name, (a.cells[cell], b.cells[cell]), span, merge, enter)
    joined.writes = origin.writes + _merge_writes(body, condition, origin, (a, b), merge, carry)
    if a.goto is b.goto:
        joined.goto = a.goto
    else:
        joined.goto = ChosenGoto(condition, _carry_goto(a.goto, 0, carry), _carry_goto(b.goto, 1, carry))
    joined.sync = a.sync or b.sync
    joined.clobbered = a.clobbered | b.clobbered
    joined.early = a.early or b.early
    body.path = joined


def _merge_cell(
    body: Body,
    name: str,
    values: tuple[Val, Val],
    span: ast.Span,
    merge: Callable[[list[Value]], Value],
    enter: Callable[[int | None], None],
) -> Val:
    a, b = values
    if a is b or (as_static(a) is not None and a == b):
        return a
    if isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b):
        return tuple(_merge_cell(body, name, pair, span, merge, enter) for pair in zip(a, b, strict=True))
    typed = [value for value in (a, b) if isinstance(value, Value)]
    if not typed:
        raise body.error(
            span,
            f"{name} is {describe(a)} after one branch and another one after the other",
            f"give it a width where it is made: var {name} = b(…, width)",
        )
    converted: list[Value] = []
    for side, value in enumerate((a, b)):
        enter(side)
        converted.append(body.to_type(value, typed[0].type, span, f"{name} after one branch"))
    enter(None)
    return merge(converted)


def _carry_goto(goto: NextAddress, side: int, carry: Callable[[Value, int], Value]) -> NextAddress:
    match goto:
        case IndirectGoto(target, kind):
            return IndirectGoto(carry(target, side), kind)
        case ChosenGoto(condition, then, otherwise):
            return ChosenGoto(
                carry(condition, side), _carry_goto(then, side, carry), _carry_goto(otherwise, side, carry)
            )
        case _:
            return goto


def _merge_writes(
    body: Body,
    condition: Value,
    origin: Path,
    paths: tuple[Path, Path],
    merge: Callable[[list[Value]], Value],
    carry: Callable[[Value, int], Value],
) -> tuple[PendingWrite, ...]:
    """Writes of the same place on both sides become one; others are made under the condition."""
    made = [path.writes[len(origin.writes) :] for path in paths]
    joined: list[PendingWrite] = []
    done: set[int] = set()
    for write in made[0]:
        partner = _partner(write, made[0], made[1])
        if partner is not None:
            done.add(id(partner))
            joined.append(replace(write, value=merge([write.value, partner.value])))
        else:
            joined.append(_under(body, condition, write, 0, carry))
    opposite: Value | None = None
    for write in made[1]:
        if id(write) not in done:
            opposite = opposite or body.emitter.negate(condition)
            joined.append(_under(body, opposite, write, 1, carry))
    return tuple(joined)


def _partner(
    write: PendingWrite, mine: tuple[PendingWrite, ...], theirs: tuple[PendingWrite, ...]
) -> PendingWrite | None:
    """The other side's write of the very same bits, if no other write could be of that register."""
    rivals = [w for side in (mine, theirs) for w in side if w.register == write.register]
    same = [w for w in rivals if w.key == write.key]
    others = [w for w in rivals if w.key != write.key and may_alias(w.index, write.index)]
    matching = [w for w in theirs if w.key == write.key]
    if others or len(same) != 2 or len(matching) != 1:
        return None
    [other] = matching
    alike = (other.low, other.value.type) == (write.low, write.value.type)
    return other if alike and write.condition is None and other.condition is None else None


def _under(
    body: Body, condition: Value, write: PendingWrite, side: int, carry: Callable[[Value, int], Value]
) -> PendingWrite:
    value = carry(write.value, side)
    if write.condition is not None:
        condition = body.emitter.logic("and", condition, carry(write.condition, side))
    return replace(write, value=value, condition=condition)
