"""Planted mistakes: random regions find them, name the stage, and make the program small."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from pyqemu.hostgen.hosts import x86_64
from pyqemu.translator.ir.function import Function, Op
from pyqemu.translator.ir.ops import Effect
from pyqemu.translator.lift.region import Region
from pyqemu.translator.passes import region_pipeline as correct
from pyqemu.translator.passes.rewrite import Pass
from pyqemu.translator.target import Register
from tests.regions.check import Report
from tests.regions.programs import listing
from tests.regions.run import check
from tests.regions.shrink import shrunk
from tests.regions.workbench import Workbench

PROGRAMS = 16


@dataclass(frozen=True, slots=True)
class ForgetWrite:
    """Leaves out the last write before each end of a region."""

    def run(self, function: Function) -> bool:
        """See Pass."""
        ends = [b for b in function.blocks if b.terminator.spec.effects & Effect.LEAVES and len(b.ops) > 1]
        for block in ends:
            if block.ops[-2].name == "write":
                del block.ops[-2]
        return bool(ends)


@dataclass(frozen=True, slots=True)
class ForgetShown:
    """Leaves out the last register that a fault shows."""

    def run(self, function: Function) -> bool:
        """See Pass."""
        for point in _points(function):
            point.operands = point.operands[:-1]
            point.attrs = {**point.attrs, "state": point.attrs["state"][:-1]}
        return True


@dataclass(frozen=True, slots=True)
class ForgetPollsState:
    """Leaves everything out that is written before a region leaves for a poll."""

    def run(self, function: Function) -> bool:
        """See Pass."""
        for block in function.blocks:
            if block.terminator.name == "leave":
                block.ops = [op for op in block.ops if op.name != "write"]
        return True


def _points(function: Function) -> list[Op]:
    return [op for block in function.blocks for op in block.ops if op.name == "at" and op.operands]


def plant(monkeypatch: pytest.MonkeyPatch, place: str, mistake: Pass) -> None:
    """Appends a mistake to the passes that module `place` runs."""

    def pipeline(region: Region, registers: Sequence[Register]) -> tuple[Pass, ...]:
        return (*correct.region_pipeline(region, registers), mistake)

    monkeypatch.setattr(f"{place}.region_pipeline", pipeline)


@pytest.fixture
def bench(benches: Callable[[str], Workbench]) -> Workbench:
    """A workbench for the best level."""
    return benches(max(x86_64.supported_levels()))


def run(bench: Workbench, *, on_host: bool) -> Report:
    """A few programs, some of which have to fail."""
    report = check(bench, 1, PROGRAMS, on_host=on_host)
    assert report.failures
    return report


@pytest.mark.parametrize("mistake", [ForgetWrite(), ForgetShown()])
def test_a_wrong_pass_is_named(bench: Workbench, monkeypatch: pytest.MonkeyPatch, mistake: Pass) -> None:
    plant(monkeypatch, "tests.regions.workbench", mistake)
    failure = run(bench, on_host=False).failures[0]
    assert failure.way.startswith("the region after its passes")
    small = shrunk(bench, failure)
    assert small.way == f"the region after {mistake}"
    assert len(listing(bench.subject, small.program, 0).splitlines()) <= 4 + len(small.program.entries)


def test_state_that_a_poll_shows(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, "tests.regions.workbench", ForgetPollsState())
    assert all(failure.way.endswith("polled") for failure in run(bench, on_host=False).failures)


def test_wrong_host_code(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is compiled is wrong. (A fault ends a run; other mistakes can make loops endless, which takes long.)"""
    plant(monkeypatch, "pyqemu.tools.workshop", ForgetShown())
    assert all(failure.way.startswith("the region's host code") for failure in run(bench, on_host=True).failures)
