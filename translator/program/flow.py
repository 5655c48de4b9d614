"""Where control goes after an instruction, read from its IR; each word of code is looked at once.

An encoding's shapes are asked for, not the IR of each instruction: a shape's IR with holes says which exits there are,
and an exit's target is a decode-time expression, to be evaluated with the word's fields.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from pyqemu.translator.ir.function import Function
from pyqemu.translator.ir.guarded import guarded
from pyqemu.translator.program.contexts import Contexts
from pyqemu.translator.program.evaluators import Evaluator, make_evaluator
from pyqemu.translator.static import Here, StaticExpr, evaluate, leaves_of
from pyqemu.translator.target import Encoding, ShapeLeaf, ShapeTree, Target, Undefined, Unit, alignment


class Exit(StrEnum):
    """How an instruction ends that may not go on with the next one."""

    NONE = "next"
    GOTO = "goto"
    BRANCH = "branch"
    CALL = "call"
    INDIRECT = "indirect"
    INDIRECT_CALL = "indirect call"
    RETURN = "return"
    RAISE = "raise"
    SYNC = "sync"


@dataclass(frozen=True, slots=True)
class Flow:
    """The exits of one shape. `falls`: the next instruction may follow, also after a call or an exception.

    `makes_address`: it has a result that depends on where it stands, other than where to go.
    """

    exit: Exit
    falls: bool
    gotos: tuple[StaticExpr, ...] = ()
    calls: tuple[StaticExpr, ...] = ()
    makes_address: bool = False
    does_nothing: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """An instruction wherever it stands: `size` bytes of code, the encoding's fields, its IR with holes, its exits.

    `following` and `going` are the contexts of what comes next in memory, and of where its jumps and calls go. Equal
    contexts are the same object.
    """

    size: int
    encoding: Encoding
    fields: Mapping[str, int]
    context: Mapping[str, int]
    meaning: Function
    flow: Flow
    following: Mapping[str, int]
    going: Mapping[str, int]

    def gotos(self, here: int) -> Iterator[int]:
        """Where a `goto` of the instruction at `here` may go, calls left out."""
        return (evaluate(target, self.fields, here, self.context) for target in self.flow.gotos)

    def calls(self, here: int) -> Iterator[int]:
        """What the instruction at `here` may call."""
        return (evaluate(target, self.fields, here, self.context) for target in self.flow.calls)


class _Unit(Enum):
    """What code is that does not begin with a unit's word."""

    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Place:
    """Where code begins, and in which context."""

    address: int
    context: Mapping[str, int]


