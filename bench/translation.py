"""What the baseline translator costs: its own clock, on programs that start and end."""

from __future__ import annotations

import re
import statistics
import subprocess

from bench.rows import CPU, guest_busybox
from tests.paths import pyqemu_user

PROGRAMS = (("sh", "-c", "echo hi | cat"), ("awk", "BEGIN { print 2 / 3 }"))
STATS = re.compile(
    rb"stats: (\d+) blocks, (\d+) guest instructions, \d+ guest bytes, (\d+) host bytes, .* (\d+) ns translating"
)


def translation_cost(rounds: int) -> dict[str, float]:
    """Nanoseconds a guest instruction: the median of the runs, page faults, block table and chaining included."""
    costs: list[float] = []
    blocks = instructions = host_bytes = 0
    for _ in range(max(rounds, 5)):
        total_ns = blocks = instructions = host_bytes = 0
        for program in PROGRAMS:
            command = [pyqemu_user(), "-cpu", CPU, "-d", "stats", guest_busybox(), *program]
            done = subprocess.run(command, capture_output=True, check=True)
            for found in STATS.finditer(done.stderr):
                blocks += int(found[1])
                instructions += int(found[2])
                host_bytes += int(found[3])
                total_ns += int(found[4])
        costs.append(total_ns / instructions)
    ns = statistics.median(costs)
    return {"ns": ns, "blocks": blocks, "instructions": instructions, "host_bytes": host_bytes}
