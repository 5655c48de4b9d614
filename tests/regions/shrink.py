"""Makes a failing program smaller, and finds the first stage that differs."""

from __future__ import annotations

from collections.abc import Sequence

from pyqemu.translator.ir.function import Function
from pyqemu.translator.passes.locations import SHADOW
from tests.regions.area import Neighbours
from tests.regions.check import Failure, Report, Runner
from tests.regions.programs import Program
from tests.regions.stepping import Endless
from tests.regions.workbench import Workbench


def shrunk(bench: Workbench, failure: Failure) -> Failure:
    """The failure of a program with as few instructions as it takes; in halves first, then one by one."""
    best, size = failure, max(len(failure.program.instructions) // 2, 1)
    while True:
        for chunk in _chunks(best.program.instructions, size):
            program = best.program.without(chunk, bench.subject.nops(best.program))
            found = _fails(bench, program, best) if program != best.program else None
            best = found or best
        if size == 1:
            return best if best.on_host else _first_stage(bench, best)
        size //= 2


def _first_stage(bench: Workbench, failure: Failure) -> Failure:
    """Says after which pass a region is wrong."""
    runner = _runner(bench, failure.program, failure)
    try:
        expected = runner.expect()
    except Endless:
        return failure
    for name, regions in bench.after_each_pass(failure.program):
        if any(_has_shadows(function) for function in regions.values()):
            continue  # between two passes: not a region yet that can be run
        found = runner.interpreted(f"the region {name}", regions, expected)
        if found is not None:
            return found
    return failure


def _has_shadows(function: Function) -> bool:
    """Whether it keeps values in places that are no registers (passes/locations.py)."""
    return any(str(op.attrs.get("reg", "")).startswith(SHADOW) for block in function.blocks for op in block.ops)


def _fails(bench: Workbench, program: Program, failure: Failure) -> Failure | None:
    """How a smaller program fails from the same start, if the region can still be entered there."""
    runner = _runner(bench, program, failure)
    if runner.stages is None or runner.start.pc not in runner.stages.optimised:
        return None
    return runner.run(Report())


def _runner(bench: Workbench, program: Program, failure: Failure) -> Runner:
    """A runner from the same start, but for the poll word's place. What is wrong on the interpreter needs no engine."""
    bench.put([program])
    hosts = bench.compile([program]) if failure.on_host else None
    start = failure.start.polling(hosts.optimised.poll_address) if hosts is not None else failure.start
    return Runner(bench, program, bench.stages(program), hosts, start, failure.seed, Neighbours())


def _chunks(instructions: Sequence[tuple[int, int]], size: int) -> list[Sequence[tuple[int, int]]]:
    return [instructions[k : k + size] for k in range(0, len(instructions), size)]
