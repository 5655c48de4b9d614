"""The state of elaborating one IR function: where code goes, what is known, what has been written so far.

`Body` is what all parts of the elaborator work on. It knows how to ask for a static value (`constant`) and
how a decode-time integer becomes a run-time one (`to_type`); what expressions and statements mean is
elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.declarations import Declarations
from pyqemu.translator.adl.emitter import Emitter
from pyqemu.translator.adl.errors import DescriptionError
from pyqemu.translator.adl.knowledge import Knowledge, Leaf, Split
from pyqemu.translator.adl.values import Cell, Choice, Scope, Val, as_static, describe, type_name
from pyqemu.translator.ir.function import Function, Value
from pyqemu.translator.ir.types import Bits, Type, Vec
from pyqemu.translator.static import Ctx, Field, Here, StaticExpr, apply, interval, leaves_of, substitute


class Demand(Exception):
    """A static position met something that is not decided yet: the shape has to be split."""

    def __init__(self, split: Split, span: ast.Span, what: str) -> None:
        super().__init__(what)
        self.split = split
        self.span = span
        self.what = what


class Unreachable(Exception):
    """Decisions made so far contradict each other: no word has this shape."""


@dataclass(frozen=True, slots=True)
class DirectGoto:
    target: StaticExpr
    kind: str


@dataclass(frozen=True, slots=True)
class IndirectGoto:
    target: Value
    kind: str


@dataclass(frozen=True, slots=True)
class ChosenGoto:
    """`then` if `condition` is 1 at run time; None is the next instruction."""

    condition: Value
    then: NextAddress
    otherwise: NextAddress


NextAddress = None | DirectGoto | IndirectGoto | ChosenGoto


@dataclass(frozen=True, slots=True)
class PendingWrite:
    """A write that takes effect at the end: bits low … of `register[index]`, if `condition` (i1) is 1.

    `register` is `ctx NAME` for a context variable.
    """

    register: str
    index: StaticExpr | None
    zero: int | None
    width: int  # of the whole register
    low: int
    value: Value
    condition: Value | None

    @property
    def key(self) -> tuple[str, StaticExpr | None]:
        return self.register, self.index

    @property
    def whole(self) -> bool:
        """Whether all bits of the register are written, whatever happens at run time."""
        return self.condition is None and self.value.type.total == self.width


@dataclass(slots=True)
class Path:
    """What holds at one point of control flow; a branch forks it, a join merges two."""

    cells: dict[Cell, Val] = field(default_factory=dict[Cell, Val])
    writes: tuple[PendingWrite, ...] = ()
    goto: NextAddress = None
    alive: bool = True
    sync: bool = False
    clobbered: frozenset[str] = frozenset()  # registers that calls have written
    early: str = ""  # an effect that an access after it could not take back
    cache: dict[object, Value] = field(default_factory=dict[object, Value])  # reads that dominate this point

    def fork(self) -> Path:
        return Path(
            dict(self.cells),
            self.writes,
            self.goto,
            True,
            self.sync,
            self.clobbered,
            self.early,
            dict(self.cache),
        )


Evaluate = Callable[["Body", ast.Expr, Scope], Val]
Execute = Callable[["Body", tuple[ast.Stmt, ...], Scope], None]
#: (body, declaration, static arguments by parameter, widths …) -> what to call; see outline.py
Outliner = Callable[["Body", ast.Function, dict[str, "int | Type"], ast.Span], "Outlined"]


@dataclass(frozen=True, slots=True)
class Outlined:
    """An outlined function that exists: its IR and the registers that it touches, callees included."""

    function: Function
    reads: frozenset[str]
    writes: frozenset[str]
    early: str  # what it does that an access after it could not take back


@dataclass(slots=True)
class Touched:
    """Registers that a function reads and writes, collected while it is elaborated."""

    reads: set[str] = field(default_factory=set[str])
    writes: set[str] = field(default_factory=set[str])


class Body:
    """One function under construction."""

    def __init__(
        self,
        declarations: Declarations,
        function: Function,
        knowledge: Knowledge,
        here: StaticExpr | None,
        outliner: Outliner,
    ) -> None:
        self.declarations = declarations
        self.emitter = Emitter(function)
        self.knowledge = knowledge
        self.here = here  # None: an outlined function, which has no address
        self.outliner = outliner
        self.path = Path()
        self.touched = Touched()
        self.index_span: ast.Span | None = None  # where the view that is being expanded has its index
        self.calls: list[ast.Span] = []  # where the function being inlined was called from, outermost first
        self.evaluate: Evaluate
        self.execute: Execute

    # --- errors ------------------------------------------------------------------------------

    def error(self, span: ast.Span, message: str, advice: str = "") -> DescriptionError:
        """A mistake at `span`; says through which calls elaboration came there."""
        for call in reversed(self.calls):
            advice += (
                f"{chr(10) + '  ' if advice else ''}called from {call.file.name}:{call.line}:{call.column}"
            )
        return DescriptionError(span, message, advice)

    # --- decode-time integers ----------------------------------------------------------------

    def apply(self, op: str, *args: StaticExpr) -> StaticExpr:
        """A decode-time operation, with decisions made so far taken into account."""
        return self.knowledge.known(apply(op, *args))

    def substituted(self, expr: StaticExpr) -> StaticExpr:
        """`expr` with what is known of fields, context and address put in."""
        pins = self.knowledge.pins
        fields = {leaf.name: value for leaf, value in pins.items() if isinstance(leaf, Field)}
        contexts = {leaf.name: value for leaf, value in pins.items() if isinstance(leaf, Ctx)}
        return self.knowledge.known(substitute(expr, fields, contexts, self.here))

    def leaf(self, leaf: Leaf) -> StaticExpr:
        """A field or context variable, or its value if it is known."""
        return self.knowledge.pins.get(leaf, leaf)

    def context(self, name: str, span: ast.Span) -> StaticExpr:
        """A context variable; an outlined function is made for each of its values."""
        value = self.leaf(Ctx(name, self.declarations.contexts[name]))
        return self.constant(value, span, f"context variable {name}") if self.here is None else value

    def constant(self, value: Val, span: ast.Span, what: str) -> int:
        """The number in a static position; raises Demand if the shape has to be split for it."""
        if isinstance(value, int):
            return value
        expr = as_static(value)
        if expr is None:
            raise self.error(
                span,
                f"{what} has to be known before run time, but this is {describe(value)}",
                "only literals, fields, context variables and what is computed from them may stand here",
            )
        expr = self.knowledge.known(expr)
        if isinstance(expr, int):
            return expr
        split = self.knowledge.split(expr)
        if split is None:
            raise self.error(
                span, f"{what} depends on too much: {self._too_much(expr)}", "use fewer field bits"
            )
        if not split.children:
            raise Unreachable
        if len(split.children) == 1:
            [(found, knowledge)] = split.children.items()
            self.knowledge = knowledge
            if split.expr is expr:
                return found
            return knowledge.bounds(expr)[0]
        raise Demand(split, span, what)

    def _too_much(self, expr: StaticExpr) -> str:
        leaves = leaves_of(expr)
        if any(isinstance(leaf, Here) for leaf in leaves):
            return "the instruction's address cannot decide a stencil's shape"
        names = sorted(leaf.name for leaf in leaves if isinstance(leaf, Field | Ctx))
        low, high = interval(expr)
        return f"{', '.join(names)} give up to {high - low + 1} values"

    def check_range(
        self, expr: StaticExpr, low: int, high: int, span: ast.Span, what: str, advice: str = ""
    ) -> None:
        """An error unless `expr` always lies in low … high."""
        bounds = interval(expr)
        if bounds[0] < low or bounds[1] > high:
            bounds = self.knowledge.bounds(expr)
            if bounds[0] < low or bounds[1] > high:
                shown = str(bounds[0]) if bounds[0] == bounds[1] else f"{bounds[0]} … {bounds[1]}"
                raise self.error(span, f"{what} can be {shown}, which is not within {low} … {high}", advice)

    # --- run-time values ---------------------------------------------------------------------

    def to_type(self, value: Val, ty: Type, span: ast.Span, what: str = "this value") -> Value:
        """`value` as a run-time value of `ty`; an int becomes a constant or a hole, a scalar is splatted."""
        if isinstance(value, Value):
            if value.type == ty:
                return value
            if isinstance(ty, Vec) and value.type == Bits(ty.width):
                return self.emitter.splat(value, ty.lanes)
            raise self.error(
                span,
                f"{what} is {type_name(value.type)}, but {type_name(ty)} is wanted",
                _conversion(value.type, ty),
            )
        if isinstance(value, Choice):
            if isinstance(value.test.type, Vec) and not (
                isinstance(ty, Vec) and ty.lanes == value.test.type.lanes
            ):
                raise self.error(
                    span, f"{what} has {value.test.type.lanes} lanes, but {type_name(ty)} is wanted"
                )
            then, otherwise = (self.to_type(part, ty, span, what) for part in (value.then, value.otherwise))
            return self.emitter.select(value.test, then, otherwise)
        expr = as_static(value)
        if expr is None:
            raise self.error(span, f"{what} is {describe(value)}, but {type_name(ty)} is wanted")
        self._check_fit(expr, ty.width, span)
        return self.hole(expr, ty)

    def hole(self, expr: StaticExpr, ty: Type) -> Value:
        """A decode-time integer, cut to `ty`."""
        if isinstance(expr, int):
            return self.emitter.const(expr, ty)
        key = ("hole", expr, ty)
        found = self.path.cache.get(key)
        if found is None:
            found = self.path.cache[key] = self.emitter.hole(expr, ty)
        return found

    def _check_fit(self, expr: StaticExpr, width: int, span: ast.Span) -> None:
        if isinstance(expr, int):
            if -(1 << width >> 1) <= expr < 1 << width:
                return
            raise self.error(
                span, f"{expr} does not fit in b{width}", f"cut it with b(…, {width}), or use wider bits"
            )
        addresses = self.declarations.address_width
        if width >= addresses and any(isinstance(leaf, Here) for leaf in leaves_of(expr)):
            return  # addresses wrap
        self.check_range(
            expr, -(1 << width >> 1), (1 << width) - 1, span, f"the int for b{width}",
            f"cut it with b(…, {width}), or use wider bits",
        )  # fmt: skip

    def bits(self, value: Val, span: ast.Span, what: str) -> Value:
        """`value` if it is a run-time value; an int has no width."""
        if isinstance(value, Value):
            return value
        if as_static(value) is not None or isinstance(value, Choice):
            raise self.error(
                span, f"{what} is {describe(value)}, which has no width", "give it one: b(e, width)"
            )
        raise self.error(span, f"{what} is {describe(value)}, but a bit vector is wanted")

    def static(self, value: Val, span: ast.Span, what: str) -> StaticExpr:
        """`value` if it is known before run time, though perhaps only as a hole."""
        expr = as_static(value)
        if expr is None:
            raise self.error(
                span,
                f"{what} has to be an int, but this is {describe(value)}",
                "a run-time value cannot stand where a decode-time one is needed",
            )
        return expr

    def address(self, value: Val, span: ast.Span) -> Value:
        """`value` as the i64 address that memory operations take."""
        width = self.declarations.address_width
        if self.here is None:
            raise self.error(
                span,
                "an outlined function cannot access memory",
                "it has no place where a fault could be shown; use a plain fn",
            )
        if isinstance(value, Value) and value.type.total in (16, 32) and width == 64:
            narrow = type_name(value.type)
            raise self.error(
                span, f"the address is {narrow}, but b64 is wanted",
                f"say `address {narrow}` among the declarations if all addresses are (b64, where nothing is said),"
                " else zext(x, 64)",
            )  # fmt: skip
        return self.emitter.resize("zext", self.to_type(value, Bits(width), span, "the address"), Bits(64))

    def access(self, span: ast.Span) -> None:
        """Notes a memory access at `span`; nothing that cannot be taken back may have happened before it."""
        if self.path.early:
            raise self.error(
                span,
                f"this access can fault after {self.path.early}",
                "do all loads and stores before anything that changes state at once",
            )


def _conversion(have: Type, want: Type) -> str:
    if isinstance(have, Vec) != isinstance(want, Vec):
        if have.total == want.total:
            return "say bits(v)" if isinstance(have, Vec) else f"say vec(x, {want.width})"
        return ""
    if isinstance(have, Vec) and isinstance(want, Vec) and have.lanes != want.lanes:
        return ""
    if have.width < want.width:
        return f"say zext(x, {want.width}) or sext(x, {want.width})"
    return f"say trunc(x, {want.width})"
