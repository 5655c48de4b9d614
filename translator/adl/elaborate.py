"""The elaborator: instructions of a checked model into SSA IR, by shape with holes or for concrete fields.

How it works: the syntax tree is evaluated with ints known before run time as `StaticExpr` and run-time
values as IR. A static position that is still open raises `Demand`; `shapes` then splits and starts again
with more knowledge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.body import Body, Demand, Path
from pyqemu.translator.adl.builtins import INTEGER_BUILTINS
from pyqemu.translator.adl.builtins_float import FLOAT_BUILTINS
from pyqemu.translator.adl.builtins_memory import MEMORY_BUILTINS, load
from pyqemu.translator.adl.calls import Caller
from pyqemu.translator.adl.declarations import declarations_of
from pyqemu.translator.adl.errors import DescriptionError
from pyqemu.translator.adl.expressions import Evaluator
from pyqemu.translator.adl.guards import branch_around, evaluate_guard, has_own_shapes
from pyqemu.translator.adl.knowledge import Fact, Knowledge, Leaf, truth
from pyqemu.translator.adl.model import BoundEncoding, Model
from pyqemu.translator.adl.next_context import check_next
from pyqemu.translator.adl.outline import Outliner
from pyqemu.translator.adl.shapes import Decisions, Explorer, replay
from pyqemu.translator.adl.statements import execute
from pyqemu.translator.adl.values import Lazy, Scope
from pyqemu.translator.adl.writes import finish_instruction, flush_writes
from pyqemu.translator.ir.function import Function
from pyqemu.translator.ir.types import I1
from pyqemu.translator.ir.verifier import verify
from pyqemu.translator.passes.dce import Dce
from pyqemu.translator.passes.fold import Fold
from pyqemu.translator.passes.pipeline import run_passes
from pyqemu.translator.static import Ctx, Field, Here, StaticExpr, apply, substitute
from pyqemu.translator.target import Encoding, ShapeTree, Undefined

#: A clean-up that every function goes through after it is built.
CleanUp = Callable[[Function], None]


#: Folds constants and drops operations whose results nobody uses.
LIGHT_PASSES = (Fold(), Dce())


def light_clean_up(function: Function) -> None:
    """Runs `LIGHT_PASSES`."""
    run_passes(function, LIGHT_PASSES)


_EVALUATE = Evaluator(Caller({**INTEGER_BUILTINS, **FLOAT_BUILTINS, **MEMORY_BUILTINS}), load)


#: What stands before the names of the second instruction's fields in fused code.
SECOND = "b."


class Elaborator:
    """Makes IR from the instructions of one architecture; keeps the outlined functions that they call."""

    def __init__(
        self, model: Model, *, check: bool = True, clean_up: CleanUp | None = light_clean_up
    ) -> None:
        self._declarations = declarations_of(model)
        self._bound: dict[int, BoundEncoding] = {bound.encoding.number: bound for bound in model.encodings}
        self._outliner = Outliner(self._outlined_body, self._finish)
        self._check = check
        self._clean_up = clean_up

    def shapes(self, encoding: Encoding) -> ShapeTree:
        """All shapes of an encoding, as IR with holes; without the guard that it may have (see `guard`)."""
        bound = self._bound[encoding.number]
        return self._explore(bound, encoding.name, lambda knowledge, name: self._attempt(bound, knowledge, name))

    def guard(self, encoding: Encoding) -> ShapeTree | None:
        """The shapes of an encoding's guard, functions that give i1; None if the guard is not apart from `shapes`."""
        bound = self._bound[encoding.number]
        if not has_own_shapes(bound.instruction):
            return None
        name = f"{encoding.name}.guard"
        return self._explore(bound, name, lambda knowledge, name: self._guard(bound, knowledge, name))

    def _explore(
        self, bound: BoundEncoding, name: str, attempt: Callable[[Knowledge, str], Function | Undefined]
    ) -> ShapeTree:
        explorer = Explorer(
            lambda knowledge, label: attempt(knowledge, f"{name}[{label}]" if label else name),
            self._declarations.shape_limit,
        )
        return explorer.explore(Knowledge({}, _facts(bound)))

    def shape(self, encoding: Encoding, decisions: Decisions, label: str = "") -> Function | Undefined:
        """The one shape of an encoding that these decisions lead to, as IR with holes."""
        bound = self._bound[encoding.number]
        knowledge = replay(Knowledge({}, _facts(bound)), decisions)
        assert knowledge is not None, f"{encoding.name}: decisions that exclude each other"
        return self._attempt(bound, knowledge, f"{encoding.name}[{label}]" if label else encoding.name)

    def lift(
        self, encoding: Encoding, fields: Mapping[str, int], context: Mapping[str, int]
    ) -> Function | Undefined:
        """IR of one instruction with its fields filled in; only `here` is left symbolic."""
        bound = self._bound[encoding.number]
        pins: dict[Leaf, int] = {
            Field(field.name, field.width, field.signed): fields[field.name] for field in encoding.fields
        }
        for name, width in self._declarations.contexts.items():
            pins[Ctx(name, width)] = context.get(name, 0)
        try:
            return self._attempt(bound, Knowledge(pins), encoding.name, guarded=True)
        except Demand as demand:  # nothing is open but the address
            raise DescriptionError(
                demand.span, f"{demand.what} depends on the instruction's address"
            ) from None

    def functions(self) -> dict[str, Function]:
        """Outlined functions made so far, by the name that `call` uses."""
        return self._outliner.functions()

    # --- one instruction ---------------------------------------------------------------------

    def _attempt(
        self, bound: BoundEncoding, knowledge: Knowledge, name: str, *, guarded: bool = False
    ) -> Function | Undefined:
        """`guarded`: with the guard, if there is one, whether or not it is apart."""
        function = Function(name)
        body = self._body(function, knowledge, Here(self._declarations.address_width))
        if _is_undefined(body, bound):
            return Undefined()
        self._run(body, bound, guarded=guarded)
        finish_instruction(body)
        self._finish(function)
        if bound.encoding.next:
            check_next(bound, function, with_guard=guarded or not has_own_shapes(bound.instruction))
        return function

    def _guard(self, bound: BoundEncoding, knowledge: Knowledge, name: str) -> Function:
        function = Function(name, results=(I1,))
        body = self._body(function, knowledge, Here(self._declarations.address_width))
        assert bound.instruction.guard is not None
        test = evaluate_guard(body, bound.instruction.guard, self._scope(body, bound))
        body.emitter.effect("ret", [test])
        self._finish(function)
        return function

    def fuse(
        self, first: Encoding, first_shape: Decisions, second: Encoding, second_shape: Decisions
    ) -> Function | None:
        """IR of two neighbouring instructions with these shapes; the second's fields are called `b.NAME`.

        None if the first may go elsewhere than to the next instruction, or if the shapes exclude each other.
        """
        body = self._first_of_two(first, first_shape, second, second_shape)
        if body is None:
            return None
        self._run(body, self._bound[second.number], SECOND)
        finish_instruction(body)
        self._finish(body.emitter.function)
        return body.emitter.function

    def fuse_guard(
        self, first: Encoding, first_shape: Decisions, second: Encoding, guard_shape: Decisions
    ) -> Function | None:
        """As `fuse`, with the second instruction's guard in place of it: gives i1."""
        body = self._first_of_two(first, first_shape, second, guard_shape)
        if body is None:
            return None
        bound, function = self._bound[second.number], body.emitter.function
        assert bound.instruction.guard is not None
        test = evaluate_guard(body, bound.instruction.guard, self._scope(body, bound, SECOND))
        body.emitter.effect("ret", [test])
        function.results = (I1,)
        self._finish(function)
        return function

    def _first_of_two(
        self, first: Encoding, first_shape: Decisions, second: Encoding, second_shape: Decisions
    ) -> Body | None:
        """The first of two instructions elaborated, and all that is known at the second."""
        one, two = self._bound[first.number], self._bound[second.number]
        renamed = _renamed(two, SECOND)
        facts = _facts(one) + tuple((substitute(fact, renamed), value) for fact, value in _facts(two))
        decisions = (*first_shape, *((substitute(expr, renamed), value) for expr, value in second_shape))
        knowledge = replay(Knowledge({}, facts), decisions)
        if knowledge is None:
            return None
        function = Function(f"{first.name}+{second.name}")
        here = Here(self._declarations.address_width)
        body = self._body(function, knowledge, here)
        self._run(body, one)
        leaves = any(write.register.startswith("ctx ") for write in body.path.writes)
        if not body.path.alive or body.path.goto is not None or body.path.sync or leaves:
            return None
        flush_writes(body)
        body.path, body.here = Path(), apply("add", here, first.unit.size)
        return body

    def _run(self, body: Body, bound: BoundEncoding, prefix: str = "", *, guarded: bool = False) -> None:
        """Elaborates an instruction's statements; `prefix` stands before its fields' names."""
        scope = self._scope(body, bound, prefix)
        guard = bound.instruction.guard
        if guard is not None and (guarded or not has_own_shapes(bound.instruction)):
            branch_around(body, evaluate_guard(body, guard, scope))
        execute(body, bound.instruction.body, Scope(scope))

    def _scope(self, body: Body, bound: BoundEncoding, prefix: str = "") -> Scope:
        scope = Scope()
        for field in bound.encoding.fields:
            scope.names[field.name] = body.leaf(Field(prefix + field.name, field.width, field.signed))
        renamed = _renamed(bound, prefix) if prefix else {}
        for name, expr in bound.given.items():
            scope.names[name] = body.substituted(substitute(expr, renamed))
        for let in bound.instruction.lets:
            _bind_let(body, let, scope)
        return scope

    def _body(self, function: Function, knowledge: Knowledge, here: StaticExpr | None) -> Body:
        body = Body(self._declarations, function, knowledge, here, self._outliner)
        body.evaluate = _EVALUATE
        body.execute = execute
        return body

    def _outlined_body(self, function: Function, caller: Body) -> Body:
        return self._body(function, caller.knowledge, None)

    def _finish(self, function: Function) -> None:
        if self._clean_up is not None:
            self._clean_up(function)
        if self._check:
            verify(function)


