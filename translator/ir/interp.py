"""The interpreter: what the IR means. Slow and obvious; everything faster is tested against it.

Scalars are ints and vectors tuples of lane ints; registers hold ints (`interp_int.pack`). Memory, registers
and decode-time values come from the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pyqemu.translator.ir import interp_fp
from pyqemu.translator.ir.function import Block, Function, Op, Value
from pyqemu.translator.ir.interp_int import ELEMENTWISE, Runtime, elementwise, pack, pure_result, unpack
from pyqemu.translator.ir.ops import CONTEXT_PLACE
from pyqemu.translator.ir.softfloat import FpEnvironment
from pyqemu.translator.ir.types import Bits, Type
from pyqemu.translator.static import StaticExpr, evaluate

_ADDRESS_MASK = (1 << 64) - 1
#: What `any` gives: as many bits of this as its type has.
_PATTERN = int.from_bytes(b"\xa7" * 32, "little")


class GuestFault(Exception):
    """A guest access that memory refuses; `access` is read, write or execute.

    `pc` is the instruction's guest address if the function has told it (`at`); the registers are then as they
    are before that instruction.
    """

    def __init__(self, address: int, access: str) -> None:
        super().__init__(f"{access} at {address:#x}")
        self.address = address
        self.access = access
        self.pc: int | None = None


class Memory(Protocol):
    """Guest memory. Both raise GuestFault, a store before it has changed anything."""

    def load(self, address: int, size: int) -> bytes:
        """`size` bytes at guest address `address`."""
        ...

    def store(self, address: int, data: bytes) -> None:
        """Puts `data` at guest address `address`."""
        ...


class RegisterFile(Protocol):
    """Elements of a file by index; a single register is element 0. A list or a dict will do."""

    def __getitem__(self, index: int, /) -> int: ...
    def __setitem__(self, index: int, value: int, /) -> None: ...


State = Mapping[str, RegisterFile]


class NoMemory:
    """Memory that faults on every access."""

    def load(self, address: int, size: int) -> bytes:
        """Always raises GuestFault."""
        raise GuestFault(address, "read")

    def store(self, address: int, data: bytes) -> None:
        """Always raises GuestFault."""
        raise GuestFault(address, "write")


class SparseMemory:
    """Memory made of bytes that were put there; any other address faults."""

    def __init__(self, contents: Mapping[int, bytes] | None = None) -> None:
        self.bytes: dict[int, int] = {}
        for start, data in (contents or {}).items():
            self.bytes.update(enumerate(data, start))

    def _check(self, address: int, size: int, access: str) -> range:
        for place in range(address, address + size):
            if place not in self.bytes:
                raise GuestFault(place, access)
        return range(address, address + size)

    def load(self, address: int, size: int) -> bytes:
        """`size` bytes at guest address `address`."""
        return bytes(self.bytes[place] for place in self._check(address, size, "read"))

    def store(self, address: int, data: bytes) -> None:
        """Puts `data` at guest address `address`."""
        self.bytes.update(zip(self._check(address, len(data), "write"), data, strict=True))


@dataclass(slots=True)
class Environment:
    """All but registers that a meaning depends on. `set_ctx` changes `ctx`, and `fp_…` changes `fp`."""

    fields: Mapping[str, int] = field(default_factory=dict[str, int])
    here: int = 0
    ctx: MutableMapping[str, int] = field(default_factory=dict[str, int])
    memory: Memory = field(default_factory=NoMemory)
    fp: FpEnvironment = field(default_factory=FpEnvironment)
    functions: Mapping[str, Function] = field(default_factory=dict[str, Function])
    step_limit: int = 1_000_000
    entry: int = 0  # of a region: `here` + entry is where it is entered
    poll: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a function was left: `way` is next, goto, leave, raise or ret.

    goto, leave: `address` (64 bits) and `kind`; raise: `exception`, `values` and the instruction's `address`; ret:
    `values`. `sync`: code or
    context may have changed (isync, set_ctx).
    """

    way: str
    address: int | None = None
    kind: str = ""
    exception: str = ""
    values: tuple[Runtime, ...] = ()
    sync: bool = False


def run(function: Function, state: State, env: Environment, arguments: Sequence[Runtime] = ()) -> Outcome:
    """Runs `function` on `state`; raises GuestFault, and RuntimeError after `env.step_limit` operations."""
    return _Frame(state, env).run(function, arguments)


