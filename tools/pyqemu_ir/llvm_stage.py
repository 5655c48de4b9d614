"""LLVM's text before and after its passes, and the object that it becomes."""

from __future__ import annotations

import re

from pyqemu.hostgen.compiler import Effort, compilation_for
from pyqemu.hostgen.host import Host
from pyqemu.tools.pyqemu_ir.report import Report

#: Lines that say nothing of the code.
_BOILERPLATE = re.compile(r"^(; ModuleID = .*|source_filename = .*|target datalayout = .*)\n", re.M)

#: A line of LLVM's report: four times with their percentages, the last one by the wall clock, and a name.
_TIME = re.compile(r"\s*(?:[\d.]+ \(\s*[\d.]+%\)\s+){3}(?P<seconds>[\d.]+) \(\s*[\d.]+%\)\s+(?P<name>.+)")
_SHORTEST = 0.0001


def compile_text(text: str, host: Host, report: Report, effort: Effort = Effort.FULL) -> bytes | None:
    """The object of a module, if a stage beyond LLVM's is wanted. `effort`: of LLVM's passes."""
    report.add("llvm", "LLVM, as lowered", text)
    if not report.needs_beyond("llvm"):
        return None
    compilation = compilation_for(text, host)
    with report.timing("LLVM's passes"):
        times = compilation.optimise(effort, timed=report.timed)
    report.times += _pass_times(times)
    report.add(
        "llvm-opt",
        f"LLVM, after its passes at {effort.value}, for {host.level.name}",
        _BOILERPLATE.sub("", compilation.text()),
    )
    if not report.needs_beyond("llvm-opt"):
        return None
    with report.timing("LLVM's code generation"):
        return compilation.emit()


def _pass_times(text: str) -> list[tuple[str, float]]:
    """LLVM's passes and analyses that took any time to speak of, out of its report (wall clock), longest first."""
    found: dict[str, float] = {}
    for line in text.splitlines():
        match = _TIME.match(line)
        if match and match["name"] != "Total" and float(match["seconds"]) >= _SHORTEST:
            found[f"  LLVM {match['name']}"] = float(match["seconds"])  # the report has each of them twice
    return sorted(found.items(), key=lambda item: -item[1])
