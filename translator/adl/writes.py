"""The end of an instruction: state writes in their order, then where control goes.

Writes that were noted on the path are made here, after everything that can fault. Conditional and partial
writes read the register they change; several writes of one register become one. Context variables are written last,
where they change at all, as another context is other code: most of what writes them leaves them as they are.
"""

from __future__ import annotations

from pyqemu.translator.adl.body import (
    Body,
    ChosenGoto,
    DirectGoto,
    IndirectGoto,
    NextAddress,
    PendingWrite,
)
from pyqemu.translator.adl.places import read_register
from pyqemu.translator.ir.function import Value
from pyqemu.translator.ir.types import I1, Bits
from pyqemu.translator.static import Ctx, StaticExpr

Key = tuple[str, StaticExpr | None]

_CONTEXT = "ctx "  # before a context variable's name, in a PendingWrite


def may_alias(a: StaticExpr | None, b: StaticExpr | None) -> bool:
    """Whether two different indices of one file can be the same register."""
    return not (isinstance(a, int) and isinstance(b, int) and a != b)


ContextWrite = tuple[str, Value]


def flush_writes(body: Body) -> list[ContextWrite]:
    """Makes all writes of the path but those of context variables, which it gives: name and value."""
    changes: list[ContextWrite] = []
    opened: dict[Key, tuple[PendingWrite, Value]] = {}
    stored: set[str] = set()  # files of which an element has been written here
    for write in body.path.writes:
        for key in [
            k for k in opened if k[0] == write.register and k != write.key and may_alias(k[1], write.index)
        ]:
            _store(body, *opened.pop(key))
            stored.add(write.register)
        before = opened.pop(write.key)[1] if write.key in opened else None
        opened[write.key] = (write, _combine(body, write, before, write.register not in stored))
    for write, value in opened.values():
        if write.register.startswith(_CONTEXT):
            changes.append((write.register[len(_CONTEXT) :], value))
        else:
            _store(body, write, value)
    body.path.writes = ()
    return changes


def _combine(body: Body, write: PendingWrite, before: Value | None, untouched: bool) -> Value:
    """The whole register's value after `write`; `before` is its value if an earlier write is waiting.

    `untouched` says that the register still has the value that it had before the instruction.
    """
    if write.whole:
        return write.value
    old = before if before is not None else _current(body, write, untouched)
    new = body.emitter.insert(old, write.value, write.low)
    return new if write.condition is None else body.emitter.select(write.condition, new, old)


def _current(body: Body, write: PendingWrite, untouched: bool) -> Value:
    ty = Bits(write.width)
    if write.register.startswith(_CONTEXT):
        return _present(body, write.register[len(_CONTEXT) :], ty)
    if untouched and write.register not in body.path.clobbered:
        return read_register(body, body.declarations.registers[write.register], write.index, write.zero)
    body.touched.reads.add(write.register)
    return body.emitter.emit("read", [], ty, reg=write.register, index=write.index, zero=write.zero)


def _present(body: Body, name: str, ty: Bits) -> Value:
    """A context variable's value before the instruction."""
    return body.emitter.hole(body.leaf(Ctx(name, ty.width)), ty)


def _store(body: Body, write: PendingWrite, value: Value) -> None:
    body.emitter.effect("write", [value], reg=write.register, index=write.index, zero=write.zero)


def finish_instruction(body: Body) -> None:
    """Makes the writes and ends the function with `next` or a goto."""
    if not body.path.alive:
        return
    changes = flush_writes(body)
    if body.path.sync:
        _set_context(body, changes)
        body.emitter.effect("isync", [])
    elif changes:
        changed, same = body.emitter.new_block("changed"), body.emitter.new_block("same")
        body.emitter.branch(_all_present(body, changes), same, changed)
        body.emitter.block = changed
        _set_context(body, changes)
        _leave(body, body.path.goto)
        body.emitter.block = same
    _leave(body, body.path.goto)


def _all_present(body: Body, changes: list[ContextWrite]) -> Value:
    """Whether all context variables have the values already that they are given."""
    emitter = body.emitter
    whole: Value | None = None
    for name, value in changes:
        ty = value.type
        assert isinstance(ty, Bits)
        same = emitter.emit("eq", [value, _present(body, name, ty)], I1)
        whole = same if whole is None else emitter.emit("and", [whole, same], I1)
    assert whole is not None
    return whole


def _set_context(body: Body, changes: list[ContextWrite]) -> None:
    for name, value in changes:
        body.emitter.effect("set_ctx", [value], ctx=name)


def _leave(body: Body, goto: NextAddress) -> None:
    emitter = body.emitter
    match goto:
        case None:
            emitter.effect("next", [])
        case DirectGoto(target, kind):
            emitter.effect("goto", [], target=target, kind=kind)
        case IndirectGoto(target, kind):
            emitter.effect("goto_indirect", [target], kind=kind)
        case ChosenGoto(condition, then, otherwise):
            blocks = emitter.new_block("taken"), emitter.new_block("not_taken")
            emitter.branch(condition, *blocks)
            for block, choice in zip(blocks, (then, otherwise), strict=True):
                emitter.block = block
                _leave(body, choice)


def finish_function(body: Body, results: list[Value]) -> None:
    """Makes the writes of an outlined function and returns."""
    _set_context(body, flush_writes(body))
    body.emitter.effect("ret", results)
