"""What the baseline translator costs: its own clock, on programs that start and end."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import tempfile
from collections.abc import Mapping

from tests.guests.architectures import Architecture
from tests.paths import pyqemu_user

PROGRAMS = (("sh", "-c", "echo hi | cat"), ("awk", "BEGIN { print 2 / 3 }"))
STATS = re.compile(
    rb"stats: (\d+) blocks, (\d+) guest instructions, \d+ guest bytes, (\d+) host bytes, .* (\d+) ns translating"
)


#: By name: baseline code alone, as in the rows, and baseline code that counts how often its blocks are entered, with no
#: worker to answer.
WAYS = {"ns": {"PYQEMU_JIT": "off"}, "counted_ns": {"PYQEMU_WORKER": "/bin/true"}}


def translation_cost(guest: Architecture, rounds: int) -> dict[str, float]:
    """Nanoseconds a guest instruction, page faults, block table and chaining included: medians of runs made in turn."""
    costs: dict[str, list[float]] = {name: [] for name in WAYS}
    sums: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as cache:
        for _ in range(3 * max(rounds, 5)):
            for name, environment in WAYS.items():
                sums = _run(guest, environment | {"PYQEMU_CACHE": cache})
                costs[name].append(sums.pop("ns") / sums["instructions"])
    return {name: statistics.median(found) for name, found in costs.items()} | sums


def _run(guest: Architecture, environment: Mapping[str, str]) -> dict[str, int]:
    """Sums over the processes of all programs."""
    sums = dict.fromkeys(("blocks", "instructions", "host_bytes", "ns"), 0)
    for program in PROGRAMS:
        command = [pyqemu_user(), "-cpu", guest.cpu, "-d", "stats", guest.busybox(), *program]
        done = subprocess.run(command, capture_output=True, check=True, env={**os.environ, **environment})
        for found in STATS.finditer(done.stderr):
            for name, figure in zip(sums, found.groups(), strict=True):
                sums[name] += int(figure)
    return sums
