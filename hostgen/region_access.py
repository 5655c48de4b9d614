"""Guest accesses of regions, and what a fault at them shows.

An access is inline assembly that LLVM believes may jump (`callbr`) to its *landing*, where all guest state of the
instruction is stored. So LLVM itself keeps every value that a fault has to show, wherever that is cheapest, and the way
past the access pays nothing (docs/decisions/exact-regions.md).
"""

from __future__ import annotations

from collections import Counter
from itertools import chain

from pyqemu.hostgen.emit import FLOATS, Operand
from pyqemu.hostgen.host import GuestAccess
from pyqemu.hostgen.lower import Lowering
from pyqemu.hostgen.lower_exit import stop
from pyqemu.hostgen.lower_state import byte_order, context_offset, load_register, store_register
from pyqemu.hostgen.module_address import address, known_offset, origin
from pyqemu.hostgen.only_copied import only_copied
from pyqemu.hostgen.pack_format import ExitReason
from pyqemu.hostgen.region_floats import float_values
from pyqemu.translator.errors import UnsupportedError
from pyqemu.translator.ir.function import Block, Function, Op, Value
from pyqemu.translator.ir.ops import CONTEXT_PLACE, LEAVING, PURE
from pyqemu.translator.ir.types import Vec
from pyqemu.translator.lift.region import Region

#: The section of an object that lists accesses: three addresses each, of the access, its landing, and the
#: guest instruction's module offset.
FAULTS = ".pq.fault"
#: A number that local labels in assembly can have without getting in anybody's way.
_LABEL = 771


Place = tuple[str, int | None]


class Accesses:
    """The accesses of one region. `base`: where guest address 0 is."""

    def __init__(self, region: Region, base: Operand) -> None:
        self.point: Op | None = None  # the last `at`
        self._base = base
        self._landings: dict[Op, str] = {}  # labels by `at`
        self._blocks = {op: block for block in region.function.blocks for op in block.ops if op.name == "at"}
        self._deferred = _only_shown(region.function, frozenset(region.shared))
        self._makers = {result: op for op in self._deferred for result in op.results}
        self.copied = only_copied(region.function)
        self.floats = float_values(region.function)
        self._vectors = _in_vector_registers(region.function) | self.copied | self.floats

    def is_deferred(self, op: Op) -> bool:
        """Whether only landings need the operation."""
        return op in self._deferred

    # --- accesses ---

    def load(self, f: Lowering, op: Op) -> None:
        """Lowers a load; control goes on in a new LLVM block."""
        (result,) = op.results
        access = self._instruction(f, result, store=False)
        pointer = self._pointer(f, op, result)
        loaded = self._call(f, access, f"={access.constraint},*m", pointer, access.type)
        if access.type == FLOATS.get(result.type.total) and op.attrs["endian"] == "le":
            f.bind(op, loaded)
            return
        if access.type == "i32" and result.type.total < 32:
            loaded = f.e.cast("trunc", loaded, f"i{result.type.total}")
        f.bind(op, byte_order(f, op, f.e.cast("bitcast", loaded, f.type(op))))

    def store(self, f: Lowering, op: Op) -> None:
        """Lowers a store; control goes on in a new LLVM block."""
        stored = op.operands[1]
        access = self._instruction(f, stored, store=True)
        pointer = self._pointer(f, op, stored)
        value = f.kept_float(stored)
        if value is None or value.type != access.type or op.attrs["endian"] != "le":
            value = byte_order(f, op, f.of(stored))
        value = f.e.cast("bitcast", value, access.type)
        self._call(f, access, f"=*m,{access.constraint}", f"{pointer}, {value}", "void")
        if op.attrs["order"] == "seqcst":
            f.e.do("fence seq_cst")

    def _instruction(self, f: Lowering, value: Value, *, store: bool) -> GuestAccess:
        access = f.host.guest_access(value.type.total, vector=value in self._vectors, store=store)
        if access is None:
            raise UnsupportedError(f"a guest access of {value.type.total} bits")
        return access

    def _pointer(self, f: Lowering, op: Op, value: Value) -> str:
        pointer = f.e.at(self._base, f.of(op.operands[0]))
        return f"ptr elementtype([{value.type.total // 8} x i8]) {pointer.ref}"

    def _call(self, f: Lowering, access: GuestAccess, constraints: str, arguments: str, ty: str) -> Operand:
        """The instruction, recorded with its landing."""
        assert self.point is not None, "an access without `at`"
        on = f.e.new_label()
        landing = self._landings.setdefault(self.point, f"landing{len(self._landings)}")
        addresses = f"{_LABEL}b, ${{2:l}}, {known_offset(self.point.attrs['pc'])}"
        record = f".pushsection {FAULTS},\\22a\\22\\0A.quad {addresses}\\0A.popsection"
        text = f'callbr {ty} asm sideeffect "{_LABEL}: {access.text}\\0A{record}", "{constraints},!i"({arguments})'
        text += f" to label %{on} [label %{landing}]"
        result = Operand("void", "")
        if ty == "void":
            f.e.do(text)
        else:
            result = f.e.let(ty, text)
        f.e.begin(on)
        return result

    # --- landings ---

    def landings(self, f: Lowering) -> None:
        """Emits them. Those of one block share their stores, since most of their state is the same."""
        groups: dict[Block, list[Op]] = {}
        for point in self._landings:
            groups.setdefault(self._blocks[point], []).append(point)
        for points in groups.values():
            if len(points) == 1:
                self._single(f, points[0])
            else:
                self._shared(f, points)

    def _single(self, f: Lowering, point: Op) -> None:
        f.e.begin(self._landings[point])
        made: set[Value] = set()
        for value in point.operands:  # all of them first: they may be made of what is about to be written
            self._make(f, value, made)
        for place, value in zip(point.attrs["state"], point.operands, strict=True):
            self._show(f, place, f.of(value), value)
        stop(f, ExitReason.LEFT, address(f, point.attrs["pc"]))

    def _shared(self, f: Lowering, points: list[Op]) -> None:
        """Each landing brings what is not the same in all of them."""
        e = f.e
        states = [dict(zip(point.attrs["state"], point.operands, strict=True)) for point in points]
        places = list(dict.fromkeys(place for state in states for place in state))
        samples = {place: value for state in states for place, value in state.items()}
        varying = [
            place for place in places if any(state.get(place) is not samples[place] for state in states)
        ]
        together = e.new_label()
        brought: list[tuple[str, list[Operand]]] = []
        for point, state in zip(points, states, strict=True):
            e.begin(self._landings[point])
            e.keep_block()
            made: set[Value] = set()
            values = [self._state_of(f, place, state.get(place), samples[place], made) for place in varying]
            offset = Operand("i64", str(known_offset(point.attrs["pc"])))
            brought.append((e.label, [*values, offset]))
            e.jump(together)
        e.begin(together)
        joined = [
            e.phi(values[0].type, *[(value, label) for (label, _), value in zip(brought, values, strict=True)])
            for values in zip(*[values for _, values in brought], strict=True)
        ]
        made = set()
        shown = dict(zip(varying, joined, strict=False))  # what is joined last is the address
        for place in places:
            if place not in shown:
                self._make(f, samples[place], made)
                shown[place] = f.of(samples[place])
        for place in places:
            self._show(f, place, shown[place], samples[place])
        stop(f, ExitReason.LEFT, e.op("add", origin(f), joined[-1]))

    def _state_of(self, f: Lowering, place: Place, value: Value | None, sample: Value, made: set[Value]) -> Operand:
        """What a landing shows of a register; if the region has not changed it yet, what is there."""
        if value is not None:
            self._make(f, value, made)
            return f.of(value)
        return load_register(f, self._pointer_to(f, place), sample.type)

    def _pointer_to(self, f: Lowering, place: Place) -> Operand:
        reg, index = place
        if reg.startswith(CONTEXT_PLACE):
            return f.state(f.hole(context_offset(f, reg.removeprefix(CONTEXT_PLACE)), "i64"))
        return f.state(f.hole(f.layout.offset(reg, index, None, write=True), "i64"))

    def _show(self, f: Lowering, place: Place, value: Operand, sample: Value) -> None:
        store_register(f, value, self._pointer_to(f, place), sample.type.total)

    def _make(self, f: Lowering, value: Value, made: set[Value]) -> None:
        """Lowers here what was left to landings."""
        op = self._makers.get(value)
        if op is None or value in made:
            return
        for operand in op.operands:
            self._make(f, operand, made)
        Lowering.lower_op(f, op)
        made.update(op.results)


