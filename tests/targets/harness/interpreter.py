"""Runs a case on the IR interpreter as the runtime would: decode, shape, IR with holes, next instruction."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic

from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.cpu_models import resets_of
from pyqemu.translator.ir.function import Function
from pyqemu.translator.ir.guarded import guarded
from pyqemu.translator.ir.interp import Environment, GuestFault, Outcome, run
from pyqemu.translator.ir.softfloat import FpEnvironment
from pyqemu.translator.target import CpuModel, Encoding, ShapeTree, alignment, following, reach
from tests.targets.harness.machine import (
    CHANGES,
    CODE,
    DATA,
    PAGE,
    SIGBUS,
    SIGILL,
    SIGSEGV,
    Architecture,
    Case,
    Result,
    S,
    page_contents,
)

_MASK = (1 << 64) - 1
#: Instructions of a case that are run at most; then it is taken for a loop.
MOST_STEPS = 64


class Endless(Exception):
    """The case does not end soon."""


class DataPage:
    """The one page of data, and the page of code to read; nothing else can be accessed."""

    def __init__(self, number: int, code: bytes) -> None:
        self.bytes = bytearray(page_contents(number))
        self._code = code

    def load(self, address: int, size: int) -> bytes:
        """`size` bytes at guest address `address`."""
        if CODE <= address <= CODE + PAGE - size:
            return self._code[address - CODE : address - CODE + size]
        if not DATA <= address <= DATA + PAGE - size:
            raise GuestFault(address, "read")
        return bytes(self.bytes[address - DATA : address - DATA + size])

    def store(self, address: int, data: bytes) -> None:
        """Puts `data` at guest address `address`."""
        if not DATA <= address <= DATA + PAGE - len(data):
            raise GuestFault(address, "write")
        self.bytes[address - DATA : address - DATA + len(data)] = data

    def changes(self, number: int) -> tuple[tuple[int, int], ...]:
        """8-byte words that differ from contents `number`, as many as the runner tells."""
        before = page_contents(number)
        after = bytes(self.bytes)
        if before == after:
            return ()
        old, new = struct.unpack("<512Q", before), struct.unpack("<512Q", after)
        return tuple((k, value) for k, value in enumerate(new) if value != old[k])[:CHANGES]


@dataclass
class Run(Generic[S]):
    """A finished run. `fault` is the address that was wrong, if one was; `ignored_x` must not be compared."""

    result: Result[S]
    fault: int | None = None
    ignored_x: int | None = None


@dataclass(slots=True)
class Machine:
    """The state of a run; `ignored_x` is a register that holds a clock."""

    registers: dict[str, dict[int, int]]
    env: Environment
    ignored_x: int | None = None


class Interpreter(ABC, Generic[S]):
    """An interpreter of cases for one target and CPU model; keeps the shapes that it has made."""

    def __init__(self, target: DescribedTarget, architecture: Architecture[S], model: CpuModel) -> None:
        self.target = target
        self.architecture = architecture
        self.model = model
        self._alignment = alignment(target.units)
        self._shapes: dict[int, tuple[ShapeTree, ShapeTree | None]] = {}
        self._meanings: dict[tuple[int, int], Function] = {}

    # --- what an architecture has to say ----------------------------------------------------------------

    @abstractmethod
    def begin(self, state: S, machine: Machine) -> None:
        """Sets registers, context and floating-point environment; the model's reset values are there."""

    @abstractmethod
    def state(self, machine: Machine) -> S:
        """The registers as a state."""

    @abstractmethod
    def raised(self, name: str, values: tuple[int, ...], machine: Machine) -> tuple[int, int | None] | None:
        """The signal of an exception and the address that is wrong; None if the run goes on behind it."""

    def misaligned(self, pc: int, machine: Machine) -> bool:
        """Whether SIGBUS is raised for an instruction's address, even if nothing is mapped there."""
        return pc % self._alignment != 0

    def retry(self, fault: GuestFault, machine: Machine) -> bool:
        """Whether an instruction that faulted is to be tried again, in a context that was changed for it."""
        return False

    def retried(self, machine: Machine) -> None:
        """Changes the context back."""

    # --- runs -------------------------------------------------------------------------------------------

    def run(self, case: Case[S]) -> Run[S]:
        """The case's result. Raises Endless for a loop."""
        code = self.architecture.code(case.words)
        stop, before = self.architecture.stop(case.state), len(code)
        memory = DataPage(case.page, (code + (stop.code * PAGE)[before % len(stop.code) :])[:PAGE])
        machine = self._machine(case, memory)

        def end(signal: int, pc: int, fault: int | None = None) -> Run[S]:
            result = Result(signal, pc & _MASK, self.state(machine), memory.changes(case.page), fault or 0)
            return Run(result, fault, machine.ignored_x)

        pc = CODE
        for _ in range(MOST_STEPS):
            if self.misaligned(pc, machine):
                return end(SIGBUS, pc)
            if not CODE <= pc < CODE + PAGE:
                return end(SIGSEGV, pc)
            if pc >= CODE + before:
                return end(stop.signal, pc)
            after = self._step(memory.load(pc, min(4, CODE + PAGE - pc)), pc, machine)
            if isinstance(after, tuple):
                return end(after[0], pc, after[1])
            pc = after
        raise Endless

    def _machine(self, case: Case[S], memory: DataPage) -> Machine:
        resets = {(name, index or 0): value for name, index, value in resets_of(self.target, self.model)}
        registers = {r.name: {k: resets.get((r.name, k), 0) for k in range(r.count)} for r in self.target.registers}
        env = Environment(
            ctx={c.name: 0 for c in self.target.context},
            memory=memory,
            fp=FpEnvironment(0, 0, self.target.tininess_before),
        )
        machine = Machine(registers, env)
        self.begin(case.state, machine)
        return machine

    def _step(self, code: bytes, pc: int, machine: Machine) -> int | tuple[int, int | None]:
        """The next instruction's address, or a signal and the address that is wrong."""
        env = machine.env
        encoding, word, size = self.decode(code, env.ctx)
        if encoding is None or not encoding.features <= self.model.features:
            return SIGILL, None
        env.fields, env.here = encoding.fields_of(word), pc
        function = self.shape_of(encoding, env.fields, env.ctx)
        env.functions = self.target.functions()  # those that the shape calls are among them now
        if function is None:
            return SIGILL, None
        before = dict(env.ctx)
        try:
            outcome = run(function, machine.registers, env)
        except GuestFault as fault:
            if not self.retry(fault, machine):
                return SIGSEGV, fault.address
            after = self._step(code, pc, machine)
            self.retried(machine)
            return after
        after = self._follow(outcome, pc, size, machine)
        if isinstance(after, int):
            falls = outcome.way == "next"
            env.ctx.update(following(self.target.context, encoding, env.fields, before, falls=falls))
        return after

    def decode(self, code: bytes, ctx: Mapping[str, int]) -> tuple[Encoding | None, int, int]:
        """The encoding of the instruction that `code` begins with, its word, its size in bytes."""
        for unit in self.target.units:
            word = unit.word_of(code[: unit.size])
            encoding = self.target.decode(word, unit.name, ctx) if len(code) >= unit.size else None
            if encoding is not None:
                return encoding, word, unit.size
        return None, 0, 0

    def _follow(self, outcome: Outcome, pc: int, size: int, machine: Machine) -> int | tuple[int, int | None]:
        if outcome.way == "next":
            return pc + size
        if outcome.way == "goto":
            assert outcome.address is not None
            return outcome.address
        if outcome.exception == "undefined":
            return SIGILL, None
        ended = self.raised(outcome.exception, outcome.values, machine)
        return pc + size if ended is None else ended

    def shape_of(
        self, encoding: Encoding, fields: Mapping[str, int], ctx: Mapping[str, int]
    ) -> Function | None:
        """The IR of the shape that these fields have, with its guard; None if it is undefined."""
        trees = self._shapes.get(encoding.number)
        if trees is None:
            trees = self._shapes[encoding.number] = self.target.shapes(encoding), self.target.guard(encoding)
        found, guard = (None if tree is None else reach(tree, fields, ctx) for tree in trees)
        if found is None or (guard is None) != (trees[1] is None):
            return None
        leaf, test = found[1], guard and guard[1]
        key = id(leaf), id(test)
        if key not in self._meanings:
            self._meanings[key] = guarded(test and test.function, leaf.function)
        return self._meanings[key]
