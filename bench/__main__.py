"""`python -m bench [--guest NAME] [--rounds N] [--only TEXT] …`: measures, prints a table, writes JSON.

Examples: `python -m bench --only kernel --rounds 5`, `python -m bench --guest riscv64 --ways qemu,warm --rounds 20`.
docs/benchmarks.md is made from the JSON, a file a guest: `--from FILE… --markdown FILE`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from datetime import date
from pathlib import Path

from bench.measure import RunFailed, compare
from bench.page import COLUMNS, Result, page, table, translation
from bench.rows import host_busybox, rows
from bench.translation import translation_cost
from tests.guests.architectures import AARCH64, ARCHITECTURES, Architecture


def measure(guest: Architecture, only: str, ways: set[str], rounds: int) -> Result:
    """Runs the rows whose name has `only` in it, in these ways; a row that fails is kept, with its message."""
    results: list[Result] = []
    for row in rows(guest):
        if only not in row.name:
            continue
        print(f"{row.name} …", file=sys.stderr, flush=True)
        entry: Result = {"name": row.name, "group": row.group, "issue": row.issue}
        try:
            commands = {name: command for name, command in row.commands.items() if name in ways}
            turns = rounds * (10 if row.short else 1)
            samples = compare(commands, turns, host_busybox(), rehearsed=row.short)
            entry["seconds"] = {name: sample.median for name, sample in samples.items()}
            entry["spread"] = {name: sample.spread for name, sample in samples.items()}
            entry["peak_kib"] = {name: sample.peak_kib for name, sample in samples.items()}
        except RunFailed as failure:
            entry["failed"] = str(failure)
        results.append(entry)
    return {
        "date": date.today().isoformat(),
        "machine": _machine(),
        "guest": guest.name,
        "cpu": guest.cpu,
        "rounds": rounds,
        "rows": results,
        "translation": translation_cost(guest, rounds),
    }


def _machine() -> str:
    """The host in a few words."""
    text = Path("/proc/cpuinfo").read_text()
    model = next((line.split(":")[1].strip() for line in text.splitlines() if "model name" in line), "?")
    compiler = subprocess.run(["gcc", "-dumpfullversion"], capture_output=True, text=True, check=False).stdout.strip()
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release().split('-')[0]}, gcc {compiler}, QEMU 10.0"


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--guest", choices=ARCHITECTURES, default=AARCH64.name, metavar="NAME", help=f"of {', '.join(ARCHITECTURES)}"
    )
    parser.add_argument("--rounds", type=int, default=5, help="counted runs of each command (default: 5)")
    parser.add_argument("--only", default="", metavar="TEXT", help="rows whose name has TEXT in it")
    every = ",".join(COLUMNS)
    parser.add_argument("--ways", default=every, metavar="NAMES", help=f"of {every} (default: all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write a page like docs/benchmarks.md here")
    parser.add_argument(
        "--from", dest="sources", type=Path, nargs="+", metavar="FILE", help="use these results; measure nothing"
    )
    options = parser.parse_args()
    ways = set(options.ways.split(","))
    if unknown := ways.difference(COLUMNS):
        parser.error(f"no such way: {', '.join(sorted(unknown))}")
    if options.sources and options.json:
        parser.error("--json writes what was measured, not what --from has read")
    if options.sources:
        results = [json.loads(source.read_text()) for source in options.sources]
    else:
        results = [measure(ARCHITECTURES[options.guest], options.only, ways, options.rounds)]
    if options.json:
        options.json.write_text(json.dumps(results[0], indent=1) + "\n")
    if options.markdown:
        options.markdown.write_text(page(results))
    for result in results:
        print(table(result) + translation(result))
    return 1 if any("failed" in entry for result in results for entry in result["rows"]) else 0


if __name__ == "__main__":
    sys.exit(main())
