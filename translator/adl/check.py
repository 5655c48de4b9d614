"""`python -m pyqemu.translator.adl.check FOLDER`: checks a description and prints its mistakes."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.asm import make_syntax
from pyqemu.translator.adl.conflicts import find_conflicts
from pyqemu.translator.adl.errors import DescriptionError, combined
from pyqemu.translator.adl.model import Model, build
from pyqemu.translator.adl.parse import parse_folder, parse_text
from pyqemu.translator.target import ShapeLeaf, ShapeTree, Undefined


def check_architecture(architecture: ast.Architecture) -> Model:
    """Everything that is checked before instructions are elaborated. Raises DescriptionError."""
    model = build(architecture)
    errors = [*find_conflicts(model), *make_syntax(model)[1]]
    if errors:
        raise combined(errors)
    return model


def count_shapes(tree: ShapeTree) -> int:
    """How many stencils a shape tree needs."""
    match tree:
        case Undefined():
            return 0
        case ShapeLeaf():
            return 1
        case _:
            return sum(count_shapes(child) for child in tree.children.values())


def shape_report(model: Model) -> Iterator[str]:
    """A line for each encoding: how many stencils it needs, and how many shapes its guard has; then the sum.

    Raises DescriptionError.
    """
    from pyqemu.translator.adl.elaborate import Elaborator

    elaborator = Elaborator(model)
    errors: dict[ast.Span, DescriptionError] = {}
    total = 0
    for bound in model.encodings:
        try:
            count = count_shapes(elaborator.shapes(bound.encoding))
            guard = elaborator.guard(bound.encoding)
        except DescriptionError as error:
            errors.setdefault(error.span, error)
            continue
        total += count
        note = f", guard {count_shapes(guard)}" if guard is not None else ""
        yield f"{count:6} {bound.encoding.name}{note}"
    if errors:
        raise combined(errors.values())
    yield f"{total:6} in all"


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 if nothing is wrong, else 1."""
    parser = argparse.ArgumentParser(
        prog="check", description=__doc__, epilog="example: check targets/example"
    )
    parser.add_argument("folder", type=Path, help="an architecture's folder, or one .arch file (syntax only)")
    parser.add_argument(
        "--shapes", action="store_true", help="elaborate all instructions and count their stencils"
    )
    parser.add_argument("--variant", help="the variant that is checked (default: the first one)")
    options = parser.parse_args(arguments)
    start = time.perf_counter()
    try:
        architecture = _checked(options.folder, options.variant, shapes=options.shapes)
    except DescriptionError as error:
        for one in error.all():
            print(one, file=sys.stderr)
        print(f"{len(error.all())} error(s)", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"check: {error}", file=sys.stderr)
        return 1
    instructions = sum(isinstance(d, ast.Instruction) for d in architecture.declarations)
    seconds = time.perf_counter() - start
    print(f"{len(architecture.declarations)} declarations, {instructions} instructions, {seconds:.2f} s")
    return 0


def _checked(folder: Path, variant: str | None, *, shapes: bool) -> ast.Architecture:
    if not folder.is_dir():
        return parse_text(folder.read_text(encoding="utf-8"), folder)
    architecture = parse_folder(folder, variant)
    model = check_architecture(architecture)
    if shapes:
        for line in shape_report(model):
            print(line)
    return architecture


if __name__ == "__main__":
    sys.exit(main())
