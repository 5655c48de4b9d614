"""The command that an architecture's harness is: its options, and a run."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.target import Encoding
from tests.targets.harness.compare import Oracle, Report
from tests.targets.harness.drawn import Drawn
from tests.targets.harness.interpreter import Run
from tests.targets.harness.machine import Architecture, Case, S, build_runner


class Generator(Protocol[S]):
    """Makes cases."""

    drawn: Drawn

    def cases(self, encoding: Encoding, count: int) -> Iterator[tuple[Case[S], Run[S]]]:
        """`count` cases about `encoding`, each with what the interpreter makes of it."""
        ...

    def sequences(self, encodings: Sequence[Encoding], count: int, length: int) -> Iterator[tuple[Case[S], Run[S]]]:
        """Sequences of `length` words of `encodings`."""
        ...


def options(about: str, emulator: str) -> argparse.ArgumentParser:
    """A parser of the options; `emulator` is the default command."""
    parser = argparse.ArgumentParser(
        prog="harness", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = {"nargs": "*", "default": [], "metavar": "NAME"}
    parser.add_argument("--files", help="encodings of these .arch files only", **names)
    parser.add_argument("--encodings", help="these encodings or instructions only", **names)
    parser.add_argument("--count", type=int, default=200, help="cases for each encoding (default 200)")
    parser.add_argument("--sequences", type=int, default=0, help="run so many sequences instead of single words")
    parser.add_argument("--length", type=int, default=6, help="words of a sequence (default 6)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--emulator", default=emulator, help="command (default: %(default)s)")
    parser.add_argument("--show", type=int, default=3, help="mismatches shown for each encoding")
    return parser


def encodings_of(target: DescribedTarget, files: Collection[str]) -> list[Encoding]:
    """The encodings in these .arch files."""
    return [e for e in target.encodings if target.bound(e).declaration.span.file.stem in files]


def run(
    chosen: argparse.Namespace,
    target: DescribedTarget,
    architecture: Architecture[S],
    generator: Generator[S],
    oracle: tuple[Oracle, ...],
    not_run: Collection[str],
    not_in_sequences: Collection[str],
) -> int:
    """Runs what the options want, prints the report; 1 if there is a mismatch."""
    encodings = [
        e
        for e in (encodings_of(target, chosen.files) if chosen.files else target.encodings)
        if (not chosen.encodings or e.name in chosen.encodings or e.instruction in chosen.encodings)
        and e.instruction not in not_run
    ]
    report = Report(target, architecture, oracle)
    with tempfile.TemporaryDirectory() as folder:
        command = [*chosen.emulator.split(), str(build_runner(architecture, Path(folder)))]
        if chosen.sequences:
            inside = [e for e in encodings if e.instruction not in not_in_sequences]
            report.compare(command, generator.sequences(inside, chosen.sequences, chosen.length))
        else:
            for encoding in encodings:
                report.compare(command, generator.cases(encoding, chosen.count))
    report.write(sys.stdout, chosen.show)
    return 1 if report.mismatches else 0
