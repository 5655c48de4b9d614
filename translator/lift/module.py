"""A guest ELF file as a module: its code by module offset, and the key by which archives are found.

docs/archive.md says what offsets and keys are. Header fields are read by pyelftools.
"""

from __future__ import annotations

import hashlib
import io
import struct
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

from elftools.common.exceptions import ELFError  # pyright: ignore[reportMissingTypeStubs]
from elftools.elf.elffile import ELFFile  # pyright: ignore[reportMissingTypeStubs]

from pyqemu.translator.errors import GuestFileError

_PAGE = 4096
_KEY_BYTES = 16
_MOST_NOTE_BYTES = 4096
_ELF_HEADER_BYTES = 64
_MOST_EXTENT = 1 << 32  # offsets have 32 bits


@dataclass(frozen=True, slots=True)
class Module:
    """`base` is the address as linked of module offset 0; offsets lie below `extent`.

    `code` are (offset, bytes) of executable segments, ascending.
    """

    key: bytes
    base: int
    extent: int
    entry: int  # module offset of where the program starts
    code: tuple[tuple[int, bytes], ...]

    def fetch(self, offset: int, size: int) -> bytes | None:
        """`size` bytes of executable code at module offset `offset`; None if they are not all there."""
        place = bisect_right(self.code, offset, key=lambda piece: piece[0]) - 1
        if place < 0:
            return None
        start, data = self.code[place]
        found = data[offset - start : offset - start + size]
        return found if len(found) == size else None


def read_module(data: bytes) -> Module:
    """The module in a file's contents. Raises GuestFileError."""
    try:
        elf: Any = ELFFile(io.BytesIO(data))
        segments: list[Any] = list(elf.iter_segments())
    except (ELFError, ValueError, KeyError, OverflowError, struct.error) as error:
        raise GuestFileError(f"not an ELF file: {error}") from None
    loads = [s for s in segments if s["p_type"] == "PT_LOAD"]
    if not loads:
        raise GuestFileError("an ELF file without anything to load")
    base = min(s["p_vaddr"] for s in loads) & -_PAGE
    extent = max(s["p_vaddr"] + s["p_memsz"] for s in loads) - base
    if extent > _MOST_EXTENT:
        raise GuestFileError("an ELF file with segments that are more than 4 GiB apart")
    code = sorted(
        (s["p_vaddr"] - base, data[s["p_offset"] : s["p_offset"] + s["p_filesz"]]) for s in loads if s["p_flags"] & 1
    )
    return Module(module_key(data, elf, segments), base, extent, elf["e_entry"] - base, tuple(code))


def module_key(data: bytes, elf: Any, segments: list[Any]) -> bytes:
    """What archives of the file are called."""
    total = hashlib.blake2b(digest_size=_KEY_BYTES)
    total.update(struct.pack("<Q", len(data)))
    total.update(data[:_ELF_HEADER_BYTES])
    start, size = elf["e_phoff"], elf["e_phnum"] * elf["e_phentsize"]
    total.update(data[start : start + size])
    left = _MOST_NOTE_BYTES
    for segment in segments:
        if segment["p_type"] == "PT_NOTE" and left > 0:
            note = data[segment["p_offset"] : segment["p_offset"] + min(segment["p_filesz"], left)]
            total.update(note)
            left -= len(note)
    return total.digest()
