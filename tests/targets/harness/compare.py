"""Compares the interpreter's results with an emulator's, and reports coverage and mismatches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any, Generic, TextIO

from pyqemu.translator.adl.load import DescribedTarget
from tests.targets.harness.interpreter import Run
from tests.targets.harness.machine import CODE, PAGE, SIGSEGV, Architecture, Case, Result, S, run_cases

#: Cases that are sent to one emulator process.
BATCH = 2000
#: Of so many cases one may be left out.
LEFT_OUT_OF = 50
#: The emulator whose mistakes are known, and that cases are counted by.
QEMU = "QEMU"


@dataclass(frozen=True, slots=True)
class Oracle:
    """Words (`word & mask == value`) for which the emulator is known to differ, if `when` takes the state too; counted
    apart, but for those that differ only in the general register that `register` gives."""

    mask: int
    value: int
    reason: str
    when: Callable[[Any, int], bool] = lambda state, word: True
    register: Callable[[int], int] | None = None

    def covers(self, case: Case[Any]) -> bool:
        """Whether the case has such a word."""
        return any(word & self.mask == self.value and self.when(case.state, word) for word in case.words)


@dataclass(frozen=True)
class Mismatch(Generic[S]):
    case: Case[S]
    expected: Result[S]
    found: Result[S]


def _never(mismatch: Mismatch[Any]) -> bool:
    return False


@dataclass
class Report(Generic[S]):
    """Cases run, those of them that are not compared, and those that did not run to their end, by encoding; mismatches.

    `allowed` says of a mismatch whether only what may differ does.
    """

    target: DescribedTarget
    architecture: Architecture[S]
    oracle: tuple[Oracle, ...] = ()
    allowed: Callable[[Mismatch[S]], bool] = _never
    left_out: Counter[str] = field(default_factory=Counter[str])
    cases: Counter[str] = field(default_factory=Counter[str])
    faults: Counter[str] = field(default_factory=Counter[str])
    mismatches: list[Mismatch[S]] = field(default_factory=list[Mismatch[S]])

    def write(self, out: TextIO, show: int) -> None:
        """Coverage and the first mismatches of each encoding."""
        wrong = Counter(m.case.name for m in self.mismatches)
        for name, count in self.cases.items():
            print(
                f"{name}: {count} cases, {self.faults[name]} with a signal, {wrong[name]} mismatches",
                file=out,
            )
            for mismatch in [m for m in self.mismatches if m.case.name == name][:show]:
                print(self.describe(mismatch), file=out)
        total, wrong_total = self.cases.total(), len(self.mismatches)
        print(
            f"{total} cases, {wrong_total} mismatches, {self.left_out.total()} known mistakes of the emulator",
            file=out,
        )

    def check_left_out(self) -> None:
        """AssertionError if more than one case in LEFT_OUT_OF is left out."""
        assert self.left_out.total() * LEFT_OUT_OF <= self.cases.total(), self.left_out

    def compare(self, command: Sequence[str], cases: Iterable[tuple[Case[S], Run[S]]]) -> None:
        """Runs cases under `command` and adds what comes of it."""
        batch: list[tuple[Case[S], Run[S]]] = []
        for case in cases:
            batch.append(case)
            if len(batch) == BATCH:
                self._compare_batch(command, batch)
                batch = []
        if batch:
            self._compare_batch(command, batch)

    def _compare_batch(self, command: Sequence[str], batch: list[tuple[Case[S], Run[S]]]) -> None:
        results = run_cases(self.architecture, command, [case for case, _ in batch])
        for (case, run), found in zip(batch, results, strict=True):
            self.cases[case.name] += 1
            self.faults[case.name] += run.result.pc != CODE + len(self.architecture.code(case.words))
            expected = run.result
            if found is None:
                if not self._goes_astray(expected):
                    raise RuntimeError(f"{command[0]} ended at\n{self.describe_code(case)}")
                self.left_out[case.name] += 1
                continue
            ignored = self._ignored_x(case, run)
            if ignored is not None:
                expected, found = (_without_x(result, ignored) for result in (expected, found))
            if expected.signal == found.signal == SIGSEGV:  # one of several stores may have been made
                expected, found = (replace(r, changes=()) for r in (expected, found))
            if expected == found:
                continue
            mismatch = Mismatch(case, expected, found)
            if (
                self._met_by_chance(expected, found)
                or any(known.covers(case) for known in self.oracle)
                or self.allowed(mismatch)
            ):
                self.left_out[case.name] += 1
            else:
                self.mismatches.append(mismatch)

    def _ignored_x(self, case: Case[S], run: Run[S]) -> int | None:
        """The general register that cannot be compared, if there is one."""
        for known in self.oracle:
            if known.register is not None and known.covers(case):
                return known.register(case.words[-1])
        return run.ignored_x

    def _met_by_chance(self, expected: Result[S], found: Result[S]) -> bool:
        """Whether an access to a random address, which is to fault, may have met something of the emulated process's:
        that takes a noticeable part of 4 GiB.
        """
        return self.target.address_width == 32 and expected.signal == SIGSEGV and found.pc != expected.pc

    def _goes_astray(self, expected: Result[S]) -> bool:
        """Whether a case jumps to a random address, which may be one of the emulated process's own."""
        return self.target.address_width == 32 and expected.signal == SIGSEGV and not 0 <= expected.pc - CODE < PAGE

    def describe_code(self, case: Case[S]) -> str:
        """The case's code, and what it begins with."""
        lines, at = list[str](), CODE
        for word in case.words:
            lines.append(f"  {word:08x} {self.architecture.text(self.target, word, at)}")
            at += len(self.architecture.bytes_of(word))
        return "\n".join([*lines, f"    with {self.architecture.inputs(case)}"])

    def describe(self, mismatch: Mismatch[S]) -> str:
        """The case's code, and each part of the state that differs: before, expected, found."""
        case, expected, found = mismatch.case, mismatch.expected, mismatch.found
        lines = list[str]()
        for name in ("signal", "pc"):
            ours, theirs = getattr(expected, name), getattr(found, name)
            if ours != theirs:
                lines.append(f"    {name}: interpreter {ours:#x}, emulator {theirs:#x}")
        states = zip(*(_registers(s) for s in (case.state, expected.state, found.state)), strict=True)
        for (name, before), (_, ours), (_, theirs) in states:
            if ours != theirs:
                lines.append(f"    {name}: {before:#x} -> interpreter {ours:#x}, emulator {theirs:#x}")
        if expected.changes != found.changes:
            lines.append(f"    memory: interpreter {_memory(expected)}, emulator {_memory(found)}")
        return "\n".join([self.describe_code(case), *lines])


