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
from tests.regions.hosted import Host
from tests.regions.programs import Program, listing
from tests.regions.states import End, Start, differences
from tests.regions.stepping import Endless, Machine
from tests.regions.workbench import Hosts, Stages, Workbench

STATES = 10  # of each program, that end
_MOST_STATES = 16  # if some do not
#: How often a region on the interpreter is asked to leave where it polls.
_POLLED = 0.2
_NO_POLL = 0x7000  # the address of a poll word that no CPU looks at
_MOMENT = 0.002  # seconds until another thread interrupts


@dataclass(frozen=True, slots=True)
class Failure:
    """The first way to run a program from `start` that went wrong, and how. `seed`: of polls on the interpreter."""

    program: Program
    start: Start
    seed: int
    on_host: bool
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


def check_batch(
    bench: Workbench, programs: Sequence[Program], seed: str, report: Report, *, on_host: bool = True
) -> None:
    """Compiles programs and runs each from its states; if not `on_host`, on the interpreter only."""
    bench.put(programs)
    hosts = bench.compile(programs) if on_host else None
    neighbours = Neighbours()
    for program in programs:
        stages = bench.stages(program)
        rng = random.Random(f"{seed} {program.offset}")
        wanted = report.ends.total() + STATES
        for start in _starts(bench, program, stages, hosts, rng):
            if report.ends.total() == wanted:
                break
            failure = Runner(bench, program, stages, hosts, start, rng.getrandbits(32), neighbours).run(report)
            if failure is not None:
                report.failures.append(failure)
                break
    report.programs += len(programs)
    if hosts is None:
        return
    report.regions += hosts.compiled
    stats = hosts.optimised.stats
    report.installed += stats["regions"]
    assert stats["regions_refused"] == 0
    assert hosts.baseline.stats["regions"] == 0


def _starts(
    bench: Workbench, program: Program, stages: Stages | None, hosts: Hosts | None, rng: random.Random
) -> Iterator[Start]:
    entries = list(stages.optimised) if stages else [CODE + entry for entry in program.entries]
    poll_address = hosts.optimised.poll_address if hosts is not None else _NO_POLL
    reached = poll_address >> bench.subject.target.address_width == 0  # by a guest's store
    for k in range(_MOST_STATES):
        entry = entries[k] if k < len(entries) else rng.choice(entries)
        poll = poll_address if program.polls and reached and k % 3 == 2 else None
        yield Start(entry, bench.subject.state(rng, program, poll), poll)


@dataclass(slots=True)
class Runner:
    """One program from one start; without `hosts` on the interpreter only."""

    bench: Workbench
    program: Program
    stages: Stages | None
    hosts: Hosts | None
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
            return self._cut(self.hosts, report) if self.hosts is not None else None
        if self._astray(expected):
            return None
        report.ends[expected.how] += 1
        for way, regions in self._functions():
            failure = self.interpreted(way, regions, expected)
            if failure is not None:
                return failure
        return self._hosted(self.hosts, expected, report) if self.hosts is not None else None

    def expected(self) -> End | None:
        """How it ends, from instruction to instruction; None if it does not, or goes astray."""
        try:
            end = self.expect()
        except Endless:
            return None
        return None if self._astray(end) else end

    def _astray(self, end: End) -> bool:
        """Whether the guest got at this process's own memory, or runs data, which the engine here does not forbid."""
        if end.how == "bad fetch":
            return DATA <= end.pc < DATA + PAGE or self.neighbours.has(end.pc)
        return end.how == "fault" and isinstance(end.detail[0], int) and self.neighbours.has(end.detail[0])

    def expect(self) -> End:
        """How it ends, from instruction to instruction. Raises Endless."""
        return self._machine().run(self.start.pc, passing=self._pass)

    def _functions(self) -> Iterator[tuple[str, Mapping[int, Function]]]:
        if self.stages is not None:
            yield "the lifted region", self.stages.lifted
            yield "the region after its passes", self.stages.optimised

    def _machine(self) -> Machine:
        subject = self.bench.subject
        return Machine(self.bench.decoder, self.bench.area.code, self.start, subject.resuming, self.program.context)

    def _pass(self, pc: int, machine: Machine) -> None:
        now = machine.snapshot().digest()
        before = self.path.setdefault(pc, set())
        if now in before:  # all that would follow is known
            self.comes_back = True
            raise Endless
        before.add(now)
        if machine.memory.polled:
            self.polled.setdefault(pc, set()).add(now)

    def _failure(self, way: str, lines: Iterator[str] | Sequence[str], *, on_host: bool = False) -> Failure:
        return Failure(self.program, self.start, self.seed, on_host, way, tuple(lines))

    def _same(self, way: str, expected: End, found: End, *, on_host: bool = False) -> Failure | None:
        if expected == found:
            return None
        lines = differences(self.bench.subject.target.registers, expected, found)
        return self._failure(way, lines, on_host=on_host)

    # --- on the interpreter ---

    def interpreted(self, way: str, regions: Mapping[int, Function], expected: End) -> Failure | None:
        """With functions as regions, to the end, and from poll to poll."""
        return self._region_run(way, regions, expected) or self._region_polled(way, regions, expected)

    def _region_run(self, way: str, regions: Mapping[int, Function], expected: End) -> Failure | None:
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

    def _hosted(self, hosts: Hosts, expected: End, report: Report) -> Failure | None:
        resuming = self.bench.subject.resuming
        if self.start.poll is not None:
            return self._stopped(hosts.optimised, expected, report)
        for way, host in _ways(hosts):
            failure = self._same(way, expected, host.run(self.start, resuming), on_host=True)
            if failure is not None:
                return failure
        return None

    def _stopped(self, host: Host, expected: End, report: Report) -> Failure | None:
        """The guest writes its own poll word: the state that is shown is one after that, and leads to the same end."""
        way, resuming = "the region's host code, stopped", self.bench.subject.resuming
        end = host.run(self.start, resuming, stop=True)
        if end.how == "interrupted":
            report.stopped += 1
            if end.state.digest() not in self.polled.get(end.pc, ()):
                return self._failure(way, [f"at {end.pc:#x} in a state that is never there"], on_host=True)
            end = host.go_on(resuming)
        return self._same(way, expected, end, on_host=True)

    def _cut(self, hosts: Hosts, report: Report) -> Failure | None:
        """A loop without end that comes back to where it was: interrupted by a thread, it is somewhere in there."""
        if not self.comes_back or self.start.poll is not None:
            return None
        for way, host in _ways(hosts):
            end = host.interrupt_after(self.start, self.bench.subject.resuming, _MOMENT)
            if end.how != "interrupted" or end.state.digest() not in self.path.get(end.pc, ()):
                lines = [f"{end.how} at {end.pc:#x} in a state that is never there"]
                return self._failure(f"{way}, interrupted", lines, on_host=True)
            report.stopped += 1
        return None


def _ways(hosts: Hosts) -> Iterator[tuple[str, Host]]:
    yield "baseline code", hosts.baseline
    yield "the region's host code", hosts.optimised


def describe(bench: Workbench, failure: Failure) -> str:
    """A failure for people."""
    start = failure.start
    lines = [f"{failure.way}, entered at {start.pc:#x}:", listing(bench.subject, failure.program, CODE)]
    return "\n".join([*lines, *[f"    {line}" for line in failure.lines]])
