"""Compares the interpreter's results with an emulator's, and reports coverage and mismatches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TextIO

from pyqemu.translator.adl.load import DescribedTarget
from tests.targets.aarch64.harness.interpreter import Run
from tests.targets.aarch64.harness.machine import CODE, SIGSEGV, Case, Result, State, run_cases
from tests.targets.aarch64.harness.text import our_text

#: Cases that are sent to one emulator process.
BATCH = 2000


@dataclass(frozen=True, slots=True)
class Oracle:
    """Words (`word & mask == value`) for which the emulator is known to differ, if `when` takes the state too; counted
    apart."""

    mask: int
    value: int
    reason: str
    when: Callable[[State, int], bool] = lambda state, word: True

    def covers(self, case: Case) -> bool:
        """Whether the case has such a word."""
        return any(word & self.mask == self.value and self.when(case.state, word) for word in case.words)


@dataclass(frozen=True, slots=True)
class Mismatch:
    case: Case
    expected: Result
    found: Result


@dataclass(slots=True)
class Report:
    """Cases run, and those that did not run to their end, by encoding; mismatches."""

    target: DescribedTarget
    oracle: tuple[Oracle, ...] = ()
    left_out: int = 0
    cases: Counter[str] = field(default_factory=Counter[str])
    faults: Counter[str] = field(default_factory=Counter[str])
    mismatches: list[Mismatch] = field(default_factory=list[Mismatch])

    def write(self, out: TextIO, show: int) -> None:
        """Coverage and the first mismatches of each encoding."""
        wrong = Counter(m.case.name for m in self.mismatches)
        for name, count in self.cases.items():
            print(
                f"{name}: {count} cases, {self.faults[name]} with a signal, {wrong[name]} mismatches",
                file=out,
            )
            for mismatch in [m for m in self.mismatches if m.case.name == name][:show]:
                print(describe(self.target, mismatch), file=out)
        total, wrong_total = self.cases.total(), len(self.mismatches)
        print(
            f"{total} cases, {wrong_total} mismatches, {self.left_out} known mistakes of the emulator",
            file=out,
        )


def compare_cases(report: Report, command: Sequence[str], cases: Iterable[tuple[Case, Run]]) -> None:
    """Runs cases under `command` and adds to the report."""
    batch: list[tuple[Case, Run]] = []
    for case in cases:
        batch.append(case)
        if len(batch) == BATCH:
            _compare_batch(report, command, batch)
            batch = []
    if batch:
        _compare_batch(report, command, batch)


def _compare_batch(report: Report, command: Sequence[str], batch: list[tuple[Case, Run]]) -> None:
    results = run_cases(command, [case for case, _ in batch])
    for (case, run), result in zip(batch, results, strict=True):
        report.cases[case.name] += 1
        report.faults[case.name] += run.result.pc != CODE + 4 * len(case.words)
        expected, found = (r.cleared(x=run.ignored_x) for r in (run.result, result))
        if expected.signal == found.signal == SIGSEGV:  # one of several stores may have been made
            expected, found = (replace(r, changes=()) for r in (expected, found))
        if expected == found:
            continue
        if any(known.covers(case) for known in report.oracle):
            report.left_out += 1
        else:
            report.mismatches.append(Mismatch(case, expected, found))


def describe(target: DescribedTarget, mismatch: Mismatch) -> str:
    """The case's code, and each part of the state that differs: before, expected, found."""
    case, expected, found = mismatch.case, mismatch.expected, mismatch.found
    lines = [f"  {word:08x} {our_text(target, word, CODE + 4 * k)[1]}" for k, word in enumerate(case.words)]
    for name in ("signal", "pc"):
        ours, theirs = getattr(expected, name), getattr(found, name)
        if ours != theirs:
            lines.append(f"    {name}: interpreter {ours:#x}, emulator {theirs:#x}")
    for name in ("sp", "nzcv", "fpcr", "fpsr", "tpidr"):
        before, ours, theirs = (getattr(s, name) for s in (case.state, expected.state, found.state))
        if ours != theirs:
            lines.append(f"    {name}: {before:#x} -> interpreter {ours:#x}, emulator {theirs:#x}")
    for name in ("x", "v"):
        states = zip(*(getattr(s, name) for s in (case.state, expected.state, found.state)), strict=True)
        for place, (before, ours, theirs) in enumerate(states):
            if ours != theirs:
                lines.append(f"    {name}{place}: {before:#x} -> interpreter {ours:#x}, emulator {theirs:#x}")
    if expected.changes != found.changes:
        lines.append(f"    memory: interpreter {_memory(expected)}, emulator {_memory(found)}")
    inputs = ", ".join(f"x{k}={value:#x}" for k, value in enumerate(case.state.x) if _is_used(case, k))
    return "\n".join([*lines, f"    with {inputs}, sp={case.state.sp:#x}, nzcv={case.state.nzcv >> 28:04b}"])


def _memory(result: Result) -> str:
    return "{" + ", ".join(f"+{8 * index:#x}: {value:#x}" for index, value in result.changes) + "}"


def _is_used(case: Case, register: int) -> bool:
    return any(
        register in (word & 31, word >> 5 & 31, word >> 10 & 31, word >> 16 & 31) for word in case.words
    )