class _Frame:
    """One activation of a function."""

    def __init__(self, state: State, env: Environment) -> None:
        self._state = state
        self._env = env
        self._values: dict[Value, Runtime] = {}
        self._sync = False
        self._point: Op | None = None  # the last `at`

    def run(self, function: Function, arguments: Sequence[Runtime]) -> Outcome:
        block = function.entry
        self._enter(block, arguments)
        steps = 0
        while True:
            try:
                for op in block.ops[:-1]:
                    self._execute(op)
            except GuestFault as fault:
                self._show(fault)
                raise
            steps += len(block.ops)
            if steps > self._env.step_limit:
                raise RuntimeError(f"{function.name}: more than {self._env.step_limit} operations")
            op = block.terminator
            if not op.successors:
                return self._leave(op)
            edge = op.successors[self._way(op)]
            block = edge.block
            self._enter(block, [self._values[value] for value in edge.arguments])

    def _way(self, op: Op) -> int:
        match op.name:
            case "branch":
                return 0 if self._values[op.operands[0]] else 1
            case "dispatch":
                return op.attrs["entries"].index(self._env.entry)
            case _:
                return 0

    def _show(self, fault: GuestFault) -> None:
        """Puts registers into the state that a fault shows."""
        point = self._point
        if point is None:
            return
        for (reg, index), value in zip(point.attrs["state"], point.operands, strict=True):
            shown = pack(self._values[value], value.type)
            if reg.startswith(CONTEXT_PLACE):
                self._env.ctx[reg.removeprefix(CONTEXT_PLACE)] = shown
            else:
                self._state[reg][index or 0] = shown
        fault.pc = self._static(point.attrs["pc"]) & _ADDRESS_MASK

    def _enter(self, block: Block, arguments: Sequence[Runtime]) -> None:
        self._values.update(zip(block.arguments, arguments, strict=True))

    def _static(self, expr: StaticExpr) -> int:
        return evaluate(expr, self._env.fields, self._env.here, self._env.ctx)

    def _leave(self, op: Op) -> Outcome:
        values = tuple(self._values[value] for value in op.operands)
        match op.name:
            case "next":
                return Outcome("next", sync=self._sync)
            case "goto":
                address = self._static(op.attrs["target"]) & _ADDRESS_MASK
                return Outcome("goto", address, op.attrs["kind"], sync=self._sync)
            case "goto_indirect":
                return Outcome(
                    "goto", pack(values[0], op.operands[0].type), op.attrs["kind"], sync=self._sync
                )
            case "leave":
                return Outcome("leave", self._static(op.attrs["target"]) & _ADDRESS_MASK)
            case "raise":
                pc = self._static(op.attrs["pc"]) & _ADDRESS_MASK
                return Outcome("raise", pc, exception=op.attrs["exception"], values=values, sync=self._sync)
            case "ret":
                return Outcome("ret", values=values, sync=self._sync)
            case _:
                raise NotImplementedError(op.name)

    def _execute(self, op: Op) -> None:
        values = [self._values[value] for value in op.operands]
        meaning = MEANINGS.get(op.name)
        result = pure_result(op, values) if meaning is None else meaning(self, op, values)
        if result is not None:
            self._values[op.results[0]] = result
        elif meaning is None:
            raise NotImplementedError(op.name)

    # --- operations that are not pure ---

    def fp_operation(self, op: Op, values: list[Runtime]) -> Runtime:
        return interp_fp.fp_result(op, values, self._env.fp)

    def hole(self, op: Op, values: list[Runtime]) -> Runtime:
        return self._static(op.attrs["expr"]) & ((1 << op.results[0].type.width) - 1)

    def any(self, op: Op, values: list[Runtime]) -> Runtime:
        """A pattern that is easily recognised where it should not have come."""
        ty = op.results[0].type
        return unpack(_PATTERN >> max(256 - ty.total, 0) & ((1 << ty.total) - 1), ty)

    def fp_flags(self, op: Op, values: list[Runtime]) -> Runtime:
        return self._env.fp.flags

    def fp_set_flags(self, op: Op, values: list[Runtime]) -> None:
        self._env.fp.flags = pack(values[0], Bits(8))

    def fp_raise(self, op: Op, values: list[Runtime]) -> None:
        self._env.fp.flags |= pack(values[0], Bits(8))

    def fp_set_mode(self, op: Op, values: list[Runtime]) -> None:
        self._env.fp.rounding = pack(values[0], Bits(8)) & 3

    def _register(self, op: Op) -> tuple[RegisterFile, int] | None:
        """The file and index that `read` and `write` mean; None for the zero register."""
        index = op.attrs["index"]
        place = 0 if index is None else self._static(index)
        if op.attrs["zero"] is not None and place == op.attrs["zero"]:
            return None
        return self._state[op.attrs["reg"]], place

    def read(self, op: Op, values: list[Runtime]) -> Runtime:
        register = self._register(op)
        bits = 0 if register is None else register[0][register[1]]
        return unpack(bits, op.results[0].type)

    def write(self, op: Op, values: list[Runtime]) -> None:
        register = self._register(op)
        if register is not None:
            register[0][register[1]] = pack(values[0], op.operands[0].type)

    def set_ctx(self, op: Op, values: list[Runtime]) -> None:
        self._env.ctx[op.attrs["ctx"]] = pack(values[0], op.operands[0].type)
        self._sync = True

    def at(self, op: Op, values: list[Runtime]) -> None:
        self._point = op

    def poll(self, op: Op, values: list[Runtime]) -> Runtime:
        return int(self._env.poll())

    def isync(self, op: Op, values: list[Runtime]) -> None:
        self._sync = True

    def fence(self, op: Op, values: list[Runtime]) -> None:
        """Nothing to do: the interpreter runs one thread, in order."""

    def _load(self, op: Op, address: Runtime, ty: Type) -> Runtime:
        data = self._env.memory.load(pack(address, Bits(64)), ty.total // 8)
        return unpack(int.from_bytes(data, _byte_order(op)), ty)

    def _store(self, op: Op, address: Runtime, value: Runtime, ty: Type) -> None:
        data = pack(value, ty).to_bytes(ty.total // 8, _byte_order(op))
        self._env.memory.store(pack(address, Bits(64)), data)

    def load(self, op: Op, values: list[Runtime]) -> Runtime:
        return self._load(op, values[0], op.results[0].type)

    def store(self, op: Op, values: list[Runtime]) -> None:
        self._store(op, values[0], values[1], op.operands[1].type)

    def cas(self, op: Op, values: list[Runtime]) -> Runtime:
        """As on hardware memory has to be writable in any case: what is there is stored again."""
        address, expected, desired = values
        ty = op.results[0].type
        before = self._load(op, address, ty)
        self._store(op, address, desired if before == expected else before, ty)
        return before

    def rmw(self, op: Op, values: list[Runtime]) -> Runtime:
        address, operand = values
        ty = op.results[0].type
        before = self._load(op, address, ty)
        name = op.attrs["op"]
        after = operand if name == "swap" else elementwise(ty, ty, ELEMENTWISE[name], [before, operand])
        self._store(op, address, after, ty)
        return before

    def call(self, op: Op, values: list[Runtime]) -> None:
        callee = self._env.functions[op.attrs["fn"]]
        outcome = _Frame(self._state, self._env).run(callee, values)
        self._sync |= outcome.sync
        self._values.update(zip(op.results, outcome.values, strict=True))


def _byte_order(op: Op) -> Any:
    return "little" if op.attrs["endian"] == "le" else "big"


#: Operations with effects, and those that need decode-time values; what gives no result, or several, gives None.
MEANINGS: Mapping[str, Callable[[_Frame, Op, list[Runtime]], Runtime | None]] = {
    **dict.fromkeys(interp_fp.OPERATIONS, _Frame.fp_operation),
    "hole": _Frame.hole,
    "any": _Frame.any,
    "fp_flags": _Frame.fp_flags,
    "fp_set_flags": _Frame.fp_set_flags,
    "fp_raise": _Frame.fp_raise,
    "fp_set_mode": _Frame.fp_set_mode,
    "read": _Frame.read,
    "write": _Frame.write,
    "set_ctx": _Frame.set_ctx,
    "isync": _Frame.isync,
    "at": _Frame.at,
    "poll": _Frame.poll,
    "fence": _Frame.fence,
    "load": _Frame.load,
    "store": _Frame.store,
    "cas": _Frame.cas,
    "rmw": _Frame.rmw,
    "call": _Frame.call,
}
