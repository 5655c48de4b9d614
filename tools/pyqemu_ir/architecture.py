"""The architecture that is asked for: by name, by its folder, or by the program that is for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pyqemu.hostgen.hosts import x86_64
from pyqemu.hostgen.lower import Machine
from pyqemu.hostgen.pack import machine_for
from pyqemu.tools.command import Mistake, context_of, model_of
from pyqemu.tools.installed import installed_packs, packs_folder
from pyqemu.translator.adl.errors import DescriptionError
from pyqemu.translator.adl.keep import SUFFIX, load_kept
from pyqemu.translator.adl.load import DescribedTarget, load
from pyqemu.translator.program.image import Image
from pyqemu.translator.target import CpuModel


@dataclass(frozen=True, slots=True)
class Architecture:
    """A guest architecture on a host level, in a context, with a CPU model's features."""

    target: DescribedTarget
    machine: Machine
    context: Mapping[str, int]
    cpu: CpuModel


def open_architecture(
    named: str | None, image: Image | None, level: str, context: Sequence[str], cpu: str | None
) -> Architecture:
    """`named`: a name or a path; without it, what the program `image` is for, or the only one there is.

    Raises Mistake.
    """
    target = _opened(_path(named, image))
    machine = machine_for(target, x86_64.host(level))
    return Architecture(target, machine, context_of(target, context), model_of(target, cpu))


@cache
def _opened(path: Path) -> DescribedTarget:
    try:
        return load(path) if path.is_dir() else load_kept(path)
    except DescriptionError as error:
        raise Mistake(str(error)) from None


def _path(named: str | None, image: Image | None) -> Path:
    """An architecture's folder, or the file that it was kept in."""
    if named is None:
        return _kept_for(image)
    path = Path(named)
    if (path / "main.arch").exists() or (path.suffix == SUFFIX and path.exists()):
        return path
    kept = packs_folder() / f"{named}{SUFFIX}"
    if not kept.exists():
        known = ", ".join(_installed()) or "none"
        raise Mistake(f"--target {named}: no such architecture; installed: {known}")
    return kept


def _installed() -> dict[str, Path]:
    return {path.stem: path for path in sorted(packs_folder().glob(f"*{SUFFIX}"))}


def _kept_for(image: Image | None) -> Path:
    if image is not None:
        for pack in installed_packs():
            if pack.runs(image.machine, image.word_bytes):
                return pack.target
        kind = f"{8 * image.word_bytes}-bit programs of ELF machine {image.machine}"
        raise Mistake(f"no architecture is installed for {kind}")
    installed = _installed()
    if len(installed) != 1:
        raise Mistake(f"--target NAME is wanted; installed: {', '.join(installed) or 'none'}")
    return next(iter(installed.values()))
