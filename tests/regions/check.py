"""Runs programs in all ways there are, and says where the first one differs.

Going from instruction to instruction on the interpreter is right. The region as lifted and after the passes,
baseline code, and the region's host code have to end in the same state, by the same exit, exception or fault; and
where a poll stops them, in a state that the interpreter goes through there.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pyqemu.translator.ir.function import Function
from tests.regions.area import CODE, DATA, PAGE, Neighbours
from tests.regions.programs import Program, listing
from tests.regions.states import End, Start, differences
from tests.regions.stepping import Endless, Machine
from tests.regions.workbench import Batch, Workbench

STATES = 10  # of each program
#: How often a region on the interpreter is asked to leave where it polls.
_POLLED = 0.2
_MOMENT = 0.002  # seconds until another thread interrupts


@dataclass(frozen=True, slots=True)
class Failure:
    """The first way to run a program from `start` that went wrong, and how. `seed`: of polls on the interpreter."""

    program: Program
    start: Start
    seed: int
    way: str
    lines: tuple[str, ...]


@dataclass(slots=True)
class Report:
    """What was run: programs, regions, starts, ends by how they came about; what failed."""

    programs: int = 0
    regions: int = 0
    installed: int = 0
    starts: int = 0
    endless: int = 0
    stopped: int = 0  # by a poll
    ends: Counter[str] = field(default_factory=Counter[str])
    failures: list[Failure] = field(default_factory=list[Failure])

    def __str__(self) -> str:
        ends = ", ".join(f"{count} by {how}" for how, count in self.ends.most_common())
        return (
            f"{self.programs} programs, {self.regions} regions, {self.installed} of them entered;"
            f" {self.starts} starts ({self.endless} endless, {self.stopped} stopped by polls): {ends};"
            f" {len(self.failures)} failures"
        )


def check_batch(bench: Workbench, programs: Sequence[Program], seed: str, report: Report) -> None:
    """Compiles programs and runs each from its states."""
    batch = bench.batch(programs)
    neighbours = Neighbours()
    for number, program in enumerate(programs):
        rng = random.Random(f"{seed} {program.offset}")
        for start in _starts(bench, batch, number, rng):
            failure = Runner(bench, batch, number, start, rng.getrandbits(32), neighbours).run(report)
            if failure is not None:
                report.failures.append(failure)
                break
    report.programs += len(programs)
    report.regions += batch.compiled
    stats = batch.optimised.stats
    report.installed += stats["regions"]
    assert stats["regions_refused"] == 0
    assert batch.baseline.stats["regions"] == 0


def _starts(bench: Workbench, batch: Batch, number: int, rng: random.Random) -> Iterator[Start]:
    program, stages = batch.programs[number], batch.stages[number]
    entries = list(stages.optimised) if stages else [CODE + entry for entry in program.entries]
    for k in range(STATES):
        entry = entries[k] if k < len(entries) else rng.choice(entries)
        poll = batch.optimised.poll_address if program.polls and k % 3 == 2 else None
        yield Start(entry, bench.subject.state(rng, program, poll), poll)


@dataclass(slots=True)
class Runner:
    """One program from one start."""

    bench: Workbench
    batch: Batch
    number: int
    start: Start
    seed: int
    neighbours: Neighbours
    path: dict[int, set[int]] = field(default_factory=dict[int, set[int]])  # hashes of states by address
    polled: dict[int, set[int]] = field(default_factory=dict[int, set[int]])  # after the poll word was written
    comes_back: bool = False  # to a state in which it has been: it never ends, and all its states are in `path`

    def run(self, report: Report) -> Failure | None:
        """Runs it in all ways; what differs first.

        A guest that does not end, or goes astray, is left out.
        """
        report.starts += 1
        try:
            expected = self.expect()
        except Endless:
            report.endless += 1
            return self._cut(report)
        if self._astray(expected):
            return None
        report.ends[expected.how] += 1
        for way, regions in self._functions():
            failure = self._interpreted(way, regions, expected)
            if failure is not None:
                return failure
        return self._hosted(expected, report)

    def _astray(self, end: End) -> bool:
        """Whether the guest got at this process's own memory, or runs data, which the engine here does not forbid."""
        if end.how == "bad fetch":
            return DATA <= end.pc < DATA + PAGE or self.neighbours.has(end.pc)
        return end.how == "fault" and isinstance(end.detail[0], int) and self.neighbours.has(end.detail[0])

    def expect(self) -> End:
        """How it ends, from instruction to instruction. Raises Endless."""
        return self._machine().run(self.start.pc, passing=self._pass)

    def _functions(self) -> Iterator[tuple[str, Mapping[int, Function]]]:
        stages = self.batch.stages[self.number]
        if stages is not None:
            yield "the lifted region", stages.lifted
            yield "the region after its passes", stages.optimised

    def _machine(self) -> Machine:
        return Machine(self.bench.decoder, self.bench.area.code, self.start, self.bench.subject.resuming)

    def _pass(self, pc: int, machine: Machine) -> None:
        now = machine.snapshot().digest()
        before = self.path.setdefault(pc, set())
        self.comes_back |= now in before
        before.add(now)
        if machine.memory.polled:
            self.polled.setdefault(pc, set()).add(now)

    def _failure(self, way: str, lines: Iterator[str] | Sequence[str]) -> Failure:
        return Failure(self.batch.programs[self.number], self.start, self.seed, way, tuple(lines))

    def _same(self, way: str, expected: End, found: End) -> Failure | None:
        if expected == found:
            return None
        return self._failure(way, differences(self.bench.subject.target.registers, expected, found))

    # --- on the interpreter ---

    def _interpreted(self, way: str, regions: Mapping[int, Function], expected: End) -> Failure | None:
        return self.region_run(way, regions, expected) or self._region_polled(way, regions, expected)

    def region_run(self, way: str, regions: Mapping[int, Function], expected: End) -> Failure | None:
        """With regions, to the end."""
        try:
            return self._same(way, expected, self._machine().run(self.start.pc, regions=regions))
        except Endless:
            return self._failure(way, ["does not end"])

    def _region_polled(self, way: str, regions: Mapping[int, Function], expected: End) -> Failure | None:
        """With regions that leave at random polls, and are entered again."""
        strange: list[str] = []
        rng = random.Random(self.seed)

        def left(pc: int, machine: Machine) -> None:
            if machine.snapshot().digest() not in self.path.get(pc, ()):
                strange.append(f"leaves at {pc:#x} in a state that is never there")

        def poll() -> bool:
            return rng.random() < _POLLED

        try:
            end = self._machine().run(self.start.pc, regions=regions, poll=poll, left=left)
        except Endless:
            return self._failure(f"{way}, polled", ["does not end"])
        if strange:
            return self._failure(f"{way}, polled", strange[:1])
        return self._same(f"{way}, polled", expected, end)

    # --- on the engine ---

    def _hosted(self, expected: End, report: Report) -> Failure | None:
        resuming = self.bench.subject.resuming
        if self.start.poll is not None:
            return self._stopped(expected, report)
        for way, host in (("baseline code", self.batch.baseline), ("the region's host code", self.batch.optimised)):
            failure = self._same(way, expected, host.run(self.start, resuming))
            if failure is not None:
                return failure
        return None

    def _stopped(self, expected: End, report: Report) -> Failure | None:
        """The guest writes its own poll word: the state that is shown is one after that, and leads to the same end."""
        way, host, resuming = "the region's host code, stopped", self.batch.optimised, self.bench.subject.resuming
        end = host.run(self.start, resuming, stop=True)
        if end.how == "interrupted":
            report.stopped += 1
            if end.state.digest() not in self.polled.get(end.pc, ()):
                return self._failure(way, [f"at {end.pc:#x} in a state that is never there"])
            end = host.go_on(resuming)
        return self._same(way, expected, end)

    def _cut(self, report: Report) -> Failure | None:
        """A loop without end that comes back to where it was: interrupted by a thread, it is somewhere in there."""
        if not self.comes_back or self.start.poll is not None:
            return None
        for way, host in (("baseline code", self.batch.baseline), ("the region's host code", self.batch.optimised)):
            end = host.interrupt_after(self.start, self.bench.subject.resuming, _MOMENT)
            if end.how != "interrupted" or end.state.digest() not in self.path.get(end.pc, ()):
                return self._failure(
                    f"{way}, interrupted", [f"{end.how} at {end.pc:#x} in a state that is never there"]
                )
            report.stopped += 1
        return None


def describe(bench: Workbench, failure: Failure) -> str:
    """A failure for people."""
    start = failure.start
    lines = [f"{failure.way}, entered at {start.pc:#x}:", listing(bench.subject, failure.program, CODE)]
    return "\n".join([*lines, *[f"    {line}" for line in failure.lines]])
