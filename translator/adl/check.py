"""`python -m pyqemu.translator.adl.check FOLDER`: checks a description and prints its mistakes."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.asm import make_syntax
from pyqemu.translator.adl.conflicts import find_conflicts
from pyqemu.translator.adl.errors import DescriptionError, combined
from pyqemu.translator.adl.model import build
from pyqemu.translator.adl.parse import parse_folder, parse_text


def check_architecture(architecture: ast.Architecture) -> None:
    """Everything that is checked before instructions are elaborated. Raises DescriptionError."""
    model = build(architecture)
    errors = [*find_conflicts(model), *make_syntax(model)[1]]
    if errors:
        raise combined(errors)


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 if nothing is wrong, else 1."""
    parser = argparse.ArgumentParser(
        prog="check", description=__doc__, epilog="example: check targets/example"
    )
    parser.add_argument("folder", type=Path, help="an architecture's folder, or one .arch file (syntax only)")
    options = parser.parse_args(arguments)
    start = time.perf_counter()
    try:
        folder: Path = options.folder
        architecture = parse_folder(folder) if folder.is_dir() else parse_text(folder.read_text(), folder)
        if folder.is_dir():
            check_architecture(architecture)
    except DescriptionError as error:
        for one in error.all():
            print(one, file=sys.stderr)
        print(f"{len(error.all())} error(s)", file=sys.stderr)
        return 1
    instructions = sum(isinstance(d, ast.Instruction) for d in architecture.declarations)
    seconds = time.perf_counter() - start
    print(f"{len(architecture.declarations)} declarations, {instructions} instructions, {seconds:.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
