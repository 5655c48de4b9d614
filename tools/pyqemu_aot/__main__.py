"""pyqemu-aot: translates a whole guest program ahead of time.

The optimised code goes into the user's cache, where pyqemu-user finds it by the program's contents.

    pyqemu-aot ./program                   # and then: pyqemu-user ./program
    pyqemu-aot -cpu max --json ./program   # for another CPU model; a summary for programs
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyqemu.hostgen.archive import ArchiveKind
from pyqemu.hostgen.region_object import CompiledRegion
from pyqemu.hostgen.tables import feature_mask
from pyqemu.tools.cache_folder import BadCache, default_path, open_cache
from pyqemu.tools.cache_size import HELP, bound, make_room
from pyqemu.tools.files import read_regular, replacing
from pyqemu.tools.installed import NotInstalled, pack_for
from pyqemu.tools.progress import Progress
from pyqemu.tools.pyqemu_aot.jobs import Task, compile_all
from pyqemu.tools.workshop import Workshop, settle_memory
from pyqemu.translator.cpu_models import UnknownModelError, cpu_model
from pyqemu.translator.errors import GuestFileError
from pyqemu.translator.lift.module import read_module
from pyqemu.translator.lift.plan import RegionPlan, plan_program
from pyqemu.translator.program.discover import discover
from pyqemu.translator.program.elf import read_elf
from pyqemu.translator.program.flow import FlowReader

_MISTAKE, _BUG, _INTERRUPTED = 1, 2, 130
_MOST_BYTES = 1 << 30  # of a program


@dataclass(slots=True)
class Summary:
    """What was done, for people and for programs."""

    program: str
    functions: int = 0
    instructions: int = 0  # in regions
    discovered: int = 0
    regions: int = 0
    host_bytes: int = 0
    archive_bytes: int = 0
    seconds: float = 0.0
    archive: str = ""
    left_out: dict[str, int] = field(default_factory=dict[str, int])  # reasons, by number of regions

    def text(self) -> str:
        """A few lines."""
        rate = self.instructions / self.seconds if self.seconds else 0
        lines = [
            f"{self.program}: {self.functions} functions, {self.discovered} instructions found",
            f"  {self.regions} regions of {self.instructions} instructions, {self.host_bytes} bytes of code",
            f"  {self.archive_bytes} bytes in {self.archive}, in {self.seconds:.1f} s ({rate:.0f} instructions/s)",
        ]
        lines += [f"  left out: {count} regions: {why}" for why, count in self.left_out.items()]
        return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pyqemu-aot", description=__doc__, epilog=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("program", type=Path, help="an ELF program or shared library of another architecture")
    add("-o", "--output", type=Path, metavar="FILE", help="write the archive here, not into the cache")
    add("-cache", "--cache", type=Path, metavar="DIR", help="cache folder (default: $PYQEMU_CACHE, ~/.cache/pyqemu)")
    add("-cpu", "--cpu", metavar="MODEL", help="CPU model, as for pyqemu-user (default: its default)")
    add("-j", "--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (default: one a CPU)")
    add("--json", action="store_true", help="print the summary as JSON")
    return parser


def translate(options: argparse.Namespace) -> Summary:
    """The whole job. Raises GuestFileError, NotInstalled, BadCache or OSError for what is the user's business."""
    start = time.monotonic()
    data = read_regular(options.program, _MOST_BYTES)
    image, module = read_elf(data), read_module(data)
    pack = pack_for(image.machine, image.word_bytes)
    cache = open_cache(options.cache or default_path())
    bound()
    workshop = Workshop.open(pack.target, pack.level)
    settle_memory()
    target = workshop.target
    try:
        features = feature_mask(cpu_model(target, options.cpu).features, target.features)
    except UnknownModelError as error:
        raise NotInstalled(f"-cpu {error}") from None
    kind = ArchiveKind(pack.digest, module.key, features, module.extent, cache.key)
    path: Path = options.output or cache.archive(pack.digest, features, module.key, "aot")
    summary = Summary(str(options.program), archive=str(path))
    with replacing(path) as file:  # what cannot be written is said before the work, not behind it
        program = discover(image, FlowReader(target, pack.resuming, pack.marked))
        summary.functions, summary.discovered = len(program.functions), program.statistics.instructions
        plans = list(plan_program(program, module.base))
        regions = _compile(Task(pack.target, pack.level, module), plans, options.jobs, summary)
        archive = workshop.archive(kind, regions, module)
        if not options.output:
            make_room(cache, path, len(archive))
        file.write(archive)
    summary.archive_bytes, summary.seconds = len(archive), time.monotonic() - start
    return summary


def _compile(task: Task, plans: Sequence[RegionPlan], jobs: int, summary: Summary) -> list[CompiledRegion]:
    regions: list[CompiledRegion] = []
    reasons: Counter[str] = Counter()
    with Progress("translating", len(plans)) as progress:
        for count, made, left_out in compile_all(task, plans, jobs):
            regions += made
            reasons.update(item.why for item in left_out)
            progress.advance(count)
    summary.regions = len(regions)
    summary.instructions = sum(region.instructions for region in regions)
    summary.host_bytes = sum(len(region.code) for region in regions)
    summary.left_out = dict(reasons.most_common())
    return regions


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; gives its exit status."""
    options = _parser().parse_args(arguments)
    try:
        summary = translate(options)
    except (GuestFileError, NotInstalled, BadCache) as error:
        print(f"pyqemu-aot: {error}", file=sys.stderr)
        return _MISTAKE
    except OSError as error:
        print(f"pyqemu-aot: {error.filename or options.program}: {error.strerror}", file=sys.stderr)
        return _MISTAKE
    except BrokenProcessPool:
        print("pyqemu-aot: processes that are to translate end at once; is there enough memory?", file=sys.stderr)
        return _BUG
    except KeyboardInterrupt:
        return _INTERRUPTED
    shown: dict[str, Any] = {name: getattr(summary, name) for name in summary.__slots__}
    print(json.dumps(shown, indent=1) if options.json else summary.text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