# --- what is looked at beforehand ---


def _only_shown(function: Function, shared: frozenset[str]) -> dict[Op, None]:
    """Operations whose results only `at` needs, in an order in which they can be made.

    A register can be read as late as that if nothing is written to it before the last access; `shared` are those that
    calls use.
    """
    written = {reg for block in function.blocks for reg in _written_early(block)}
    uses: Counter[Value] = Counter()  # by other operations than `at` and those that have been found
    for block in function.blocks:
        uses.update(chain.from_iterable([op.operands for op in block.ops if op.name != "at"]))
        uses.update(chain.from_iterable([edge.arguments for edge in block.terminator.successors]))
    found: dict[Op, None] = {}
    for block in reversed(function.blocks):
        for op in reversed(block.ops):
            if op.name == "read":
                movable = op.attrs["reg"] not in written and op.attrs["reg"] not in shared
            else:
                movable = op.name in PURE
            if movable and not any([uses[value] for value in op.results]):
                found[op] = None
                uses.subtract(op.operands)
    return found


def _written_early(block: Block) -> list[str]:
    """Registers that are written where an access may follow: all, but for what a leaving block writes at its end."""
    places = [place for place, op in enumerate(block.ops) if op.name == "at"]
    end = len(block.ops) if block.terminator.name not in LEAVING else max(places, default=0)
    return [op.attrs["reg"] for op in block.ops[:end] if op.name == "write"]


def _in_vector_registers(function: Function) -> frozenset[Value]:
    """Values that are loaded or stored and otherwise live in vector registers: whole ones, vectors, floats."""
    made = [value for block in function.blocks for op in block.ops for value in op.results]
    made += [value for block in function.blocks for value in block.arguments]
    wide = {value for value in made if isinstance(value.type, Vec) or value.type.width >= 128}
    found = set(wide)
    for block in function.blocks if wide else ():
        for op in block.ops:
            if op.name != "at" and not (wide.isdisjoint(op.operands) and wide.isdisjoint(op.results)):
                found.update(op.operands, op.results)
    return frozenset(found)
