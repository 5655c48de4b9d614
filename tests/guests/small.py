"""A small program for tests of archives: loops, calls, floating point, and a fault that its own handler tells of.

It leaves a loop in the middle by an access behind the end of its memory, so that an archive's landings matter as well.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.paths import pyqemu_user

GUEST = "aarch64"
#: What the program's last step leaves with.
STATUS = 42
_SOURCE = r"""
static long call(long number, long a, long b, long c, long d) {
  register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
}
static void print(unsigned long value) {
  char text[24], *at = text + sizeof text;
  *--at = '\n';
  do *--at = (char)('0' + value % 10); while (value /= 10);
  call(64, 1, (long)at, text + sizeof text - at, 0);
}
static unsigned values[500];
__attribute__((noinline)) static int fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
__attribute__((noinline)) static double mean(unsigned state) {
  double sum = 0;
  for (int i = 0; i < 500; ++i) sum += 1000.0 / (1 + (values[i] = (state = state * 1103515245 + 12345) >> 8 & 0xffff));
  return sum;
}
__attribute__((noinline)) static unsigned mix(const volatile unsigned *from) {
  unsigned sum = 1;
  for (;; ++from) sum = (sum << 5 | sum >> 27) ^ *from;
}
struct action { void (*handler)(int, void *, char *); unsigned long flags, restorer, mask; };
static void on_fault(int signal, void *info, char *context) {
  print((unsigned long)signal);
  for (int i = 0; i < 3; ++i) print(*(unsigned long *)(context + 184 + 8 * i));
  print(*(unsigned long *)(context + 184 + 8 * 32));
  call(94, 42, 0, 0, 0);
}
void _start(void) {
  struct action action = {on_fault, 4, 0, 0};
  for (int round = 0; round < ROUNDS; ++round) print((unsigned long)(mean(round) * 1000));
  print(fibonacci(15));
  call(134, 11, (long)&action, 0, 8);
  mix(values);
}
"""


def build(place: Path, rounds: int = 40) -> Path:
    """The program, compiled at `place`. Such of other `rounds` differ in a word of their code, and in nothing else."""
    source = place.with_suffix(".c")
    source.write_text(_SOURCE)
    flags = ["-O2", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-Wl,--build-id=none", "-s"]
    command = [f"{GUEST}-linux-gnu-gcc", *flags, f"-DROUNDS={rounds}", source, "-o", place]
    subprocess.run(command, check=True)
    return place


@dataclass(frozen=True, slots=True)
class Run:
    """What can be seen of a run."""

    status: int
    stdout: bytes
    stderr: bytes


def environment(cache: Path | str, **more: str) -> dict[str, str]:
    """For runs with a cache, by default with a worker that does nothing."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYQEMU_", "QEMU_"))}
    kept = {name: os.environ[name] for name in ("PYQEMU_USER",) if name in os.environ}
    return ours | kept | {"PYQEMU_CACHE": str(cache), "PYQEMU_WORKER": "/bin/true"} | more


def run(program: Path, cache: Path | str, *options: str, env: Mapping[str, str] | None = None) -> Run:
    """Runs a program; more than a minute is a failure."""
    command = [pyqemu_user(), *options, program]
    done = subprocess.run(
        command, capture_output=True, timeout=60, check=False, env=environment(cache, **(env or {})), cwd="/"
    )
    return Run(done.returncode, done.stdout, done.stderr)
