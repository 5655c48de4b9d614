"""Makes a failing program smaller, and finds the first stage that differs."""

from __future__ import annotations

from collections.abc import Sequence

from tests.regions.area import Neighbours
from tests.regions.check import Failure, Report, Runner
from tests.regions.programs import Program
from tests.regions.states import Start
from tests.regions.stepping import Endless
from tests.regions.workbench import Batch, Workbench


def shrunk(bench: Workbench, failure: Failure) -> Failure:
    """The failure of a program with as few instructions as it takes; in halves first, then one by one."""
    best, size = failure, max(len(failure.program.instructions) // 2, 1)
    while True:
        for chunk in _chunks(best.program.instructions, size):
            program = best.program.without(chunk, bench.subject.nops)
            found = _fails(bench, program, best.start, best.seed) if program != best.program else None
            best = found or best
        if size == 1:
            return first_stage(bench, best)
        size //= 2


def first_stage(bench: Workbench, failure: Failure) -> Failure:
    """Says after which pass a region is wrong, if the interpreter finds it so."""
    runner = _runner(bench, bench.batch([failure.program]), failure.start, failure.seed)
    try:
        expected = runner.expect()
    except Endless:
        return failure
    for name, regions in bench.after_each_pass(failure.program):
        found = runner.region_run(f"the region {name}", regions, expected)
        if found is not None:
            return found
    return failure


def _fails(bench: Workbench, program: Program, start: Start, seed: int) -> Failure | None:
    batch = bench.batch([program])
    stage = batch.stages[0]
    if stage is None or start.pc not in stage.optimised:
        return None
    return _runner(bench, batch, start, seed).run(Report())


def _runner(bench: Workbench, batch: Batch, start: Start, seed: int) -> Runner:
    """A runner from the same start; a poll word is that of the batch's own CPU."""
    return Runner(bench, batch, 0, start.polling(batch.optimised.poll_address), seed, Neighbours())


def _chunks(all_: Sequence[tuple[int, int]], size: int) -> list[Sequence[tuple[int, int]]]:
    return [all_[k : k + size] for k in range(0, len(all_), size)]
