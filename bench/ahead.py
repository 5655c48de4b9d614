"""`python -m bench.ahead [--guest NAME] [--jobs N]`: pyqemu-aot on busybox, and what of its applets that covers.

Prints what the translation took, as CPU time of all its processes from bytes to archive, and for each applet the guest
instructions that it executes and the part of them that is retired in regions. Ends with status 1 if an applet fails, or
gives other output than baseline code alone.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.rows import make_input
from tests.guests import debian
from tests.guests.architectures import AARCH64, ARCHITECTURES, Architecture
from tests.guests.ways import script
from tests.paths import pyqemu_user

#: Applets that no benchmark and no profile was made with, on 2 MB of text.
APPLETS: tuple[tuple[str, ...], ...] = (
    ("cal", "2024"),
    ("crc32", "INPUT"),
    ("cut", "-c", "3-9", "INPUT"),
    ("dc", "-e", "2 2000 ^ p"),
    ("diff", "INPUT", "/dev/null"),
    ("expand", "INPUT"),
    ("factor", "1000000016000000063", "18446744073709551557"),
    ("fold", "-w", "30", "INPUT"),
    ("hexdump", "-C", "INPUT"),
    ("sha1sum", "INPUT"),
    ("nl", "INPUT"),
    ("od", "-x", "INPUT"),
    ("paste", "INPUT", "INPUT"),
    ("rev", "INPUT"),
    ("sed", "s/\\(a.\\)\\(.e\\)/\\2\\1/g", "INPUT"),
    ("sha3sum", "INPUT"),
    ("strings", "INPUT"),
    ("tac", "INPUT"),
    ("tr", "a-y", "b-z"),
    ("uuencode", "INPUT", "name"),
    ("wc", "INPUT"),
    ("xxd", "INPUT"),
)
_COUNT = re.compile(rb"count: (\d+) guest instructions retired in baseline code")


class Failed(Exception):
    """An applet failed, or did not do the same in both ways."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A run's output, and the instructions that it retired in baseline code."""

    output: bytes
    baseline: int


def count(guest: Architecture, options: Sequence[str], words: Sequence[str], stdin: Path) -> Counted:
    """Runs an applet and counts. Raises Failed."""
    command = [str(pyqemu_user()), "-cpu", guest.cpu, "-d", "count", *options, str(guest.busybox()), *words]
    with stdin.open("rb") as file:
        done = subprocess.run(command, stdin=file, capture_output=True, check=False)
    found = _COUNT.search(done.stderr)
    if not found or (done.returncode and words[0] != "diff"):
        raise Failed(f"status {done.returncode}: {done.stderr.decode(errors='replace')}")
    return Counted(done.stdout, int(found[1]))


def translate(guest: Architecture, cache: Path, jobs: int) -> str:
    """Translates busybox into `cache`; gives what there is to say about it. To be called with no child running."""
    options = ("-j", str(jobs), "-cpu", guest.cpu, "--cache", cache, "--json")
    command = [script("pyqemu-aot"), *options, guest.busybox()]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    summary = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    instructions, megabytes = summary["instructions"], summary["archive_bytes"] / 1e6
    return (
        f"{instructions} instructions in {summary['regions']} regions, {summary['seconds']:.0f} s, "
        f"{cpu:.0f} s of CPU time: {instructions / cpu:.0f} instructions a second and core; {megabytes:.1f} MB"
    )


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.ahead", description=__doc__)
    parser.add_argument("--guest", default=str(AARCH64), choices=ARCHITECTURES, help="default: %(default)s")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes of pyqemu-aot")
    options = parser.parse_args()
    guest = ARCHITECTURES[options.guest]
    text = make_input(debian.CACHE / "bench").with_suffix(".small")
    status, shares = 0, list[float]()
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "cache"
        print(f"pyqemu-aot: {translate(guest, cache, options.jobs)}", flush=True)
        for applet in APPLETS:
            words = [str(text) if word == "INPUT" else word for word in applet]
            try:
                alone = count(guest, ("--jit=off",), words, text)
                never_asking = ("--jit=async", "--jit-threshold=100000000", f"--cache={cache}")
                with_archive = count(guest, never_asking, words, text)
                if alone.output != with_archive.output:
                    raise Failed("another output")
            except Failed as failure:
                print(f"{applet[0]}: {failure}", file=sys.stderr)
                status = 1
                continue
            shares.append(1 - with_archive.baseline / alone.baseline)
            print(f"{applet[0]:10} {alone.baseline:12} instructions, {shares[-1]:.2%} in regions", flush=True)
    print(f"least: {min(shares, default=0):.2%}")
    return status


if __name__ == "__main__":
    sys.exit(main())
