"""A fair part of all ways in which guests can run (ways.py): the same output, and code that is really optimised."""

from __future__ import annotations

import os
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.guests.architectures import AARCH64, ARMHF, Architecture
from tests.guests.ways import WAYS, Way, start_worker, translate
from tests.paths import pyqemu_user

#: Calls, loops, flags, floating point, system calls, without a library, so that all of it is soon translated. For
#: 32-bit Arm it is in T32, what the compiler's own library has for it in A32 too.
PROGRAM = r"""
#ifdef __aarch64__
enum { kWrite = 64, kExit = 94 };
static long call(long number, long a, long b, long c) {
  register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
  return x0;
}
#else
enum { kWrite = 4, kExit = 248 };
static long call(long number, long a, long b, long c) {
  register long r7 __asm__("r7") = number, r0 __asm__("r0") = a, r1 __asm__("r1") = b, r2 __asm__("r2") = c;
  __asm__ volatile("svc #0" : "+r"(r0) : "r"(r7), "r"(r1), "r"(r2) : "memory");
  return r0;
}
#endif
static void print(unsigned long long value) {
  char text[24], *at = text + sizeof text;
  *--at = '\n';
  do *--at = (char)('0' + value % 10); while (value /= 10);
  call(kWrite, 1, (long)at, text + sizeof text - at);
}
__attribute__((noinline)) static int fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
static unsigned values[2000];
__attribute__((noinline)) static void sort(int low, int high) {
  int i = low, j = high;
  unsigned middle = values[(low + high) / 2];
  while (i <= j) {
    while (values[i] < middle) ++i;
    while (values[j] > middle) --j;
    if (i <= j) {
      unsigned other = values[i];
      values[i++] = values[j], values[j--] = other;
    }
  }
  if (low < j) sort(low, j);
  if (i < high) sort(i, high);
}
void _start(void) {
  double sum = 0;
  unsigned state = 1;
  for (int round = 0; round < 100; ++round) {
    for (int i = 0; i < 2000; ++i) values[i] = (state = state * 1103515245 + 12345) >> 8 & 0xffff;
    sort(0, 1999);
    for (int i = 1; i < 2000; ++i) sum += values[i - 1] / (1.0 + values[i]);
    print((unsigned long long)(sum * 1000));
  }
  print(fibonacci(20));
  call(kExit, 0, 0, 0);
}
"""
COUNT = re.compile(rb"count: (\d+) guest instructions retired in baseline code, (\d+) regions installed")
STATS = re.compile(rb"stats: .* (\d+) regions, \d+ regions refused")


@dataclass(frozen=True, slots=True)
class Program:
    """The program, compiled for a guest."""

    guest: Architecture
    path: Path


@pytest.fixture(scope="module", params=[AARCH64, ARMHF], ids=str)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """Compiled."""
    guest: Architecture = request.param
    place = tmp_path_factory.mktemp("ways")
    (place / "program.c").write_text(PROGRAM)
    flags = ["-O2", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector"]
    command = [f"{guest.compiler}gcc", *flags, place / "program.c", "-o", place / "program", "-lgcc"]
    subprocess.run(command, check=True)
    return Program(guest, place / "program")


def run(program: Program, environment: dict[str, str], log: str, pattern: re.Pattern[bytes]) -> tuple[bytes, list[int]]:
    """Output, and the numbers that a log's line has."""
    command = [pyqemu_user(), "-cpu", program.guest.cpu, "-d", log, program.path]
    done = subprocess.run(command, capture_output=True, check=True, env=os.environ | environment, timeout=300)
    found = pattern.search(done.stderr)
    assert found, done.stderr
    return done.stdout, [int(number) for number in found.groups()]


def count(program: Program, environment: dict[str, str]) -> tuple[bytes, int, int]:
    """Output, instructions retired in baseline code, regions installed. Such a run asks for no new regions."""
    output, (baseline, regions) = run(program, environment, "count", COUNT)
    return output, baseline, regions


@pytest.mark.guest
def test_optimised_code_is_used(program: Program, tmp_path: Path) -> None:
    """All ways give QEMU's output; with a cache at least 95 % of all instructions are retired in regions."""
    command = [*program.guest.qemu, program.path]
    expected = subprocess.run(command, capture_output=True, check=True).stdout
    output, total, _ = count(program, {"PYQEMU_JIT": "off"})
    assert output == expected
    environment = WAYS["sync"].environment | {"PYQEMU_CACHE": str(tmp_path / "cache")}
    output, _ = run(program, environment, "stats", STATS)
    assert output == expected
    output, baseline, regions = count(program, environment)
    assert output == expected
    assert regions > 0 and baseline < 0.05 * total, (baseline, total)


@pytest.mark.guest
def test_ahead_of_time(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What pyqemu-aot leaves is used: 90 % of all instructions without a profile."""
    monkeypatch.setattr("tests.guests.ways.FOLDERS", tmp_path)
    way = Way("aot", "async", 1_000_000, "cache", ahead=True)
    translate(program.path, way, program.guest.cpu)
    _, total, _ = count(program, {"PYQEMU_JIT": "off"})
    _, baseline, regions = count(program, way.environment)
    assert regions > 1 and baseline < 0.1 * total, (baseline, total)


@pytest.mark.guest
def test_regions_come_while_it_runs(program: Program, tmp_path: Path) -> None:
    """From an empty cache, without waiting: regions are taken up by a run that asked for them, or by the next."""
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o700)
    end = start_worker(cache)
    try:
        environment = {"PYQEMU_JIT": "async", "PYQEMU_JIT_THRESHOLD": "20", "PYQEMU_CACHE": str(cache)}
        latest = time.monotonic() + 120
        while time.monotonic() < latest:
            _, (regions,) = run(program, environment, "stats", STATS)
            if regions:
                return
        pytest.fail("no region was taken up")
    finally:
        end()
