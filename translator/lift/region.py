"""Builds a region's function: the meanings of its instructions joined along its control flow.

Guest state is still read and written as each instruction does it; `passes.promote_state` makes values of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from pyqemu.translator.ir.function import Block, Function, Op, Successor, Value
from pyqemu.translator.ir.ops import ACCESSES, CONTEXT_PLACE
from pyqemu.translator.ir.types import CONTEXT_TYPE, I1
from pyqemu.translator.lift.instructions import Instruction, Reader, contexts_written
from pyqemu.translator.lift.trace import Trace
from pyqemu.translator.passes.promote_state import registers_of
from pyqemu.translator.static import Here, StaticExpr, apply


@dataclass(frozen=True, slots=True)
class Region:
    """A region's function and what it was made from; addresses are module offsets.

    `ranges` are (offset, bytes) of the guest code, ascending and not touching one another.
    """

    name: str
    function: Function
    entries: tuple[int, ...]
    ranges: tuple[tuple[int, int], ...]
    instructions: int
    context: Mapping[str, int]
    loops: bool
    shared: tuple[str, ...]  # registers that outlined functions use, which therefore stay in the state


def lift(trace: Trace, reader: Reader, name: str, functions: Mapping[str, Function]) -> Region:
    """The region of a trace, which has to have an entry; `functions` are the outlined ones."""
    function = _Lifting(trace, reader, name).run()
    called = (op.attrs["fn"] for block in function.blocks for op in block.ops if op.name == "call")
    return Region(
        name, function, trace.entries, tuple(ranges_of(trace.instructions.values())), len(trace.instructions),
        reader.context, bool(trace.loop_heads), registers_of(functions, called),
    )  # fmt: skip


def ranges_of(instructions: Iterable[Instruction]) -> Iterable[tuple[int, int]]:
    """The code of instructions as ascending (offset, bytes), neighbours joined."""
    start = end = -1
    for instruction in sorted(instructions, key=lambda i: i.offset):
        if instruction.offset > end:
            if end > start:
                yield start, end - start
            start = instruction.offset
        end = max(end, instruction.end)
    if end > start:
        yield start, end - start


def address(offset: int) -> StaticExpr:
    """The guest address of a module offset."""
    return apply("add", Here(), offset)


class _Lifting:
    """One region in the making."""

    def __init__(self, trace: Trace, reader: Reader, name: str) -> None:
        self._trace = trace
        self._reader = reader
        self._function = Function(name)
        self._starts: dict[int, Block] = {}  # where control at a leader goes
        self._bodies: dict[int, Block] = {}  # where its code is: behind the poll of a loop's head

    def run(self) -> Function:
        dispatch = self._block("entry")
        for leader in sorted(self._trace.leaders):
            self._open(leader)
        entries = self._trace.entries
        edges = [Successor(self._enter(entry)) for entry in entries]
        dispatch.ops = [Op("dispatch", attrs={"entries": entries}, successors=edges)]
        for leader in sorted(self._trace.leaders):
            self._straight(leader)
        return self._function

    def _block(self, label: str) -> Block:
        block = Block(label)
        self._function.blocks.append(block)
        return block

    def _open(self, leader: int) -> None:
        """Blocks for a leader; a loop's head polls first."""
        start = body = self._block(f"i{leader:x}")
        if leader in self._trace.loop_heads:
            body = self._block(f"i{leader:x}.go")
            self._poll(start, leader, body)
        self._starts[leader], self._bodies[leader] = start, body

    def _enter(self, entry: int) -> Block:
        """Where the region is entered. Regions may go to one another for ever, so that each entry polls."""
        if entry in self._trace.loop_heads:
            return self._starts[entry]
        block = self._block(f"i{entry:x}.poll")
        self._poll(block, entry, self._starts[entry])
        return block

    def _poll(self, block: Block, offset: int, on: Block) -> None:
        """Ends `block`: lets the runtime have control if it wants it, else goes on."""
        leave = self._block(f"i{offset:x}.leave")
        context = self._trace.instructions[offset].context
        leave.ops = [*self.change(context), Op("leave", attrs={"target": address(offset)})]
        wanted = Value(I1)
        block.ops = [
            Op("poll", results=[wanted]),
            Op("branch", [wanted], successors=[Successor(leave), Successor(on)]),
        ]

    def _straight(self, leader: int) -> None:
        """The instructions from a leader up to the next one, or to where control does not go on."""
        offset, block = leader, self._bodies[leader]
        while True:
            instruction = self._trace.instructions[offset]
            offset, context = instruction.end, instruction.falls_to
            going_on = _Instance(self, instruction, block).run()
            if going_on is None:
                return
            block = going_on
            if offset in self._trace.leaders or not self._trace.inside(offset, context):
                block.ops += self._to(offset, context, "plain")
                return

    def _to(self, offset: int, context: Mapping[str, int], kind: str) -> list[Op]:
        """A jump to a leader, or the exit to an address outside."""
        stays = self._trace.inside(offset, context) and (kind != "call" or offset in self._trace.called)
        start = self._starts.get(offset) if stays else None
        if start is not None:
            return [Op("jump", successors=[Successor(start)])]
        return [*self.change(context), Op("goto", attrs={"target": address(offset), "kind": kind})]

    # --- for instances ---

    def change(self, context: Mapping[str, int], written: Collection[str] = ()) -> list[Op]:
        """Stores what in a context is not as in the region's, but for what has been written, for a way out."""
        ops: list[Op] = []
        for place, value in self.shown(context):
            if place not in written:
                ops += [value, Op("set_ctx", value.results, attrs={"ctx": place})]
        return ops

    def shown(self, context: Mapping[str, int]) -> list[tuple[str, Op]]:
        """The variables that are not as in the region's context, and constants of their values."""
        if context is self._reader.context:
            return []
        changed = [(n, v) for n, v in context.items() if v != self._reader.context[n]]
        return [(name, _constant(Value(CONTEXT_TYPE), value)) for name, value in changed]

    def leave(self, context: Mapping[str, int], op: Op) -> list[Op]:
        """The end of the region by `op`, in a context."""
        return [*self.change(context), op]

    def to_target(self, op: Op, instruction: Instruction) -> list[Op]:
        """What a `goto` of an instruction becomes."""
        target = self._reader.offset_of(op.attrs["target"], instruction)
        return self._to(target, instruction.goes_to, op.attrs["kind"])

    def returning(self, block: Block, op: Op, context: Mapping[str, int]) -> None:
        """Ends `block` with a return: to a place inside if it is one that was called from inside, else out."""
        (target,) = op.operands
        for site in self._trace.return_sites if context is self._reader.context else ():
            expected, same = Value(target.type), Value(I1)
            block.ops.append(Op("hole", results=[expected], attrs={"expr": address(site)}))
            block.ops.append(Op("eq", [target, expected], [same]))
            further = self._block(f"{block.label}.not{site:x}")
            edges = [Successor(self._starts[site]), Successor(further)]
            block.ops.append(Op("branch", [same], successors=edges))
            block = further
        block.ops += self.leave(context, op)

    def settled(self, expr: StaticExpr, instruction: Instruction) -> StaticExpr:
        """See Reader.settled."""
        return self._reader.settled(expr, instruction)

    def new_block(self, instruction: Instruction, number: int) -> Block:
        """A further block of an instruction."""
        return self._block(f"i{instruction.offset:x}.{number}")


