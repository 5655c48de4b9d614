"""`python -m bench.passes [PROGRAM] [--every N] [--markdown FILE]`: what each region pass wins, as a table.

Regions of a program's functions are made as pyqemu-aot makes them, then with each pass left out, with each that is not
in the pipeline added, and with LLVM's -O2 in place of its short lists. docs/passes.md is made by --markdown.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyqemu.hostgen.compiler import Effort, compile_module
from pyqemu.hostgen.region_object import compile_regions, module_text, read_regions
from pyqemu.hostgen.regions import RegionText, region_text
from pyqemu.tools.installed import pack_for
from pyqemu.tools.workshop import Workshop, settle_memory
from pyqemu.translator.lift.module import read_module
from pyqemu.translator.lift.plan import plan_program
from pyqemu.translator.lift.region import Region, lift
from pyqemu.translator.lift.trace import trace
from pyqemu.translator.passes.by_name import name_of, parse_passes
from pyqemu.translator.passes.pipeline import run_passes
from pyqemu.translator.passes.region_pipeline import region_pipeline
from pyqemu.translator.passes.rewrite import Pass
from pyqemu.translator.program.discover import discover
from pyqemu.translator.program.elf import read_elf
from pyqemu.translator.program.flow import FlowReader
from tests.guests.architectures import AARCH64

#: Passes that are in no region's pipeline, put before its last one.
ADDED = ("const_prop", "cse", "const_prop, cse")
#: Passes whose results only another one can deal with, which therefore go with it.
_NEEDED_BY = {"promote_state": ("defer_flags",)}

Choose = Callable[[Sequence[Pass]], Sequence[Pass]]


@dataclass(frozen=True, slots=True)
class Variant:
    """A line of the table: which passes, and whether LLVM runs all of its own."""

    name: str
    choose: Choose
    full: bool = False


@dataclass(slots=True)
class Cost:
    """Sums over the sample; CPU seconds."""

    instructions: int = 0
    operations: int = 0
    text_bytes: int = 0
    host_bytes: int = 0
    passes: float = 0.0
    llvm: float = 0.0


def variants(names: Sequence[str]) -> Iterator[Variant]:
    """All lines, for a pipeline of passes of these names."""
    yield Variant("as it is", lambda passes: passes)
    for name in names:
        gone = {name, *_NEEDED_BY.get(name, ())}
        title = " and ".join(f"`{n}`" for n in names if n in gone)
        yield Variant(f"without {title}", lambda passes, gone=gone: [p for p in passes if name_of(p) not in gone])
    for text in ADDED:
        more = parse_passes(text)
        yield Variant(f"with `{text}`", lambda passes, more=more: [*passes[:-1], *more, passes[-1]])
    yield Variant("with LLVM's -O2", lambda passes: passes, full=True)


class Sample:
    """Every so many-th region of a program."""

    def __init__(self, program: Path, every: int) -> None:
        data = program.read_bytes()
        image, module = read_elf(data), read_module(data)
        pack = pack_for(image.machine, image.word_bytes)
        self._workshop = Workshop.open(pack.target, pack.level)
        target = self._workshop.target
        found = discover(image, FlowReader(target, pack.resuming, pack.marked))
        self._plans = list(plan_program(found, module.base))[::every]
        self._reader = self._workshop.reader(module, {variable.name: 0 for variable in target.context})
        settle_memory()

    def pipeline(self) -> list[str]:
        """Names of the passes that a region goes through."""
        return [name_of(one) for one in self._passes(next(self._regions()))]

    def cost(self, variant: Variant) -> Cost:
        """Translates the sample."""
        cost = Cost()
        texts: list[RegionText] = []
        for region in self._regions():
            start = time.process_time()
            run_passes(region.function, variant.choose(self._passes(region)))
            cost.passes += time.process_time() - start
            cost.instructions += region.instructions
            cost.operations += sum(len(block.ops) for block in region.function.blocks)
            texts.append(region_text(region, self._workshop.machine, zero_membase=True))
        cost.text_bytes = sum(len(text.body) for text in texts)
        start = time.process_time()
        cost.host_bytes = self._compile(texts, full=variant.full)
        cost.llvm = time.process_time() - start
        return cost

    def _passes(self, region: Region) -> Sequence[Pass]:
        return region_pipeline(region, self._workshop.target.registers)

    def _regions(self) -> Iterator[Region]:
        functions = self._workshop.target.functions()
        for plan in self._plans:
            reader = self._reader.within(plan.context)
            found = trace(reader, plan.entries, plan.allows)
            if found.entries:
                yield lift(found, reader, plan.name, functions)

    def _compile(self, texts: Sequence[RegionText], *, full: bool) -> int:
        host = self._workshop.host
        if full:
            level = host.level
            data = compile_module(module_text(texts, host), host.triple, level.cpu, level.features, Effort.FULL)
            return sum(len(region.code) for region in read_regions(data, texts, host))
        return sum(len(region.code) for region in compile_regions(texts, host))


def table(costs: Sequence[tuple[str, Cost]]) -> str:
    """A Markdown table, each figure for one guest instruction."""
    lines = [
        "| pipeline | IR operations | LLVM text, bytes | host code, bytes | passes, µs | LLVM, µs |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, cost in costs:
        sizes = [f"{size / cost.instructions:.2f}" for size in (cost.operations, cost.text_bytes, cost.host_bytes)]
        times = [f"{seconds / cost.instructions * 1e6:.0f}" for seconds in (cost.passes, cost.llvm)]
        lines.append(f"| {name} | {' | '.join([*sizes, *times])} |")
    return "\n".join(lines) + "\n"


def page(program: Path, every: int, instructions: int, made: str) -> str:
    """docs/passes.md."""
    return (
        "# What region passes win\n\nMade by `python -m bench.passes --markdown docs/passes.md`; do not edit.\n\n"
        f"One in {every} regions of {program.name}, {instructions} guest instructions; each figure is for one of them. "
        "Times are of the CPU, on a machine with other work: a tenth more or less says nothing. How passes work: the "
        "first lines of each file in `translator/passes`.\n\n" + made
    )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.passes", description=__doc__)
    parser.add_argument("program", type=Path, nargs="?", help="an ELF program (default: Debian's busybox)")
    parser.add_argument("--every", type=int, default=60, metavar="N", help="one in N regions (default: 60)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write a page like docs/passes.md here")
    options = parser.parse_args()
    program: Path = options.program or AARCH64.busybox()
    sample = Sample(program, options.every)
    chosen = list(variants(sample.pipeline()))
    sample.cost(chosen[0])  # LLVM's start, and what a reader remembers, count for nobody
    costs = [(variant.name, sample.cost(variant)) for variant in chosen]
    made = table(costs)
    print(made, end="")
    if options.markdown:
        options.markdown.write_text(page(program, options.every, costs[0][1].instructions, made))


if __name__ == "__main__":
    main()