def agree(
    target: DescribedTarget,
    architecture: Architecture[S],
    emulators: Mapping[str, Sequence[str]],
    cases: Iterable[tuple[Case[S], Run[S]]],
    oracle: tuple[Oracle, ...] = (),
    allowed: Callable[[str, Mismatch[S]], bool] = lambda emulator, mismatch: False,
) -> Report[S]:
    """Runs the cases under each emulator (commands by name); QEMU's report. AssertionError if one disagrees."""
    made, reports = list(cases), dict[str, Report[S]]()
    assert made
    for name, command in emulators.items():
        report = Report(target, architecture, oracle if name == QEMU else (), partial(allowed, name))
        report.compare(command, made)
        print(f"{name}: {len(made)} cases, {len(report.mismatches)} mismatches, {report.left_out.total()} left out")
        shown = "\n".join(report.describe(mismatch) for mismatch in report.mismatches[:5])
        assert not report.mismatches, f"{name}: {len(report.mismatches)} of {len(made)}:\n{shown}"
        reports[name] = report
    return reports[QEMU]


def _without_x(result: Result[S], place: int) -> Result[S]:
    """Without a general register that is not comparable; those that are not in `x` are."""
    x = result.state.x
    if place >= len(x):
        return result
    return replace(result, state=replace(result.state, x=(*x[:place], 0, *x[place + 1 :])))


def _registers(state: Any) -> Iterator[tuple[str, int]]:
    for one in fields(state):
        value = getattr(state, one.name)
        if isinstance(value, tuple):
            yield from ((f"{one.name}{place}", element) for place, element in enumerate(value))
        else:
            yield one.name, value


def _memory(result: Result[Any]) -> str:
    return "{" + ", ".join(f"+{8 * index:#x}: {value:#x}" for index, value in result.changes) + "}"
