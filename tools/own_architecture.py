"""An architecture that a user describes, in a folder of their own: its packs, built where they are wanted."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pyqemu.hostgen.hosts import x86_64
from pyqemu.tools.build_pack import build, is_current
from pyqemu.tools.command import Mistake
from pyqemu.tools.pack_digests import digests_of
from pyqemu.translator.adl.keep import SUFFIX, kept_digest, load_kept
from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.adl.parse import variant_names

#: In the architecture's folder: where packs go if nothing else is said.
BUILD = "build"


def best_level() -> str:
    """The host level whose packs run fastest here."""
    return max(x86_64.supported_levels())


@dataclass(frozen=True)
class OwnArchitecture:
    """One architecture of the folder: all of it, or a variant. `out`: where its packs are."""

    folder: Path
    variant: str | None
    out: Path

    @property
    def name(self) -> str:
        """What its packs are called."""
        return self.variant or self.folder.resolve().name

    def pack(self, level: str) -> Path:
        """The pack for a host level, built or not."""
        return self.out / f"{self.name}.{level}.pack"

    @property
    def _kept(self) -> Path:
        return self.out / f"{self.name}{SUFFIX}"

    def is_current(self, level: str) -> bool:
        """Whether the pack for a host level is there, made of the description as it is."""
        whole = kept_digest(self._kept) == digests_of(self.folder, self.variant, "").stencils
        return whole and is_current(self.pack(level), digests_of(self.folder, self.variant, level))

    def build(self, levels: Iterable[str], jobs: int | None = None, *, check: bool = False) -> None:
        """Makes the packs that are not current. Raises DescriptionError, LinuxTableError or UnsupportedError for what
        is wrong with the description, and OSError.
        """
        build(self.folder, self.out, levels, jobs or os.cpu_count() or 1, variant=self.variant, check=check)

    @cached_property
    def target(self) -> DescribedTarget:
        """The architecture as it was built last, for assembling and decoding."""
        return load_kept(self._kept)


def own_architectures(folder: Path, variant: str | None, out: Path | None) -> Iterator[OwnArchitecture]:
    """The architecture that `folder` describes, or its variants, or the one that is named. Raises Mistake."""
    if folder.is_file():
        raise Mistake(f"{folder}: a file; give the folder that it is in, {folder.parent}")
    if not (folder / "main.arch").is_file():
        raise Mistake(f"{folder}: there is no main.arch in it; an architecture begins with that file")
    known = variant_names(folder)
    if variant is not None and variant not in known:
        raise Mistake(f"--variant {variant}: no such variant; there are {', '.join(known) or 'none'}")
    for name in [variant] if variant is not None else known or [None]:
        yield OwnArchitecture(folder, name, out or folder / BUILD)
