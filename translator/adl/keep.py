"""Keeps a loaded architecture in a file, so that tools which run often need not read and elaborate its description.

The file is a zip archive of pickles, one for the model and one for each encoding's shapes, which are read when they
are first asked for. It is part of an installation, as Python's own bytecode is, and never taken from anywhere else.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.ir.function import Function
from pyqemu.translator.target import ShapeTree

#: The name of the file beside an architecture's packs.
SUFFIX = ".target"
_MODEL, _FUNCTIONS, _DIGEST, _GUARD = "model", "functions", "digest", "guard"


class KeptShapes:
    """Shapes by number of encoding, out of a file."""

    def __init__(self, path: Path) -> None:
        self._archive = zipfile.ZipFile(path)
        self._functions: dict[str, Function] | None = None

    def tree(self, number: int) -> ShapeTree:
        """All shapes of an encoding."""
        return self.read(str(number))

    def guard(self, number: int) -> ShapeTree | None:
        """All shapes of an encoding's guard, if it has one."""
        return self.read(f"{_GUARD}{number}")

    def functions(self) -> dict[str, Function]:
        """The outlined functions that any shape calls."""
        if self._functions is None:
            self._functions = dict(self.read(_FUNCTIONS))
        return self._functions

    def read(self, name: str) -> Any:
        """An object by name."""
        return pickle.loads(self._archive.read(name))


def keep(
    target: DescribedTarget, trees: Sequence[ShapeTree], guards: Sequence[ShapeTree | None], digest: bytes
) -> bytes:
    """The file's contents; `trees` are the shapes of all encodings, in order, `guards` those of their guards."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(_DIGEST, digest)
        archive.writestr(_MODEL, pickle.dumps(target.model, 5))
        archive.writestr(_FUNCTIONS, pickle.dumps(dict(target.functions()), 5))
        for number, tree in enumerate(trees):
            archive.writestr(str(number), pickle.dumps(tree, 5))
        for number, tree in enumerate(guards):
            archive.writestr(f"{_GUARD}{number}", pickle.dumps(tree, 5))
    return data.getvalue()


def kept_digest(path: Path) -> bytes:
    """The digest that the file was written with; empty if there is no such file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(_DIGEST)
    except (OSError, KeyError, zipfile.BadZipFile):
        return b""


def load_kept(path: Path) -> DescribedTarget:
    """The architecture that was kept. OSError if there is no such file."""
    shapes = KeptShapes(path)
    return DescribedTarget(shapes.read(_MODEL), shapes)
