"""Compiles plans in worker processes, each of which opens a workshop of its own once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from pyqemu.hostgen.region_object import CompiledRegion
from pyqemu.tools.workshop import LeftOut, Workshop, settle_memory
from pyqemu.translator.lift.instructions import Reader
from pyqemu.translator.lift.module import Module
from pyqemu.translator.lift.plan import RegionPlan

#: Plans of one job: enough that LLVM's start does not count, few enough that all workers end together.
_BATCH = 24


@dataclass(frozen=True, slots=True)
class Task:
    """What all jobs have in common."""

    target: Path
    level: str
    module: Module
    context: Mapping[str, int]


@dataclass(slots=True)
class _Worker:
    """A worker process's workshop, and its reader, which remembers what it has decoded."""

    workshop: Workshop
    reader: Reader


_worker: _Worker | None = None


def _enter(task: Task) -> None:
    """Begins a worker process. What a terminal's user interrupts is the parent, and with it this ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
    _start(task)


def _start(task: Task) -> None:
    global _worker
    os.nice(5)
    workshop = Workshop.open(task.target, task.level)
    settle_memory()
    _worker = _Worker(workshop, workshop.reader(task.module, task.context))


def _run(plans: Sequence[RegionPlan]) -> tuple[list[CompiledRegion], list[LeftOut]]:
    assert _worker is not None
    return _worker.workshop.compile(_worker.reader, plans)


def compile_all(
    task: Task, plans: Sequence[RegionPlan], jobs: int
) -> Iterator[tuple[int, list[CompiledRegion], list[LeftOut]]]:
    """For each batch the number of its plans, its regions, and what was left out; in order.

    Raises BrokenProcessPool if a process was killed.
    """
    batches = [plans[i : i + _BATCH] for i in range(0, len(plans), _BATCH)]
    if jobs <= 1:
        _start(task)
        for batch in batches:
            yield len(batch), *_run(batch)
        return
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _enter, (task,))
    try:
        for batch, result in zip(batches, pool.map(_run, batches), strict=True):
            yield len(batch), *result
    finally:
        pool.shutdown(cancel_futures=True)