def elaboration_errors(model: Model) -> list[DescriptionError]:
    """The first mistake of each encoding's instruction, each place once."""
    elaborator = Elaborator(model)
    found: dict[ast.Span, DescriptionError] = {}
    for bound in model.encodings:
        try:
            elaborator.shapes(bound.encoding)
            elaborator.guard(bound.encoding)
        except DescriptionError as error:
            found.setdefault(error.span, error)
    return list(found.values())


def _renamed(bound: BoundEncoding, prefix: str) -> dict[str, StaticExpr]:
    return {f.name: Field(prefix + f.name, f.width, f.signed) for f in bound.encoding.fields}


def _facts(bound: BoundEncoding) -> tuple[Fact, ...]:
    guard = bound.encoding.guard
    return () if isinstance(guard, int) else ((truth(guard), 1),)


def _is_undefined(body: Body, bound: BoundEncoding) -> bool:
    """Whether an `undef` or `unpred … -> undef` condition holds; splits the shape on each that is open."""
    instruction = bound.instruction
    conditions = list(zip(bound.undefined, (expr.span for expr in instruction.undefined), strict=True))
    for (condition, policy), row in zip(bound.unpredictable, instruction.unpredictable, strict=True):
        if policy == "undef":
            conditions.append((condition, row.condition.span))
    return any(
        body.constant(truth(body.substituted(condition)), span, "undef") for condition, span in conditions
    )


def _bind_let(body: Body, let: ast.Let, scope: Scope) -> None:
    if len(let.names) == 1:
        scope.names[let.names[0]] = Lazy(let.value, scope)
        return
    value = body.evaluate(body, let.value, scope)
    if not isinstance(value, tuple) or len(value) != len(let.names):
        raise body.error(let.value.span, f"{len(let.names)} values are wanted here")
    scope.names.update(zip(let.names, value, strict=True))
