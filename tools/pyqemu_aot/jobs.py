"""Compiles plans in worker processes, each of which opens a workshop of its own once."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
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
#: Batches for each process that are waiting for it or done: enough that none is idle while the first one takes long.
_AHEAD = 6

_Result = tuple[list[CompiledRegion], list[LeftOut]]
Run = Callable[[Sequence[RegionPlan]], _Result]


@dataclass(frozen=True, slots=True)
class Task:
    """What all jobs have in common."""

    target: Path
    level: str
    module: Module


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
    global _worker
    os.nice(5)
    workshop = Workshop.open(task.target, task.level)
    settle_memory()
    _worker = _Worker(workshop, workshop.reader(task.module, {v.name: 0 for v in workshop.target.context}))


def _run(plans: Sequence[RegionPlan]) -> _Result:
    assert _worker is not None
    return _worker.workshop.compile(_worker.reader, plans)


def compile_all(
    task: Task, plans: Sequence[RegionPlan], jobs: int, run: Run = _run
) -> Iterator[tuple[int, list[CompiledRegion], list[LeftOut]]]:
    """For each batch the number of its plans, its regions, and what was left out; in order.

    If a process dies, of a plan (LLVM aborts where it cannot go on) or of the system's want of memory, what was in work
    is done again with care, and plans that a process dies of by themselves are left out. `run` is for tests. Raises
    BrokenProcessPool if processes die before there is any work.
    """
    batches = deque(plans[i : i + _BATCH] for i in range(0, len(plans), _BATCH))
    while batches:
        submitted: deque[tuple[Sequence[RegionPlan], Future[_Result]]] = deque()
        with _pool(task, jobs) as pool, contextlib.suppress(BrokenProcessPool):
            while batches or submitted:
                while batches and len(submitted) < _AHEAD * jobs:
                    submitted.append((batches[0], pool.submit(run, batches[0])))
                    batches.popleft()
                batch, future = submitted[0]
                result = future.result()
                submitted.popleft()
                yield len(batch), *result
        for batch, future in submitted:
            yield len(batch), *(_carefully(task, batch, run) if future.exception() else future.result())


def _carefully(task: Task, plans: Sequence[RegionPlan], run: Run) -> _Result:
    """In a process of its own; what that dies of, in halves."""
    with _pool(task, 1) as pool:
        try:
            return pool.submit(run, plans).result()
        except BrokenProcessPool:
            if len(plans) == 1:
                return [], [LeftOut(plans[0].name, "the process that compiled it died")]
    middle = len(plans) // 2
    (made, left_out), (more, more_left_out) = (_carefully(task, p, run) for p in (plans[:middle], plans[middle:]))
    return made + more, left_out + more_left_out


@contextlib.contextmanager
def _pool(task: Task, jobs: int) -> Generator[ProcessPoolExecutor]:
    """Processes that are ready to work."""
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _enter, (task,))
    try:
        pool.submit(os.getpid).result()
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
