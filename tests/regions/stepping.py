"""Programs on the IR interpreter: instruction by instruction, and with some of their code as regions.

Going from instruction to instruction is the meaning. Where a region can be entered its function may be run
instead, as the engine does it, whatever the passes have made of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.ir.function import Function
from pyqemu.translator.ir.guarded import guarded
from pyqemu.translator.ir.interp import Environment, GuestFault, Outcome, run
from pyqemu.translator.ir.softfloat import FpEnvironment
from pyqemu.translator.target import Encoding, ShapeTree, alignment, following, reach
from tests.regions.area import CODE, CODE_BYTES, GuestMemory
from tests.regions.states import End, Snapshot, Start

#: Instructions, and regions, that a run may take.
MOST_STEPS = 250
_MOST_OPERATIONS = 100_000
_MASK = (1 << 64) - 1


class Endless(Exception):
    """The run does not end soon."""


class KnownShapes:
    """A target's shapes, made (or read) once; see translator.lift.instructions.Shapes."""

    def __init__(self, target: DescribedTarget) -> None:
        self._target = target
        self._trees: dict[int, ShapeTree] = {}
        self._guards: dict[int, ShapeTree | None] = {}

    def shapes(self, encoding: Encoding) -> ShapeTree:
        """All shapes of an encoding."""
        tree = self._trees.get(encoding.number)
        if tree is None:
            tree = self._trees[encoding.number] = self._target.shapes(encoding)
        return tree

    def guard(self, encoding: Encoding) -> ShapeTree | None:
        """All shapes of its guard."""
        if encoding.number not in self._guards:
            self._guards[encoding.number] = self._target.guard(encoding)
        return self._guards[encoding.number]


@dataclass(frozen=True, slots=True)
class Decoded:
    """An instruction's size, encoding and fields; no function if it is undefined."""

    size: int
    encoding: Encoding | None
    fields: Mapping[str, int]
    function: Function | None


@dataclass(slots=True)
class Decoder:
    """Instructions of one target, decoded once."""

    target: DescribedTarget
    shapes: KnownShapes
    _known: dict[tuple[bytes, tuple[int, ...]], Decoded] = field(
        default_factory=dict[tuple[bytes, tuple[int, ...]], Decoded]
    )

    def decode(self, code: bytes, context: Mapping[str, int]) -> Decoded:
        """The instruction that `code` begins with."""
        key = code, tuple(context.values())
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._decode(code, context)
        return known

    def _decode(self, code: bytes, context: Mapping[str, int]) -> Decoded:
        for unit in self.target.units:
            data = code[: unit.size]
            word = unit.word_of(data)
            encoding = self.target.decode(word, unit.name, context)
            if encoding is None:
                continue
            fields = encoding.fields_of(word)
            found = reach(self.shapes.shapes(encoding), fields, context)
            tree = self.shapes.guard(encoding)
            guard = None if tree is None else reach(tree, fields, context)
            if found is None or (guard is None) != (tree is None):
                return Decoded(len(data), encoding, fields, None)
            function = guarded(guard and guard[1].function, found[1].function)
            return Decoded(len(data), encoding, fields, function)
        return Decoded(0, None, {}, None)


class Machine:
    """One run. `resuming`: sizes of the instructions that raise exceptions behind which a program goes on. Regions are
    entered in `context`.
    """

    def __init__(
        self, decoder: Decoder, code: bytes, start: Start, resuming: Mapping[str, int], context: Mapping[str, int]
    ) -> None:
        self._decoder = decoder
        self._target = target = decoder.target
        self._code = code
        self._resuming = resuming
        self._context = dict(context)
        self.memory = GuestMemory(code, start.state.data, start.poll)
        self.registers = {
            r.name: list(values) for r, values in zip(target.registers, start.state.registers, strict=True)
        }
        self._env = Environment(
            ctx=dict(zip((c.name for c in target.context), start.state.context, strict=True)),
            memory=self.memory,
            fp=FpEnvironment(start.state.fp_mode, start.state.fp_flags, target.tininess_before),
            functions=target.functions(),
            step_limit=_MOST_OPERATIONS,
        )
        self._unit = alignment(target.units)

    def run(
        self,
        pc: int,
        *,
        regions: Mapping[int, Function] | None = None,
        poll: Callable[[], bool] | None = None,
        passing: Callable[[int, Machine], None] | None = None,
        left: Callable[[int, Machine], None] | None = None,
    ) -> End:
        """From `pc` to the end. `regions`: functions by where they can be entered.

        `passing` is told of each instruction that is come to, `left` of each time that a region leaves for a poll.
        Raises Endless.
        """
        if poll is not None:
            self._env.poll = poll
        for _ in range(MOST_STEPS):
            if passing is not None:
                passing(pc, self)
            function = (regions or {}).get(pc) if self._env.ctx == self._context else None
            after = self._step(pc) if function is None else self._region(function, pc)
            if isinstance(after, Outcome):  # the instruction that was left at is done by itself, as baseline code may
                assert after.address is not None
                if left is not None:
                    left(after.address, self)
                after = self._step(after.address)
            if isinstance(after, End):
                return after
            pc = after
        raise Endless

    def snapshot(self) -> Snapshot:
        """All that a guest can see now."""
        env = self._env
        registers = tuple(tuple(values) for values in self.registers.values())
        context = tuple(env.ctx.values())
        return Snapshot(registers, env.fp.flags, env.fp.rounding, context, bytes(self.memory.data))

    def _step(self, pc: int) -> int | End:
        code = self._code[pc - CODE : pc - CODE + 4] if CODE <= pc < CODE + CODE_BYTES else b""
        if not code or pc % self._unit:
            return self._end("bad fetch", pc)
        decoded = self._decoder.decode(code, self._env.ctx)
        if decoded.function is None:
            return self._end("exception", pc, "undefined")
        self._env.fields, self._env.here = decoded.fields, pc
        before = dict(self._env.ctx)
        try:
            outcome = run(decoded.function, self.registers, self._env)
        except GuestFault as fault:
            return self._end("fault", pc, fault.address)
        after = pc + decoded.size if outcome.way == "next" else self._follow(outcome, pc)
        if not isinstance(after, End):
            assert decoded.encoding is not None
            falls = outcome.way == "next"
            self._env.ctx.update(
                following(self._target.context, decoded.encoding, decoded.fields, before, falls=falls)
            )
        return after

    def _region(self, function: Function, pc: int) -> int | End | Outcome:
        self._env.fields, self._env.here, self._env.entry = {}, CODE, pc - CODE
        try:
            outcome = run(function, self.registers, self._env)
        except GuestFault as fault:
            assert fault.pc is not None, "an access without `at`"
            return self._end("fault", fault.pc, fault.address)
        except RuntimeError as error:
            raise Endless from error
        if outcome.way == "leave":
            return outcome
        return self._follow(outcome, outcome.address)

    def _follow(self, outcome: Outcome, pc: int | None) -> int | End:
        assert pc is not None
        if outcome.way == "goto":
            assert outcome.address is not None
            return outcome.address
        size = self._resuming.get(outcome.exception)
        if size is not None:
            return pc + size
        return self._end("exception", pc, outcome.exception, *outcome.values)

    def _end(self, how: str, pc: int, *detail: object) -> End:
        return End(how, pc & _MASK, detail, self.snapshot())
