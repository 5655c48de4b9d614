"""From an IR function to the LLVM text of one function: blocks, values and the table of operations.

What an operation becomes is said by the functions that register themselves for it in lower_int,
lower_state, lower_exit and lower_fp. What differs between stencils and outlined functions (holes, ends) is
a `Frame`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from pyqemu.hostgen.emit import CPU, FLOATS, UNLIKELY, Emitter, Operand, constant, element_type, like
from pyqemu.hostgen.host import Host
from pyqemu.hostgen.layout import Layout
from pyqemu.translator.errors import UnsupportedError
from pyqemu.translator.ir.function import Block, Function, Op, Successor, Value
from pyqemu.translator.ir.ops import OPS, Effect
from pyqemu.translator.ir.types import Bits, Type
from pyqemu.translator.static import StaticExpr


class Frame(Protocol):
    """What surrounds the function: where decode-time values come from and where control goes."""

    def hole(self, f: Lowering, expr: StaticExpr, ty: str) -> Operand:
        """Decode-time `expr` as a value of integer type `ty`."""
        ...

    def leave(self, f: Lowering, op: Op) -> None:
        """Lowers a terminator that leaves the function."""
        ...


@dataclass(frozen=True, slots=True)
class Machine:
    """What lowering needs to know of host and guest, besides the function."""

    host: Host
    layout: Layout
    context: tuple[str, ...]
    exceptions: tuple[str, ...]
    pc_shift: int
    tininess_before: bool


_FLOAT_TYPES = frozenset(FLOATS.values())
_FP = frozenset(name for name, spec in OPS.items() if spec.effects & Effect.FP)
_LEAVES = frozenset(name for name, spec in OPS.items() if spec.effects & Effect.LEAVES)

Rule = Callable[["Lowering", Op], Operand | None]
_RULES: dict[str, Rule] = {}


def lowers(*names: str) -> Callable[[Rule], Rule]:
    """Registers a function as the lowering of the named operations."""

    def register(rule: Rule) -> Rule:
        for name in names:
            _RULES[name] = rule
        return rule

    return register


def rules() -> Mapping[str, Rule]:
    """The table: lowering by operation."""
    return _RULES


def llvm_type(ty: Type) -> str:
    """A vector of one lane is a scalar here: that is how hosts treat it best."""
    return f"i{ty.width}" if isinstance(ty, Bits) or ty.lanes == 1 else f"<{ty.lanes} x i{ty.width}>"


def _lane_type(ty: Type) -> str:
    """The float type as which a vector's only lane is kept: it is part of a wide register, or a float, and what one
    block hands to another as an integer is moved to the general registers and back.
    """
    if isinstance(ty, Bits) or ty.lanes != 1 or ty.width < 32:
        return ""
    return FLOATS.get(ty.width, "")


def result_type(types: tuple[Type, ...]) -> str:
    """How an outlined function returns values of `types`."""
    match len(types):
        case 0:
            return "void"
        case 1:
            return llvm_type(types[0])
        case _:
            return "{" + ", ".join(llvm_type(ty) for ty in types) + "}"


def touches_fp(function: Function) -> bool:
    """Whether the floating-point environment matters to the function."""
    return any(op.name in _FP for block in function.blocks for op in block.ops)


class Lowering:
    """The lowering of one function; rules find operands, types and surroundings here."""

    #: Whether scalars of vector registers are floats from one operation to the next, and not only from block to block.
    #: Not in stencils: LLVM would load "floats" that are holes from memory.
    keeps_floats = False

    def __init__(self, e: Emitter, machine: Machine, frame: Frame, dead: frozenset[str] = frozenset()) -> None:
        self.e = e
        self.machine = machine
        self.host = machine.host
        self.layout = machine.layout
        self.frame = frame
        self.dead = dead  # registers whose writes are left out
        self.spare_arguments = ""  # of tail calls, behind `cpu` and `mem`
        self.notes: dict[int, Operand] = {}  # by identity of floating-point results: whether they are NaNs
        self._values: dict[int, Operand] = {}
        self._floats: dict[int, Operand] = {}  # values whose bits are kept as floats, or as a vector of them
        self._definitions: dict[int, Op] = {}
        self._labels: dict[int, str] = {}
        self._incoming: dict[int, list[tuple[str, list[Operand]]]] = {}

    # --- for the rules ---

    def of(self, value: Value) -> Operand:
        """The LLVM value of an IR value; of one that is kept as a float, its bits, cast here and now."""
        kept = self._floats.get(id(value))
        return self._values[id(value)] if kept is None else self.e.cast("bitcast", kept, llvm_type(value.type))

    def as_float(self, value: Value) -> Operand:
        """The value as floats of its width (32 or 64)."""
        kept = self.kept_float(value)
        return kept or self.e.cast("bitcast", self.of(value), like(llvm_type(value.type), FLOATS[value.type.width]))

    def kept_float(self, value: Value) -> Operand | None:
        """What the value is kept as, if it is a float (`double`), or the vector of floats of a whole register."""
        return self._floats.get(id(value)) if self.keeps_floats else None

    def args(self, op: Op) -> list[Operand]:
        """The operation's operands."""
        return [self.of(value) for value in op.operands]

    def definition(self, value: Value) -> Op | None:
        """The operation whose result `value` is, if it has been lowered."""
        return self._definitions.get(id(value))

    def bind(self, op: Op, *results: Operand) -> None:
        """Says what the operation's results are; for rules of several results."""
        for value, operand in zip(op.results, results, strict=True):
            self._bind(value, operand)

    def _bind(self, value: Value, operand: Operand) -> None:
        """Rules may give floats for bits, where they have them."""
        ty = value.type
        if self.keeps_floats and (isinstance(ty, Bits) or ty.lanes == 1):
            lane = _lane_type(ty)
            if lane or element_type(operand.type) in _FLOAT_TYPES:
                self._floats[id(value)] = self.e.cast("bitcast", operand, lane or operand.type)
                return
        self._values[id(value)] = self.e.cast("bitcast", operand, llvm_type(ty))

    def type(self, op: Op) -> str:
        """LLVM type of the operation's only result."""
        return llvm_type(op.results[0].type)

    def hole(self, expr: StaticExpr, ty: str) -> Operand:
        """Decode-time `expr` as a value of integer type `ty`, cut to its width."""
        return constant(ty, expr) if isinstance(expr, int) else self.frame.hole(self, expr, ty)

    def register(self, op: Op, *, write: bool) -> Operand:
        """Pointer to the register that a `read` or `write` names."""
        offset = self.layout.offset(op.attrs["reg"], op.attrs["index"], op.attrs.get("zero"), write=write)
        return self.state(self.hole(offset, "i64"))

    def state(self, offset: Operand) -> Operand:
        """Pointer to the CPU state at an offset."""
        return self.e.at(CPU, offset)

    # --- the function ---

    def lower(self, function: Function, parameters: list[Operand]) -> list[str]:
        """The lines of the body."""
        e = self.e
        order = _reverse_postorder(function)
        for number, block in enumerate(order):
            self._labels[id(block)] = f"b{number}"
            self._incoming[id(block)] = []
            for argument in block.arguments:
                lane = self.float_of(argument)
                kept = self._floats if lane else self._values
                kept[id(argument)] = Operand(lane or llvm_type(argument.type), f"%a{e.fresh()}")
        e.begin("entry")
        self.edge(function.entry, parameters)
        e.jump(self._labels[id(function.entry)])
        places: list[tuple[int, Block]] = []
        for block in order:
            e.begin(self._labels[id(block)])
            places.append((len(e.lines), block))
            for op in block.ops:
                self.lower_op(op)
        for place, block in reversed(places):
            e.lines[place:place] = self._phis(block)
        self.end()
        return e.finish()

    def end(self) -> None:
        """Called behind the last block, for what else the function has."""

    def lower_op(self, op: Op) -> None:
        """One operation, by the table or as an end of a block."""
        rule = _RULES.get(op.name)
        if rule is None:
            self._end_block(op)
            return
        result = rule(self, op)
        if result is not None:
            self._bind(op.results[0], result)
        for value in op.results:
            self._definitions[id(value)] = op

    def _end_block(self, op: Op) -> None:
        match op.name:
            case "jump":
                (successor,) = op.successors
                self.edge(successor.block, self._passed(successor))
                self.e.jump(self._labels[id(successor.block)])
            case "branch":
                self._branch(op)
            case _ if op.name in _LEAVES:
                self.frame.leave(self, op)
            case _:
                raise UnsupportedError(f"operation {op.name!r} has no lowering")

    def _branch(self, op: Op) -> None:
        """Each way gets a block of its own, so that both may lead to one block with different arguments."""
        e = self.e
        ways = [e.new_label() for _ in op.successors]
        cold = [self.is_cold(successor.block) for successor in op.successors]
        weights = "" if cold[0] == cold[1] else UNLIKELY if cold[0] else "!prof !0"
        e.branch(self.of(op.operands[0]), ways[0], ways[1], weights)
        for label, successor in zip(ways, op.successors, strict=True):
            e.begin(label)
            self.edge(successor.block, self._passed(successor))
            e.jump(self._labels[id(successor.block)])

    def float_of(self, argument: Value) -> str:
        """The type of float as which a block's argument is kept, if it is."""
        return _lane_type(argument.type)

    def label(self, block: Block) -> str:
        """LLVM's label of a block."""
        return self._labels[id(block)]

    def edge(self, block: Block, arguments: list[Operand]) -> None:
        """Says that control goes from the current label to `block`, with these arguments."""
        targets = [self._argument(argument) for argument in block.arguments]
        passed = [self.e.cast("bitcast", a, t.type) for a, t in zip(arguments, targets, strict=True)]
        self._incoming[id(block)].append((self.e.label, passed))

    def _passed(self, successor: Successor) -> list[Operand]:
        return [self.kept_float(value) or self.of(value) for value in successor.arguments]

    def _argument(self, value: Value) -> Operand:
        return self._floats.get(id(value)) or self._values[id(value)]

    def is_cold(self, block: Block) -> bool:
        """Whether control hardly ever comes to `block`: it raises, or changes the context."""
        return block.terminator.name == "raise" or any(op.name == "set_ctx" for op in block.ops)

    def _phis(self, block: Block) -> list[str]:
        lines: list[str] = []
        for index, argument in enumerate(block.arguments):
            target = self._argument(argument)
            edges = ", ".join(f"[ {args[index].ref}, %{label} ]" for label, args in self._incoming[id(block)])
            lines.append(f"  {target.ref} = phi {target.type} {edges}")
        return lines


def _reverse_postorder(function: Function) -> list[Block]:
    """The reachable blocks, each after those that dominate it."""
    seen: set[int] = set()
    order: list[Block] = []
    stack: list[tuple[Block, int]] = [(function.entry, 0)]
    seen.add(id(function.entry))
    while stack:
        block, index = stack.pop()
        successors = block.terminator.successors
        if index < len(successors):
            stack.append((block, index + 1))
            target = successors[len(successors) - 1 - index].block
            if id(target) not in seen:
                seen.add(id(target))
                stack.append((target, 0))
        else:
            order.append(block)
    return order[::-1]
