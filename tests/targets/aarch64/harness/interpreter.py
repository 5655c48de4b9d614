"""Runs a case on the IR interpreter as the runtime would: decode, shape, IR with holes, next instruction."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.ir.function import Function
from pyqemu.translator.ir.interp import Environment, GuestFault, Outcome, run
from pyqemu.translator.ir.softfloat import FpEnvironment
from pyqemu.translator.static import evaluate
from pyqemu.translator.target import Encoding, ShapeChoice, ShapeLeaf, ShapeTree
from tests.targets.aarch64.harness.machine import (
    BRK,
    CODE,
    DATA,
    PAGE,
    SIGBUS,
    SIGILL,
    SIGSEGV,
    SIGTRAP,
    Case,
    Result,
    State,
    page_contents,
)

_MASK = (1 << 64) - 1
#: Instructions of a case that are run at most; then it is taken for a loop.
MOST_STEPS = 64


class Endless(Exception):
    """The case does not end soon."""


class DataPage:
    """The one page of data, and the page of code to read; nothing else can be accessed."""

    def __init__(self, case: Case) -> None:
        self.bytes = bytearray(page_contents(case.page))
        self._words = case.words

    def load(self, address: int, size: int) -> bytes:
        """`size` bytes at guest address `address`."""
        if CODE <= address <= CODE + PAGE - size:
            words = (*self._words, *[BRK] * (PAGE // 4 - len(self._words)))
            return struct.pack(f"<{PAGE // 4}I", *words)[address - CODE : address - CODE + size]
        if not DATA <= address <= DATA + PAGE - size:
            raise GuestFault(address, "read")
        return bytes(self.bytes[address - DATA : address - DATA + size])

    def store(self, address: int, data: bytes) -> None:
        """Puts `data` at guest address `address`."""
        if not DATA <= address <= DATA + PAGE - len(data):
            raise GuestFault(address, "write")
        self.bytes[address - DATA : address - DATA + len(data)] = data

    def changes(self, number: int) -> tuple[tuple[int, int], ...]:
        """8-byte words that differ from contents `number`."""
        before = page_contents(number)
        after = bytes(self.bytes)
        if before == after:
            return ()
        old, new = struct.unpack("<512Q", before), struct.unpack("<512Q", after)
        return tuple((k, value) for k, value in enumerate(new) if value != old[k])


@dataclass(slots=True)
class Run:
    """A finished run. `fault` is the address that was wrong, if one was; `ignored_x` must not be compared."""

    result: Result
    fault: int | None = None
    ignored_x: int | None = None


class Interpreter:
    """An interpreter of cases for one target; keeps the shapes that it has made."""

    def __init__(self, target: DescribedTarget) -> None:
        self.target = target
        self.resets = {name: value for name, _, value in target.cpus[0].resets}
        self._shapes: dict[int, ShapeTree] = {}

    def run(self, case: Case) -> Run:
        """The case's result. Raises Endless for a loop."""
        return _Machine(self, case).run()

    def shape_of(
        self, encoding: Encoding, fields: Mapping[str, int], ctx: Mapping[str, int]
    ) -> Function | None:
        """The IR of the shape that these fields have; None if it is undefined."""
        tree = self._shapes.get(encoding.number)
        if tree is None:
            tree = self._shapes[encoding.number] = self.target.shapes(encoding)
        while isinstance(tree, ShapeChoice):
            child = tree.children.get(evaluate(tree.expr, fields, 0, ctx))
            if child is None:
                return None
            tree = child
        return tree.function if isinstance(tree, ShapeLeaf) else None


class _Machine:
    def __init__(self, interpreter: Interpreter, case: Case) -> None:
        self._interpreter = interpreter
        self._target = target = interpreter.target
        resets = interpreter.resets
        self._case = case
        self._memory = DataPage(case)
        state = case.state
        self._registers: dict[str, dict[int, int]] = {
            r.name: dict.fromkeys(range(r.count), resets.get(r.name, 0)) for r in target.registers
        }
        self._registers["GPR"] = dict(enumerate((*state.x, state.sp)))
        self._registers["V"] = dict(enumerate(state.v))
        for bit, flag in ((31, "NF"), (30, "ZF"), (29, "CF"), (28, "VF")):
            self._registers[flag][0] = state.nzcv >> bit & 1
        self._registers["FPCR"][0] = state.fpcr
        self._registers["FPSR"][0] = state.fpsr & 0xF8000080
        self._registers["TPIDR_EL0"][0] = state.tpidr
        self._env = Environment(
            ctx={c.name: 0 for c in target.context},
            memory=self._memory,
            fp=FpEnvironment(state.fpcr >> 22 & 3, state.fpsr & 31, target.tininess_before),
        )
        self._env.ctx["fz"] = state.fpcr >> 24 & 1
        self._run = Run(Result(0, 0, state))

    def run(self) -> Run:
        pc, words = CODE, self._case.words
        for _ in range(MOST_STEPS):
            if pc & 3:
                return self._end(SIGBUS, pc)
            if not CODE <= pc < CODE + PAGE:
                return self._end(SIGSEGV, pc)
            place = (pc - CODE) // 4
            if place >= len(words):
                return self._end(SIGTRAP, pc)
            after = self._step(words[place], pc)
            if isinstance(after, Run):
                return after
            pc = after
        raise Endless

    def _step(self, word: int, pc: int) -> int | Run:
        encoding = self._target.decode(word, "A64", self._env.ctx)
        if encoding is None:
            return self._end(SIGILL, pc)
        self._env.fields, self._env.here = encoding.fields_of(word), pc
        function = self._interpreter.shape_of(encoding, self._env.fields, self._env.ctx)
        self._env.functions = self._target.functions()
        if function is None:
            return self._end(SIGILL, pc)
        try:
            outcome = run(function, self._registers, self._env)
        except GuestFault as fault:
            if self._env.ctx["tbi"] or not fault.address >> 56:
                return self._end(SIGSEGV, pc, fault.address)
            self._env.ctx["tbi"] = 1  # what the runtime does when a tagged address faults
            after = self._step(word, pc)
            self._env.ctx["tbi"] = 0
            return after
        return self._follow(outcome, pc)

    def _follow(self, outcome: Outcome, pc: int) -> int | Run:
        if outcome.way == "next":
            return pc + 4
        if outcome.way == "goto":
            assert outcome.address is not None
            return outcome.address
        match outcome.exception, outcome.values:
            case "undefined", _:
                return self._end(SIGILL, pc)
            case "brk", _:
                return self._end(SIGTRAP, pc)
            case "alignment", (int(address),):
                return self._end(SIGBUS, pc, address)
            case "counter_read", (int(rt),):
                self._run.ignored_x = rt
                return pc + 4
            case _:
                raise NotImplementedError(outcome.exception)

    def _end(self, signal: int, pc: int, fault: int | None = None) -> Run:
        registers = self._registers
        general = [registers["GPR"][k] for k in range(32)]
        flags = sum(registers[f][0] << bit for bit, f in ((31, "NF"), (30, "ZF"), (29, "CF"), (28, "VF")))
        sticky = self._env.fp.flags
        denormal = (sticky & 32) << 2 if self._env.ctx["fz"] else 0
        state = State(
            tuple(general[:31]),
            general[31],
            flags,
            registers["FPCR"][0],
            registers["FPSR"][0] | sticky & 31 | denormal,
            registers["TPIDR_EL0"][0],
            tuple(registers["V"][k] for k in range(32)),
        )
        result = Result(signal, pc & _MASK, state, self._memory.changes(self._case.page), fault or 0)
        return Run(result, fault, self._run.ignored_x)
