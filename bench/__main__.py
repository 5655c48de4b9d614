"""`python -m bench [--rounds N] [--only TEXT] [--json FILE] [--markdown FILE]`: measures, prints a table, writes JSON.

Example: `python -m bench --only kernel --rounds 5`. docs/benchmarks.md is made from the JSON:
`--from FILE --markdown FILE`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

from bench.measure import RunFailed, compare
from bench.rows import host_busybox, rows
from bench.translation import translation_cost

Result = dict[str, Any]


def measure(only: str, rounds: int) -> Result:
    """Runs the rows whose name has `only` in it; a row that fails is kept, with its message."""
    results: list[Result] = []
    for row in rows():
        if only not in row.name:
            continue
        print(f"{row.name} …", file=sys.stderr, flush=True)
        entry: Result = {"name": row.name, "group": row.group, "issue": row.issue}
        try:
            samples = compare(row.commands, rounds, host_busybox())
            entry["seconds"] = {name: sample.median for name, sample in samples.items()}
            entry["spread"] = {name: sample.spread for name, sample in samples.items()}
            entry["peak_kib"] = {name: sample.peak_kib for name, sample in samples.items()}
        except RunFailed as failure:
            entry["failed"] = str(failure)
        results.append(entry)
    return {
        "date": date.today().isoformat(),
        "machine": _machine(),
        "rounds": rounds,
        "rows": results,
        "translation": translation_cost(rounds),
    }


def _machine() -> str:
    """The host in a few words."""
    text = Path("/proc/cpuinfo").read_text()
    model = next((line.split(":")[1].strip() for line in text.splitlines() if "model name" in line), "?")
    compiler = subprocess.run(["gcc", "-dumpfullversion"], capture_output=True, text=True, check=False).stdout.strip()
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release().split('-')[0]}, gcc {compiler}, QEMU 10.0"


def speedup(entry: Result, name: str) -> float:
    """How many times QEMU's speed `name` reaches in a row."""
    return entry["seconds"]["qemu"] / entry["seconds"][name]


def table(result: Result) -> str:
    """The results as a Markdown table, with geometric means for groups in which nothing failed."""
    columns = ("native", "qemu", "baseline")
    lines = [
        "| row | " + " | ".join(f"{c} s" for c in columns) + " | baseline : QEMU speed | spread | peak MiB (QEMU) |"
    ]
    lines.append("|---|" + "---:|" * (len(columns) + 3))
    groups: dict[str, list[float] | None] = {}
    for entry in result["rows"]:
        if "failed" in entry:
            lines.append(f"| {entry['name']} | failed: {entry['failed'][:80]} |" + " |" * (len(columns) + 2))
            groups[entry["group"]] = None
            continue
        times = entry["seconds"]
        cells = [f"{times[c]:.3f}" if c in times else "–" for c in columns]
        ratio = f"{speedup(entry, 'baseline'):.2f}" if "qemu" in times else "–"
        peaks = [f"{entry['peak_kib'][c] / 1024:.1f}" if c in times else "–" for c in ("baseline", "qemu")]
        spread = f"{max(entry['spread'].values()):.0%}"
        lines.append(f"| {entry['name']} | {' | '.join(cells)} | {ratio} | {spread} | {peaks[0]} ({peaks[1]}) |")
        known = groups.setdefault(entry["group"], [])
        if "qemu" in times and known is not None:
            known.append(speedup(entry, "baseline"))
    lines.append("")
    for group, ratios in groups.items():
        if ratios:
            lines.append(f"Geometric mean, {group}: {statistics.geometric_mean(ratios):.2f} times QEMU's speed.  ")
        elif ratios is None:
            lines.append(f"Geometric mean, {group}: not given, a row failed.  ")
    joint = [groups.get(g) for g in ("applets", "kernels")]
    if all(joint):
        both = [r for ratios in joint if ratios for r in ratios]
        lines.append(
            f"Geometric mean, applets and kernels: {statistics.geometric_mean(both):.2f} times QEMU's speed.  "
        )
    return "\n".join(lines) + "\n"


def translation(result: Result) -> str:
    """What translating costs, in a sentence."""
    cost = result["translation"]
    return (
        f"Translation at a real start-up (busybox's shell and awk): {cost['ns']:.0f} ns a guest instruction "
        f"({cost['instructions']} instructions in {cost['blocks']} blocks, "
        f"{cost['host_bytes'] / cost['instructions']:.1f} bytes of host code each).  \n"
    )


def page(result: Result) -> str:
    """docs/benchmarks.md."""
    return (
        "# Benchmarks\n\nMade by `python -m bench --markdown docs/benchmarks.md`; do not edit.\n\n"
        f"{result['date']}; {result['machine']}; medians of {result['rounds']} runs, commands run in turn; "
        "guest CPU cortex-a57. `baseline` is pyqemu-user with `--jit=off`.\n\n" + table(result) + translation(result)
    )


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="counted runs of each command (default: 5)")
    parser.add_argument("--only", default="", metavar="TEXT", help="rows whose name has TEXT in it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write a page like docs/benchmarks.md here")
    parser.add_argument("--from", dest="source", type=Path, metavar="FILE", help="use these results; measure nothing")
    options = parser.parse_args()
    result = json.loads(options.source.read_text()) if options.source else measure(options.only, options.rounds)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    if options.markdown:
        options.markdown.write_text(page(result))
    print(table(result) + translation(result))
    return 1 if any("failed" in entry for entry in result["rows"]) else 0


if __name__ == "__main__":
    sys.exit(main())
