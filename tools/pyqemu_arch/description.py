"""`pyqemu-arch check` and `build`: a description's mistakes, and its packs."""

from __future__ import annotations

import argparse
import sys

from pyqemu.hostgen.hosts import x86_64
from pyqemu.tools.own_architecture import best_level, own_architectures
from pyqemu.tools.progress import Progress
from pyqemu.translator.adl.check import check_architecture, count_shapes
from pyqemu.translator.adl.doubts import doubts
from pyqemu.translator.adl.elaborate import Elaborator
from pyqemu.translator.adl.errors import DescriptionError, combined
from pyqemu.translator.adl.model import Model
from pyqemu.translator.adl.parse import parse_folder
from pyqemu.translator.linux_table import flatten


def check(options: argparse.Namespace) -> int:
    """Reads and elaborates everything. Raises DescriptionError with all mistakes found."""
    for own in own_architectures(options.folder, options.variant, None):
        model = check_architecture(parse_folder(own.folder, own.variant))
        shapes = sum(shape_counts(model))
        if (own.folder / "linux.toml").exists():
            flatten(own.folder / "linux.toml", own.variant)
        what = f"{len(model.instructions)} instructions, {len(model.encodings)} encodings, {shapes} shapes"
        for doubt in doubts(model):
            print(doubt.shown("warning"), file=sys.stderr)
        print(f"{own.name}: {what}: no mistakes")
    return 0


def shape_counts(model: Model) -> list[int]:
    """How many stencils each encoding needs. Raises DescriptionError."""
    elaborator, counts, errors = Elaborator(model), list[int](), dict[object, DescriptionError]()
    with Progress("elaborating", len(model.encodings)) as progress:
        for bound in model.encodings:
            try:
                counts.append(count_shapes(elaborator.shapes(bound.encoding)))
                elaborator.guard(bound.encoding)
            except DescriptionError as error:  # encodings of one instruction have the same
                errors.setdefault(error.span, error)
            progress.advance(1)
    if errors:
        raise combined(errors.values())
    return counts


def build(options: argparse.Namespace) -> int:
    """Makes the packs that are not current, and names them all."""
    levels = options.level or [best_level()]
    for own in own_architectures(options.folder, options.variant, options.out):
        current = [level for level in levels if own.is_current(level)]
        if len(current) < len(levels):
            own.build(levels, options.jobs, check=options.check)
        for level in levels:
            said = "is current" if level in current else "is built"
            here = "" if level in x86_64.supported_levels() else " (not for this machine)"
            print(f"{own.pack(level)} {said}{here}")
    return 0
