"""`python -m pyqemu.translator.adl.shape_report FOLDER`: elaborates a description, counts its shapes."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from pyqemu.translator.adl.elaborate import Elaborator
from pyqemu.translator.adl.errors import DescriptionError
from pyqemu.translator.adl.model import Model, build
from pyqemu.translator.adl.parse import parse_folder
from pyqemu.translator.adl.shapes import paths
from pyqemu.translator.ir.printer import print_function
from pyqemu.translator.target import Undefined


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 if nothing is wrong, else 1."""
    parser = argparse.ArgumentParser(
        prog="shape_report", description=__doc__, epilog="example: shape_report targets/example --top 20"
    )
    parser.add_argument("folder", type=Path, help="an architecture's folder")
    parser.add_argument("--top", type=int, default=10, help="how many encodings to list, most shapes first")
    parser.add_argument(
        "--ir", metavar="ENCODING", action="append", default=[], help="print this encoding's IR"
    )
    options = parser.parse_args(arguments)
    try:
        model = build(parse_folder(options.folder))
    except DescriptionError as error:
        for one in error.all():
            print(one, file=sys.stderr)
        return 1
    return _report(model, options.top, options.ir)


def _report(model: Model, top: int, shown: list[str]) -> int:
    start, elaborator, failed = time.perf_counter(), Elaborator(model), False
    counts: list[tuple[int, str]] = []
    for bound in model.encodings:
        encoding = bound.encoding
        try:
            shapes = [leaf for _, leaf in paths(elaborator.shapes(encoding))]
        except DescriptionError as error:
            failed = True
            print(error, file=sys.stderr)
            continue
        counts.append((len(shapes), encoding.name))
        if encoding.name in shown:
            guards = [leaf for _, leaf in paths(elaborator.guard(encoding) or Undefined())]
            shapes = [*shapes, *guards]
            print("\n".join(print_function(leaf.function) for leaf in shapes))
    for count, name in sorted(counts, reverse=True)[:top]:
        print(f"{count:6} {name}")
    seconds, outlined = time.perf_counter() - start, len(elaborator.functions())
    total = sum(count for count, _ in counts)
    print(f"{total} shapes of {len(counts)} encodings, {outlined} outlined functions, {seconds:.1f} s")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
