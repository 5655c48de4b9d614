"""Results as a Markdown page: a line a row, and geometric means of groups in which nothing failed."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

Result = dict[str, Any]

COLUMNS = ("native", "qemu", "baseline", "cold", "warm")
#: Ratios of speed: heading, and whose time is divided by whose.
RATIOS: Mapping[str, tuple[str, str]] = {
    "baseline : QEMU": ("qemu", "baseline"),
    "warm : QEMU": ("qemu", "warm"),
    "warm : native": ("native", "warm"),
    "cold : baseline": ("baseline", "cold"),
    "warm : cold": ("cold", "warm"),
}
_NOTES = (
    "Medians of {rounds} runs, commands run in turn; guest CPU {cpu}. `baseline` is pyqemu-user with `--jit=off`; "
    "`cold` begins each run with an empty cache; `warm` has what three earlier runs left there. Ratios are of speed: "
    "above 1, the first is faster. `start: busybox true` is run ten times as often, and its warm cache has all the "
    "applets' code."
)


def ratios(entry: Result) -> dict[str, float]:
    """The ratios of a row that its times allow."""
    times = entry["seconds"]
    return {name: times[a] / times[b] for name, (a, b) in RATIOS.items() if a in times and b in times}


def _line(entry: Result) -> str:
    times, peaks = entry["seconds"], entry["peak_kib"]
    found = ratios(entry)
    digits = 3 if min(times.values()) >= 0.01 else 4
    cells = [f"{times[c]:.{digits}f}" if c in times else "–" for c in COLUMNS]
    cells += [f"{found[name]:.2f}" if name in found else "–" for name in RATIOS]
    cells.append(f"{max(entry['spread'].values()):.0%}")
    shown = [f"{peaks[c] / 1024:.1f}" if c in peaks else "–" for c in ("warm", "qemu")]
    return f"| {entry['name']} | {' | '.join(cells)} | {shown[0]} ({shown[1]}) |"


def _means(result: Result) -> list[str]:
    groups: dict[str, list[Result] | None] = {}
    for entry in result["rows"]:
        known = groups.setdefault(entry["group"], [])
        if "failed" in entry:
            groups[entry["group"]] = None
        elif known is not None:
            known.append(entry)
    joint = [groups.get(name) for name in ("applets", "kernels")]
    if all(joint):
        groups["applets and kernels"] = [entry for part in joint if part for entry in part]
    lines: list[str] = []
    for group, entries in groups.items():
        if entries is None:
            lines.append(f"| {group} | a row failed |" + " |" * (len(RATIOS) - 1))
            continue
        found = [ratios(entry) for entry in entries]
        means = [
            f"{statistics.geometric_mean(f[name] for f in found):.2f}" if all(name in f for f in found) else "–"
            for name in RATIOS
        ]
        lines.append(f"| {group} | {' | '.join(means)} |")
    return lines


def table(result: Result) -> str:
    """The rows, then the means."""
    headings = [*(f"{c} s" for c in COLUMNS), *RATIOS, "spread", "peak MiB (QEMU)"]
    lines = ["| row | " + " | ".join(headings) + " |", "|---|" + "---:|" * len(headings)]
    for entry in result["rows"]:
        if "failed" in entry:
            lines.append(f"| {entry['name']} | failed: {entry['failed'][:80]} |" + " |" * (len(headings) - 1))
        else:
            lines.append(_line(entry))
    lines += ["", "| geometric mean | " + " | ".join(RATIOS) + " |", "|---|" + "---:|" * len(RATIOS)]
    return "\n".join(lines + _means(result)) + "\n"


def translation(result: Result) -> str:
    """What translating costs, in a sentence."""
    cost = result["translation"]
    return (
        f"\nTranslation at a real start-up (busybox's shell and awk): {cost['ns']:.0f} ns a guest instruction "
        f"of baseline code, {cost['counted_ns']:.0f} ns where blocks are counted "
        f"({cost['instructions']} instructions in {cost['blocks']} blocks; "
        f"{cost['host_bytes'] / cost['instructions']:.1f} bytes of host code each when counted).\n"
    )


def page(results: Sequence[Result]) -> str:
    """docs/benchmarks.md: a section for each guest, if there are several."""
    begin = "# Benchmarks\n\nMade by `python -m bench --markdown docs/benchmarks.md`; do not edit.\n"
    headings = [f"\n## {result['guest']}\n" for result in results] if len(results) > 1 else [""]
    return begin + "".join(head + _section(result) for head, result in zip(headings, results, strict=True))


def _section(result: Result) -> str:
    notes = _NOTES.format(rounds=result["rounds"], cpu=result["cpu"])
    return f"\n{result['date']}; {result['machine']}. {notes}\n\n" + table(result) + translation(result)
