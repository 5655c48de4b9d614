"""Guards: the run-time condition of a whole instruction, which is apart from its shapes unless it is a branch.

A guard that were part of every shape would multiply them. So it has shapes of its own, functions that give i1, and
whoever runs or translates an instruction asks it first. Only where an instruction is little more than its `goto`
(a conditional branch) is the guard part of it: a branch with two ways out is one stencil.
"""

from __future__ import annotations

from collections.abc import Iterator

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.body import Body
from pyqemu.translator.adl.knowledge import truth
from pyqemu.translator.adl.names import names_in
from pyqemu.translator.adl.values import Scope, as_static, type_name
from pyqemu.translator.ir.function import Op, Value
from pyqemu.translator.ir.ops import Effect
from pyqemu.translator.ir.types import I1

_LOOKING = Effect.READS_STATE | Effect.ENDS_BLOCK


def has_own_shapes(instruction: ast.Instruction) -> bool:
    """Whether the instruction has a guard that is not part of the instruction's own shapes."""
    return instruction.guard is not None and not _is_branch(instruction.body)


def _is_branch(statements: tuple[ast.Stmt, ...]) -> bool:
    """Whether a body goes elsewhere in any case, and does no more than that but write registers."""
    plain = all(isinstance(s, ast.Let | ast.Goto | ast.Write) for s in statements) and "mem" not in names_in(statements)
    return plain and any(isinstance(s, ast.Goto) for s in statements)


def evaluate_guard(body: Body, guard: ast.Expr, scope: Scope) -> Value:
    """The guard as i1; splits the shape if it is known before run time."""
    before = set(_operations(body))
    value = body.evaluate(body, guard, scope)
    static = as_static(value)
    if static is not None:
        return body.emitter.const(body.constant(truth(static), guard.span, "this guard"), I1)
    test = body.bits(value, guard.span, "a guard")
    if test.type != I1:
        raise body.error(guard.span, f"a guard is b1, not {type_name(test.type)}", "say x != 0")
    for op in _operations(body):
        if op not in before and op.spec.effects & ~_LOOKING:
            raise body.error(guard.span, f"a guard only looks at registers, and this has an effect ({op.name})")
    return test


def _operations(body: Body) -> Iterator[Op]:
    return (op for block in body.emitter.function.blocks for op in block.ops)


def branch_around(body: Body, test: Value) -> None:
    """What is elaborated from here on happens if `test` is 1; else the next instruction follows."""
    emitter = body.emitter
    known = emitter.constant_of(test)
    if known == 0:
        emitter.effect("next", [])
        body.path.alive = False
    if known is None:
        done, skipped = emitter.new_block("done"), emitter.new_block("skipped")
        emitter.branch(test, done, skipped)
        emitter.block = skipped
        emitter.effect("next", [])
        emitter.block = done