class FlowReader:
    """Decodes words of a target's code, and keeps what it found.

    Of what raises an exception and nothing else, only the exceptions in `resuming` go on with the next instruction.
    `marked` is the context variable that is bit 0 of pointers to code, if there is one.
    """

    def __init__(self, target: Target, resuming: Collection[str] = (), marked: str = "") -> None:
        self._target = target
        self._resuming = frozenset(resuming)
        self.context: Mapping[str, int] = {variable.name: 0 for variable in target.context}
        self.marked = marked
        self._contexts = Contexts(target, self.context)
        self._units = tuple(target.units)
        #: By the number of the unit, a piece of code of its size, and the context.
        self._known: dict[tuple[int, bytes, tuple[int, ...]], Step | _Unit | None] = {}
        self._shapes: dict[int, tuple[ShapeTree, ShapeTree | None]] = {}
        self._meanings: dict[tuple[int, int], tuple[Function, Flow]] = {}
        self._evaluators: dict[int, Evaluator] = {}
        self.longest = max(self.sizes)
        self.alignment = alignment(target.units)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes of code units in bytes, in the order they are tried."""
        return tuple(unit.size for unit in self._target.units)

    def place(self, pointer: int) -> Place:
        """Where a pointer to code leads."""
        if not self.marked:
            return Place(pointer, self.context)
        return Place(pointer & ~1, self._contexts.same({**self.context, self.marked: pointer & 1}))

    def stays(self, context: Mapping[str, int]) -> bool:
        """Whether the next instruction has the same context where an encoding says nothing else."""
        return self._contexts.come_back(context) is context

    def step(self, code: bytes, context: Mapping[str, int] | None = None) -> Step | None:
        """The instruction that `code` (`longest` bytes, fewer at the end of code) begins with; None if it is none.

        Without a context it is the one that code is in where nothing comes before.
        """
        context = self.context if context is None else context
        values = tuple(context.values())
        for number, unit in enumerate(self._units):
            piece = code[: unit.size]
            key = number, piece, values
            try:
                found = self._known[key]
            except KeyError:
                found = self._known[key] = self._decoded(unit, piece, context)
            if found is not _Unit.OTHER:
                return found
        return None

    def _decoded(self, unit: Unit, code: bytes, context: Mapping[str, int]) -> Step | _Unit | None:
        if len(code) < unit.size:
            return _Unit.OTHER
        word = unit.word_of(code)
        encoding = self._target.decode(word, unit.name, context)
        if encoding is None:
            return _Unit.OTHER
        return self._step(unit.size, encoding, encoding.fields_of(word), context)

    def _step(
        self, size: int, encoding: Encoding, fields: dict[str, int], context: Mapping[str, int]
    ) -> Step | None:
        trees = self._shapes.get(encoding.number)
        if trees is None:
            trees = self._shapes[encoding.number] = self._target.shapes(encoding), self._target.guard(encoding)
        leaf = self._leaf(trees[0], fields, context)
        guard = self._leaf(trees[1], fields, context)
        if leaf is None or (guard is None) != (trees[1] is None):
            return None
        key = id(leaf), id(guard)
        known = self._meanings.get(key)
        if known is None:
            meaning = guarded(guard and guard.function, leaf.function)
            known = self._meanings[key] = meaning, flow_of(meaning, self._resuming)
        falls, goes, behind = self._contexts.after(encoding, fields, context)
        if known[1].exit in (Exit.CALL, Exit.INDIRECT_CALL):
            falls = behind
        return Step(size, encoding, fields, context, *known, falls, goes)

    def _leaf(
        self, tree: ShapeTree | None, fields: dict[str, int], context: Mapping[str, int]
    ) -> ShapeLeaf | None:
        """The shape of an instruction; descriptions cannot tell shapes apart by the address."""
        while not isinstance(tree, ShapeLeaf):
            if tree is None or isinstance(tree, Undefined):
                return None
            tree = tree.children.get(self._evaluator(tree.expr).value(fields, 0, context))
        return tree

    def _evaluator(self, expr: StaticExpr) -> Evaluator:
        """Kept by identity: expressions live as long as the trees that they are in."""
        known = self._evaluators.get(id(expr))
        if known is None:
            known = self._evaluators[id(expr)] = make_evaluator(expr)
        return known


def flow_of(meaning: Function, resuming: Collection[str] = ()) -> Flow:
    """The exits of an instruction's IR; exceptions in `resuming` go on behind the instruction."""
    falls = stops = False
    gotos: dict[str, list[StaticExpr]] = {"plain": [], "call": [], "return": []}
    indirect: set[str] = set()
    raises: set[str] = set()
    for op in (op for block in meaning.blocks for op in block.ops):
        match op.name:
            case "next":
                falls = True
            case "goto":
                gotos[op.attrs["kind"]].append(op.attrs["target"])
            case "goto_indirect":
                indirect.add(op.attrs["kind"])
            case "raise":
                raises.add(op.attrs["exception"])
            case "set_ctx" | "isync":
                stops = True
            case _:
                pass
    exit = _exit(falls, gotos, indirect, stops)
    called = bool(gotos["call"]) or "call" in indirect
    resumed = exit is Exit.RAISE and bool(raises & set(resuming))
    return Flow(
        exit,
        falls or called or resumed,
        tuple(gotos["plain"] + gotos["return"]),
        tuple(gotos["call"]),
        exit is Exit.NONE and _makes_address(meaning),
        [op.name for op in meaning.entry.ops] == ["next"],
    )


def _makes_address(meaning: Function) -> bool:
    """Whether a value in an instruction's IR depends on its address."""
    holes = (op.attrs["expr"] for block in meaning.blocks for op in block.ops if op.name == "hole")
    return any(isinstance(leaf, Here) for expr in holes for leaf in leaves_of(expr))


def _exit(falls: bool, gotos: dict[str, list[StaticExpr]], indirect: set[str], stops: bool) -> Exit:
    """One word for all exits together."""
    if "plain" in indirect:
        return Exit.INDIRECT
    if "call" in indirect:
        return Exit.INDIRECT_CALL
    if "return" in indirect:
        return Exit.RETURN
    if gotos["call"]:
        return Exit.CALL
    if gotos["plain"] or gotos["return"]:
        return Exit.BRANCH if falls or len(gotos["plain"]) > 1 else Exit.GOTO
    if stops:
        return Exit.SYNC
    return Exit.NONE if falls else Exit.RAISE
