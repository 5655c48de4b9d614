"""Times commands against each other: in turn, so that a noisy machine is noisy for all of them alike."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path


class RunFailed(Exception):
    """A command failed, or gave another output than its peers."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to run: arguments, standard input, and variables added to the environment.

    `cache` is the cache folder that it uses: with `cold` it is emptied before each run, else it is filled before the
    first one, by runs that wait for their optimised code: of other commands, if `filled_by` has any, and of this one.
    No run begins while a worker of the one before is busy.
    """

    argv: tuple[str, ...]
    stdin: Path | None = None
    environment: tuple[tuple[str, str], ...] = ()
    cache: Path | None = None
    cold: bool = False
    filled_by: tuple[Command, ...] = ()


@dataclass(slots=True)
class Samples:
    """Wall-clock seconds of each run, and the highest resident set in KiB."""

    seconds: list[float] = field(default_factory=list)
    peak_kib: int = 0

    @property
    def median(self) -> float:
        """The median of the runs."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles, relative to the median."""
        if len(self.seconds) < 4:
            return 0.0
        low, _, high = statistics.quantiles(self.seconds, n=4)
        return (high - low) / 2 / self.median


#: What a run that fills a cache waits with for optimised code, and runs of a cold start's worker are given to end.
_FILLING = {"PYQEMU_JIT": "sync", "PYQEMU_JIT_THRESHOLD": "50"}
_FILLING_RUNS = 3
_MOST_SECONDS = 120
#: Until a guest that has exited has left its last request: a child of it does that.
_LEAVES_SECONDS = 0.2
#: A processor that has idled, waiting for a worker, is slow at first: it is kept busy for so long before each run.
_WAKING_SECONDS = 0.02


def fill(command: Command) -> None:
    """Makes the optimised code that a warm run finds."""
    if command.cache is None or command.cold:
        return
    shutil.rmtree(command.cache, ignore_errors=True)
    for filler in (*command.filled_by, command):
        for _ in range(_FILLING_RUNS):
            run_once(replace(filler, environment=(*filler.environment, *_FILLING.items())))


def wait_for_worker(cache: Path) -> None:
    """Until all requests are answered: a busy worker would take the next run's time."""
    time.sleep(_LEAVES_SECONDS)
    end = time.monotonic() + _MOST_SECONDS
    while any((cache / "spool").glob("*.request")) and time.monotonic() < end:
        time.sleep(0.05)


def _wake() -> None:
    end = time.perf_counter() + _WAKING_SECONDS
    while time.perf_counter() < end:
        pass


def run_once(command: Command, *, rehearsed: bool = False) -> tuple[float, bytes]:
    """Wall-clock seconds and standard output of one run; RunFailed if its status is not 0.

    `rehearsed`: it is run before, and not counted. What takes a few milliseconds takes half as long again where the
    processor's caches have something else.
    """
    _wake()
    if rehearsed:
        _run(command)
    seconds, output = _run(command)
    if command.cache is not None:
        wait_for_worker(command.cache)
    return seconds, output


def _run(command: Command) -> tuple[float, bytes]:
    environment = dict(os.environ) | dict(command.environment)
    if command.cache is not None:
        environment["PYQEMU_CACHE"] = str(command.cache)
        if command.cold:
            shutil.rmtree(command.cache, ignore_errors=True)
    with open(command.stdin or os.devnull, "rb") as source:
        start = time.perf_counter()
        process = subprocess.Popen(
            command.argv, stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        )
        assert process.stdout and process.stderr
        output = process.stdout.read()
        errors = process.stderr.read()
        process.wait()
        seconds = time.perf_counter() - start
    process.stdout.close()
    process.stderr.close()
    if process.returncode:
        raise RunFailed(f"{' '.join(command.argv)}: status {process.returncode}: {errors[-300:]!r}")
    return seconds, output


def peak_kib(command: Command, busybox: str) -> int:
    """The highest resident set of a run, in KiB.

    A child's figure starts with what its parent had when it was forked, so a small program has to start it:
    `busybox time`.
    """
    environment = dict(os.environ) | dict(command.environment)
    if command.cache is not None:
        environment["PYQEMU_CACHE"] = str(command.cache)
    with open(command.stdin or os.devnull, "rb") as source, tempfile.NamedTemporaryFile("r") as report:
        timed = (busybox, "time", "-f", "%M", "-o", report.name, *command.argv)
        subprocess.run(timed, stdin=source, stdout=subprocess.DEVNULL, check=True, env=environment)
        return int(report.read())


def compare(
    commands: dict[str, Command], rounds: int, busybox: str, *, rehearsed: bool = False
) -> dict[str, Samples]:
    """Runs all commands `rounds` times in turn, after a round that is not counted; checks that they print the same.
    For `rehearsed` see run_once.
    """
    samples = {name: Samples() for name in commands}
    for command in commands.values():
        fill(command)
    expected: bytes | None = None
    for turn in range(rounds + 1):
        for name, command in commands.items():
            seconds, output = run_once(command, rehearsed=rehearsed)
            expected = output if expected is None else expected
            if output != expected:
                raise RunFailed(f"{name}: other output than its peers: {output[:80]!r}, not {expected[:80]!r}")
            if turn:
                samples[name].seconds.append(seconds)
    for name, command in commands.items():
        samples[name].peak_kib = peak_kib(command, busybox)
    return samples
