"""A fair part of all ways in which guests can run (ways.py): the same output, and code that is really optimised."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.guests import debian
from tests.guests.ways import WAYS, Way, start_worker, translate
from tests.paths import pyqemu_user

#: Calls, loops, flags, floating point, system calls, and a fault whose handler looks at the registers.
PROGRAM = r"""
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <string.h>
static sigjmp_buf back;
static void handler(int number) { siglongjmp(back, number); }
static int fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
int main(void) {
  static int values[4000];
  double sum = 0;
  unsigned state = 1, faults = 0;
  signal(SIGSEGV, handler);
  for (int round = 0; round < 30; ++round) {
    for (int i = 0; i < 4000; ++i) values[i] = (int)((state = state * 1103515245 + 12345) >> 8 & 0xffff);
    qsort(values, 4000, sizeof *values, compare);
    for (int i = 1; i < 4000; ++i) sum += values[i - 1] / (1.0 + values[i]);
    if (sigsetjmp(back, 1)) ++faults;
    else for (volatile char *p = (char *)values;; p += 4096) *p = 0; /* until it faults */
  }
  printf("%d %.6f %u %zu\n", fibonacci(20), sum, faults, strlen("done"));
  return 0;
}
"""
COUNT = re.compile(rb"count: (\d+) guest instructions retired in baseline code, (\d+) regions installed")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, compiled."""
    place = tmp_path_factory.mktemp("ways")
    (place / "program.c").write_text(PROGRAM)
    command = ["aarch64-linux-gnu-gcc", "-O2", "-static", place / "program.c", "-o", place / "program"]
    subprocess.run(command, check=True)
    return place / "program"


def run(program: Path, environment: dict[str, str]) -> tuple[bytes, int, int]:
    """Output, instructions retired in baseline code, regions installed."""
    command = [pyqemu_user(), "-cpu", "cortex-a57", "-d", "count", program]
    done = subprocess.run(command, capture_output=True, check=True, env=os.environ | environment, timeout=300)
    found = COUNT.search(done.stderr)
    assert found, done.stderr
    return done.stdout, int(found[1]), int(found[2])


@pytest.mark.guest
def test_optimised_code_is_used(program: Path, tmp_path: Path) -> None:
    """All ways give QEMU's output; with a cache at least 95 % of all instructions are retired in regions."""
    command = [debian.qemu("aarch64"), "-cpu", "cortex-a57", program]
    expected = subprocess.run(command, capture_output=True, check=True).stdout
    output, total, _ = run(program, {"PYQEMU_JIT": "off"})
    assert output == expected
    for name in ("sync", "warm"):
        environment = WAYS[name].environment | {"PYQEMU_CACHE": str(tmp_path / "cache")}
        output, baseline, regions = run(program, environment)
        assert output == expected, name
        assert regions > 0 and baseline < 0.05 * total, (name, baseline, total)


@pytest.mark.guest
def test_ahead_of_time(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What pyqemu-aot leaves is used: 90 % of all instructions without a profile."""
    monkeypatch.setattr("tests.guests.ways.FOLDERS", tmp_path)
    way = Way("aot", "async", 1_000_000, "cache", ahead=True)
    translate(program, way)
    _, total, _ = run(program, {"PYQEMU_JIT": "off"})
    _, baseline, regions = run(program, way.environment)
    assert regions > 10 and baseline < 0.1 * total, (baseline, total)


@pytest.mark.guest
def test_regions_come_while_it_runs(program: Path, tmp_path: Path) -> None:
    """From an empty cache, without waiting: some of it runs in baseline code, and then regions are taken up."""
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o700)
    end = start_worker(cache)
    try:
        environment = {"PYQEMU_JIT": "async", "PYQEMU_JIT_THRESHOLD": "20", "PYQEMU_CACHE": str(cache)}
        for _ in range(20):
            _, baseline, regions = run(program, environment)
            assert baseline > 0
            if regions:
                return
        pytest.fail("no region was taken up")
    finally:
        end()
