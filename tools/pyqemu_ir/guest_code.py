"""Guest code that is to be shown: from the command line, from stdin, or out of an ELF file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyqemu.tools.command import Mistake, number
from pyqemu.tools.pyqemu_ir.architecture import Architecture
from pyqemu.translator.errors import AssemblyError
from pyqemu.translator.lift.module import Module, read_module
from pyqemu.translator.program.elf import read_elf
from pyqemu.translator.program.image import Image
from pyqemu.translator.target import Unit

_HEX = re.compile(r"(0x)?([0-9a-fA-F]+)\Z")


@dataclass(frozen=True, slots=True)
class GuestCode:
    """Bytes `start` … `end` of a module, by module offset; `base` is the address of offset 0."""

    name: str
    base: int
    start: int
    pieces: tuple[tuple[int, bytes], ...]
    end: int

    def fetch(self, offset: int, size: int) -> bytes | None:
        """`size` bytes at a module offset; None if they are not all there."""
        for start, data in self.pieces:
            if start <= offset and offset + size <= start + len(data):
                return data[offset - start : offset - start + size]
        return None

    def inside(self, offset: int) -> bool:
        """Whether an offset belongs to what is shown."""
        return self.start <= offset < self.end


# --- words and assembly --------------------------------------------------------------------------


def from_lines(lines: Iterable[str], architecture: Architecture, here: int) -> GuestCode:
    """Instructions one after the other from address `here` on, each as hex or as assembly. Raises Mistake."""
    data = b""
    for line in lines:
        text = line.strip()
        if text:
            data += _bytes(text, architecture, here + len(data))
    if not data:
        raise Mistake("no instruction is given")
    return GuestCode(f"code_{here:x}", 0, here, ((here, data),), here + len(data))


def _bytes(text: str, architecture: Architecture, here: int) -> bytes:
    return _from_hex(text, architecture.target.units) or _assembled(text, architecture, here)


def _from_hex(text: str, units: Sequence[Unit]) -> bytes | None:
    """Words of whole units (`8b020020`), or bytes as they lie in memory (`20 00 02 8b`); None if it is neither."""
    tokens = [match[2] for match in map(_HEX.match, text.split()) if match]
    if len(tokens) != len(text.split()):
        return None
    if all(len(token) == 2 for token in tokens):
        return bytes.fromhex("".join(tokens))
    words = [_word(token, units) for token in tokens]
    return None if None in words else b"".join(word for word in words if word is not None)


def _word(token: str, units: Sequence[Unit]) -> bytes | None:
    for unit in units:
        if len(token) * 4 == unit.width:
            return unit.code_of(int(token, 16))
    return None


def _assembled(text: str, architecture: Architecture, here: int) -> bytes:
    try:
        found = architecture.target.assemble(text, here, architecture.context, architecture.cpu.features)
    except AssemblyError as error:
        advice = f"; {' '.join(error.advice.split())}" if error.advice else ""
        raise Mistake(f"{text!r}: column {error.column}: {error.message}{advice}") from None
    return found[0].code()


# --- ELF files -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GuestFile:
    """A program or library: its code by module offset, and what else its file says."""

    path: Path
    module: Module
    image: Image


def read_program(path: Path) -> GuestFile:
    """The file at `path`. Raises GuestFileError or OSError."""
    data = path.read_bytes()
    return GuestFile(path, read_module(data), read_elf(data))


def from_symbol(file: GuestFile, name: str) -> GuestCode:
    """The code of a function by its name. Raises Mistake."""
    found = next((symbol for symbol in file.image.symbols if symbol.name == name), None)
    if found is None:
        raise Mistake(f"{file.path}: no function {name!r} among its symbols; --range takes addresses")
    ends = {extent.start: extent.end for extent in file.image.extents}
    end = found.address + found.size if found.size else ends.get(found.address)
    if end is None:
        raise Mistake(f"{file.path}: symbol {name} at {found.address:#x} has no size; give its --range")
    return from_range(file, found.address, end, name)


def parse_range(text: str) -> tuple[int, int]:
    """`0x400:0x480`, the end not included. Raises Mistake."""
    first, colon, last = text.partition(":")
    if not colon:
        raise Mistake(f"--range {text}: START:END is wanted")
    start, end = (number(part, f"--range {text}") for part in (first, last))
    if end <= start:
        raise Mistake(f"--range {text}: it ends before it begins")
    return start, end


def from_range(file: GuestFile, start: int, end: int, name: str = "") -> GuestCode:
    """The code at linked addresses `start` … `end`. Raises Mistake."""
    module = file.module
    first, last = start - module.base, end - module.base
    if module.fetch(first, last - first) is None:
        raise Mistake(f"{file.path}: {start:#x}:{end:#x} is not all code")
    return GuestCode(name or f"sub_{start:x}", module.base, first, module.code, last)
