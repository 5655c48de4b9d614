"""What an installation holds: packs, and the architectures kept for the tools.

They lie in `share/pyqemu/packs` of the Python environment; `PYQEMU_PACKS` names another folder.
"""

from __future__ import annotations

import os
import platform
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile  # pyright: ignore[reportMissingTypeStubs]

from pyqemu.hostgen.hosts import x86_64
from pyqemu.hostgen.pack_format import KvRec, PackHeader
from pyqemu.translator.adl.keep import SUFFIX


class NotInstalled(Exception):
    """Something that is wanted is not there; says what."""


@dataclass(frozen=True, slots=True)
class InstalledPack:
    """A pack: its digest, its architecture, the host level by its short name, and what its personality says."""

    path: Path
    digest: bytes
    level: str
    personality: dict[str, str]

    @property
    def architecture(self) -> str:
        """The name of the architecture's folder, or of the variant."""
        return self.path.name.split(".")[0]

    def runs(self, machine: int, word_bytes: int) -> bool:
        """Whether it is for programs of that ELF machine and class."""
        found = self.personality.get("elf.machine"), self.personality.get("word_bytes", "8")
        return found == (str(machine), str(word_bytes))

    @property
    def resuming(self) -> frozenset[str]:
        """Names of the exceptions behind which a program goes on: system calls and their like."""
        prefix = "exception."
        return frozenset(
            key.removeprefix(prefix)
            for key, meaning in self.personality.items()
            if key.startswith(prefix) and not meaning.startswith("signal")
        )

    @property
    def marked(self) -> str:
        """The context variable that is bit 0 of pointers to code; '' if there is none."""
        return self.personality.get("code_address.bit0", "")

    @property
    def target(self) -> Path:
        """The architecture, kept for the tools."""
        return self.path.with_name(self.architecture + SUFFIX)


def packs_folder() -> Path:
    """Where the packs are."""
    named = os.environ.get("PYQEMU_PACKS")
    return Path(named) if named else Path(sysconfig.get_path("data")) / "share/pyqemu/packs"


def read_pack(path: Path) -> InstalledPack:
    """What a pack says of itself. Raises OSError."""
    status = path.stat()
    return _read_pack(path, status.st_mtime_ns, status.st_ino)


@lru_cache
def _read_pack(path: Path, _modified: int, _inode: int) -> InstalledPack:
    with path.open("rb") as file:
        elf: Any = ELFFile(file)
        header = PackHeader.unpack(elf.get_section_by_name(".pq.header").data())
        strings: bytes = elf.get_section_by_name(".pq.str").data()
        pairs: bytes = elf.get_section_by_name(".pq.kv").data()

    def text(offset: Any) -> str:
        return strings[offset : strings.index(b"\0", offset)].decode()

    personality: dict[str, str] = {}
    for place in range(0, len(pairs), KvRec.size):
        record = KvRec.unpack(pairs, place)
        personality[text(record["key"])] = text(record["value"])
    digest = header["digest"]
    assert isinstance(digest, bytes)
    return InstalledPack(path, digest, text(header["host_level"]).rpartition("-")[2], personality)


def installed_packs() -> Iterator[InstalledPack]:
    """All packs, best host level first."""
    paths = sorted(packs_folder().glob("*.pack"), reverse=True)
    if not paths:
        raise NotInstalled(f"no packs in {packs_folder()}")
    yield from map(read_pack, paths)


def pack_for(machine: int, word_bytes: int) -> InstalledPack:
    """The pack with which this host runs programs of an ELF machine and class. Raises NotInstalled."""
    levels = x86_64.supported_levels()
    for pack in installed_packs():
        if pack.level in levels and pack.runs(machine, word_bytes):
            return pack
    kind = f"{8 * word_bytes}-bit programs of ELF machine {machine}"
    raise NotInstalled(f"no pack for {kind} on {platform.machine()}")
