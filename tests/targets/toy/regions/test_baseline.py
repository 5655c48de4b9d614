"""Baseline code of the toy architecture in blocks of all sizes: guards, and contexts that change."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from pyqemu.hostgen.hosts import x86_64
from tests.regions.area import CODE, Neighbours
from tests.regions.check import Runner
from tests.regions.hosted import Host
from tests.regions.programs import SLOT, Program, listing
from tests.regions.states import Start, differences
from tests.regions.workbench import Workbench
from tests.targets.toy.regions.subject import Toy

PROGRAMS, STATES = 32, 6
#: How much more often instructions are there than in other tests.
_WEIGHTS = {"IF": 8, "COMPARE_if": 8}
_GUARDED = 4


@pytest.fixture
def bench(benches: Callable[[str], Workbench]) -> Workbench:
    """A workbench for the best level, with more guards and changes of context."""
    bench = benches(max(x86_64.supported_levels()))
    bench.subject = subject = Toy(bench.subject.target)
    subject.prefer(_WEIGHTS, _GUARDED)
    return bench


@pytest.mark.parametrize("longest", [1, 2, 3, 64])
def test_blocks_of_all_sizes(bench: Workbench, longest: int) -> None:
    """What is skipped, raised, and shown by a fault is the same wherever a block ends."""
    rng = random.Random(f"baseline {longest}")
    programs = [bench.subject.program(rng, SLOT * place) for place in range(PROGRAMS)]
    bench.put(programs)
    host, neighbours = bench.host(longest=longest), Neighbours()
    ran = sum(_runs(bench, program, host, rng, neighbours) for program in programs)
    assert ran > 3 * PROGRAMS


def _runs(bench: Workbench, program: Program, host: Host, rng: random.Random, neighbours: Neighbours) -> int:
    ran = 0
    for _ in range(STATES):
        start = Start(CODE + rng.choice(program.entries), bench.subject.state(rng, program, None))
        expected = Runner(bench, program, None, None, start, 0, neighbours).expected()
        if expected is None:
            continue
        found = host.run(start, bench.subject.resuming)
        lines = differences(bench.subject.target.registers, expected, found)
        assert found == expected, "\n".join([f"from {start.pc:#x}", listing(bench.subject, program, CODE), *lines])
        ran += 1
    return ran


def test_a_jump_to_the_last_address(bench: Workbench) -> None:
    """Empty entries of the jump cache are no targets."""
    context = {variable.name: 0 for variable in bench.subject.target.context}
    program = Program(0, bytes.fromhex("2b010000"), ((0, 4),), ((0, 4),), (0,), context)  # jump r1
    bench.put([program])
    state = bench.subject.state(random.Random(1), program, None)
    general = (state.registers[0][0], (1 << 64) - 1, *state.registers[0][2:])
    start = Start(CODE, replace(state, registers=(general, *state.registers[1:])))
    end = bench.host().run(start, {})
    assert (end.how, end.pc) == ("bad fetch", (1 << 64) - 1)