class _Instance:
    """Copies an instruction's meaning into the region, its fields filled in."""

    def __init__(self, lifting: _Lifting, instruction: Instruction, first: Block) -> None:
        self._lifting = lifting
        self._instruction = instruction
        self._values: dict[Value, Value] = {}
        self._blocks = {instruction.meaning.function.entry: first}
        self._next: Block | None = None  # where control goes on, once an end of it is found

    def run(self) -> Block | None:
        """The block in which the next instruction stands; None if control never gets there."""
        blocks = self._instruction.meaning.function.blocks
        for number, block in enumerate(blocks[1:], 1):
            self._blocks[block] = made = self._lifting.new_block(self._instruction, number)
            made.arguments = [self._copy(value) for value in block.arguments]
        ends = sum(block.terminator.name == "next" and not contexts_written(block) for block in blocks)
        if ends > 1:
            self._next = self._lifting.new_block(self._instruction, 0)
        for block in blocks:
            self._fill(self._blocks[block], block, join=ends > 1)
        return self._next

    def _fill(self, block: Block, source: Block, *, join: bool) -> None:
        marked = False
        for op in source.ops[:-1]:
            if not marked and op.name in ACCESSES:
                self._mark(block)
                marked = True
            made = self._op(op)
            if made is not None:
                block.ops.append(made)
        terminator = source.terminator
        written = contexts_written(source)
        match terminator.name:
            case "next" | "goto" | "goto_indirect" if written:
                block.ops += self._lifting.change(self._instruction.goes_to, written)
                block.ops.append(self._changed_end(terminator))
            case "next" if join and self._next is not None:
                block.ops.append(Op("jump", successors=[Successor(self._next)]))
            case "next":
                self._next = block
            case "goto":
                block.ops += self._lifting.to_target(terminator, self._instruction)
            case "goto_indirect":
                op = Op("goto_indirect", self._operands(terminator), attrs=terminator.attrs)
                context = self._instruction.goes_to
                if terminator.attrs["kind"] == "return":
                    self._lifting.returning(block, op, context)
                else:
                    block.ops += self._lifting.leave(context, op)
            case "raise":
                attrs = {**terminator.attrs, "pc": address(self._instruction.offset)}
                op = Op("raise", self._operands(terminator), attrs=attrs)
                block.ops += self._lifting.leave(self._instruction.context, op)
            case _:
                edges = [
                    Successor(self._blocks[edge.block], [self._values[v] for v in edge.arguments])
                    for edge in terminator.successors
                ]
                block.ops.append(
                    Op(terminator.name, self._operands(terminator), attrs=terminator.attrs, successors=edges)
                )

    def _changed_end(self, op: Op) -> Op:
        """An end by which the region is left, as the context has been written."""
        if op.name == "goto_indirect":
            return Op("goto_indirect", self._operands(op), attrs=op.attrs)
        target = address(self._instruction.end)
        if op.name == "goto":
            target = self._lifting.settled(op.attrs["target"], self._instruction)
        return Op("leave", attrs={"target": target})

    def _mark(self, block: Block) -> None:
        """What a fault of the instruction shows, before registers are: where it is, and in which context."""
        shown = self._lifting.shown(self._instruction.context)
        block.ops += [value for _, value in shown]
        places = tuple((CONTEXT_PLACE + name, None) for name, _ in shown)
        attrs = {"pc": address(self._instruction.offset), "state": places}
        block.ops.append(Op("at", [value.results[0] for _, value in shown], attrs=attrs))

    def _copy(self, value: Value) -> Value:
        made = self._values[value] = Value(value.type)
        return made

    def _operands(self, op: Op) -> list[Value]:
        return [self._values[value] for value in op.operands]

    def _op(self, op: Op) -> Op | None:
        """The copy of an operation; None for a write that is dropped."""
        match op.name:
            case "hole":
                return self._hole(op)
            case "read" | "write":
                return self._register(op)
            case _:
                attrs = op.attrs
                if "index" in attrs and not isinstance(attrs["index"], int):
                    attrs = {**attrs, "index": self._number(attrs["index"])}
                return Op(op.name, self._operands(op), [self._copy(v) for v in op.results], attrs)

    def _number(self, expr: StaticExpr) -> int:
        """A decode-time value that does not depend on the address."""
        value = self._lifting.settled(expr, self._instruction)
        assert isinstance(value, int), f"{expr} depends on the address"
        return value

    def _hole(self, op: Op) -> Op:
        (result,) = op.results
        value = self._lifting.settled(op.attrs["expr"], self._instruction)
        if isinstance(value, int):
            return _constant(self._copy(result), value)
        return Op("hole", results=[self._copy(result)], attrs={"expr": value})

    def _register(self, op: Op) -> Op | None:
        index, zero = op.attrs["index"], op.attrs["zero"]
        place = None if index is None else self._number(index)
        if place is not None and place == zero:
            return _constant(self._copy(op.results[0]), 0) if op.name == "read" else None
        attrs = {"reg": op.attrs["reg"], "index": place, "zero": None}
        return Op(op.name, self._operands(op), [self._copy(v) for v in op.results], attrs)


def _constant(result: Value, value: int) -> Op:
    return Op("const", results=[result], attrs={"value": value & ((1 << result.type.width) - 1)})
