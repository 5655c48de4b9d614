"""Processes of pyqemu-aot that die: of what they compile, by somebody's hand, or before they have begun."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from pyqemu.hostgen.region_object import CompiledRegion
from pyqemu.tools.installed import pack_for
from pyqemu.tools.pyqemu_aot import jobs
from pyqemu.tools.pyqemu_aot.jobs import Task, compile_all
from pyqemu.tools.workshop import LeftOut, Workshop
from pyqemu.translator.lift.module import read_module
from pyqemu.translator.lift.plan import RegionPlan, plan_program
from pyqemu.translator.program.discover import discover
from pyqemu.translator.program.elf import read_elf
from pyqemu.translator.program.flow import FlowReader

SIEVE = Path(__file__).parents[2] / "examples/aarch64/sieve"


@pytest.fixture(scope="module")
def work() -> tuple[Task, list[RegionPlan]]:
    """What pyqemu-aot has to do for an example."""
    data = SIEVE.read_bytes()
    image, module = read_elf(data), read_module(data)
    pack = pack_for(image.machine, image.word_bytes)
    target = Workshop.open(pack.target, pack.level).target
    program = discover(image, FlowReader(target, pack.resuming, pack.marked))
    task = Task(pack.target, pack.level, module)
    return task, list(plan_program(program, module.base))


def compiled(task: Task, plans: Sequence[RegionPlan], run: jobs.Run) -> tuple[list[CompiledRegion], list[LeftOut]]:
    """All regions, and what was left out."""
    made, left_out = list[CompiledRegion](), list[LeftOut]()
    for _, some, out in compile_all(task, plans, 2, run):
        made += some
        left_out += out
    return made, left_out


def dying_of(deadly: str, plans: Sequence[RegionPlan]) -> tuple[list[CompiledRegion], list[LeftOut]]:
    """Ends the process as LLVM does where it cannot go on."""
    if any(plan.name == deadly for plan in plans):
        os.abort()
    return jobs._run(plans)  # pyright: ignore[reportPrivateUsage]


def dying_once(mark: Path, plans: Sequence[RegionPlan]) -> tuple[list[CompiledRegion], list[LeftOut]]:
    """Ends the first process that has work, as the system does when it has no memory left."""
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return jobs._run(plans)  # pyright: ignore[reportPrivateUsage]
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def test_deadly_plan(work: tuple[Task, list[RegionPlan]]) -> None:
    """It alone is left out."""
    task, plans = work
    deadly = plans[len(plans) // 2].name
    made, left_out = compiled(task, plans, partial(dying_of, deadly))
    assert [(item.name, "died" in item.why) for item in left_out if item.name == deadly] == [(deadly, True)]
    assert sorted(r.name for r in made) == sorted(p.name for p in plans if p.name not in {i.name for i in left_out})


def test_process_killed_once(work: tuple[Task, list[RegionPlan]], tmp_path: Path) -> None:
    """Its work is done again."""
    task, plans = work
    made, left_out = compiled(task, plans, partial(dying_once, tmp_path / "mark"))
    expected, never = compiled(task, plans, jobs._run)  # pyright: ignore[reportPrivateUsage]
    assert [(r.name, r.code) for r in made] == [(r.name, r.code) for r in expected]
    assert left_out == never


def test_processes_that_cannot_begin(work: tuple[Task, list[RegionPlan]], tmp_path: Path) -> None:
    """That is said, not tried for each plan."""
    task, plans = work
    with pytest.raises(BrokenProcessPool):
        compiled(replace(task, target=tmp_path / "nothing"), plans, jobs._run)  # pyright: ignore[reportPrivateUsage]
