"""Objects of LLVM back to functions with relocations; and many modules compiled so in worker processes.

Everything a function refers to stays by name here: holes, NEXT and exits, outlined functions, constants.
Constants that LLVM put aside are content-named, so that equal ones of different objects become one.
"""

from __future__ import annotations

import hashlib
import io
import struct
import sys
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from types import ModuleType
from typing import Any

from elftools.elf.elffile import ELFFile  # pyright: ignore[reportMissingTypeStubs]

from pyqemu.hostgen.compiler import compile_module
from pyqemu.hostgen.host import Host

#: Symbols of constants: `const.<digest>`.
CONSTANT = "const."


@dataclass(frozen=True, slots=True)
class Patch:
    """A relocation: ELF type `type` at `offset` of the code or constant, to `symbol` + `addend`."""

    offset: int
    type: int
    symbol: str
    addend: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Code of a function, or a constant."""

    data: bytes
    patches: tuple[Patch, ...]
    align: int


@dataclass(frozen=True, slots=True)
class ObjectFile:
    """What is in an object: functions and constants by symbol."""

    functions: dict[str, Piece]
    constants: dict[str, Piece]


@dataclass(frozen=True, slots=True)
class _Section:
    name: str
    data: bytes
    align: int
    entry: int  # size of the section's equal-sized entries, 0 if they are not
    patches: tuple[Patch, ...]


# Records that an object has by the thousand; pyelftools reads them field by field.
_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QQq")
_FIRST_RESERVED = 0xFF00  # numbers from there on are no sections
_LOCAL = 0  # a symbol's binding
_OBJECT, _FUNCTION, _SECTION = 1, 2, 3  # types of symbols


@dataclass(frozen=True, slots=True)
class _Symbol:
    """`section` is the number of the section that it lies in, if there is one."""

    name: str
    type: int
    bind: int
    section: int | None
    value: int
    size: int


def _read_symbols(records: bytes, names: bytes) -> list[_Symbol]:
    symbols: list[_Symbol] = []
    for start, info, _, section, value, size in _SYMBOL.iter_unpack(records):
        name = names[start : names.index(0, start)].decode()
        place = section if 0 < section < _FIRST_RESERVED else None
        symbols.append(_Symbol(name, info & 15, info >> 4, place, value, size))
    return symbols


class ObjectReader:
    """One object's sections and symbols, for those who want more than `read_object` gives."""

    def __init__(self, data: bytes) -> None:
        elf: Any = ELFFile(io.BytesIO(data))
        symtab: Any = elf.get_section_by_name(".symtab")
        self.symbols = _read_symbols(symtab.data(), elf.get_section(symtab["sh_link"]).data())
        self.sections: dict[int, _Section] = {}
        self.constants: dict[str, Piece] = {}
        self._functions = {s.name: s for s in reversed(self.symbols) if s.type == _FUNCTION}
        patches: dict[int, list[Patch]] = {}
        sections: list[Any] = list(elf.iter_sections())
        for section in sections:
            if section["sh_type"] == "SHT_RELA":
                patches[section["sh_info"]] = [self._patch(*r) for r in _RELOCATION.iter_unpack(section.data())]
        for number, section in enumerate(sections):
            if section["sh_type"] == "SHT_PROGBITS" and section["sh_flags"] & 2 and section["sh_size"]:
                self.sections[number] = _Section(
                    section.name, section.data(), section["sh_addralign"], section["sh_entsize"],
                    tuple(sorted(patches.get(number, []), key=lambda p: p.offset)),
                )  # fmt: skip

    def _patch(self, offset: int, info: int, addend: int) -> Patch:
        symbol = self.symbols[info >> 32]
        if symbol.section is not None and (symbol.type == _SECTION or symbol.bind == _LOCAL):
            name = f"@{symbol.section}+{symbol.value}"  # made a constant's name below
        else:
            name = symbol.name
        return Patch(offset, info & 0xFFFFFFFF, name, addend)

    def section(self, name: str) -> _Section | None:
        """A section by name."""
        return next((section for section in self.sections.values() if section.name == name), None)

    def function(self, name: str) -> tuple[int, int]:
        """Offset in .text, and size."""
        symbol = self._functions[name]
        return symbol.value, symbol.size

    def named_constants(self) -> dict[str, Piece]:
        """Data that has a name of its own, by that."""
        found: dict[str, Piece] = {}
        for symbol in self.symbols:
            if symbol.type == _OBJECT and symbol.section is not None and symbol.bind != _LOCAL:
                section, start = self.sections[symbol.section], symbol.value
                found[symbol.name] = Piece(section.data[start : start + symbol.size], (), section.align)
        return found

    def piece(self, start: int, size: int) -> Piece:
        """A part of .text; the constants that it refers to are put into `constants`."""
        section = self.section(".text")
        assert section is not None
        return _piece(self, section, start, size, self.constants)

    def text_offset(self, patch: Patch) -> int:
        """Where in .text a relocation leads."""
        name = patch.symbol
        if name.startswith("@"):
            return int(name.partition("+")[2]) + patch.addend
        return self.function(name)[0] + patch.addend


def read_object(data: bytes) -> ObjectFile:
    """Functions and constants of an object; AssertionError for anything else in it (writable data, say)."""
    reader = ObjectReader(data)
    functions: dict[str, Piece] = {}
    constants = reader.named_constants()
    for symbol in reader.symbols:
        if symbol.type == _FUNCTION and symbol.section is not None:
            functions[symbol.name] = _function(reader, symbol, constants)
    return ObjectFile(functions, constants)


def _function(reader: ObjectReader, symbol: _Symbol, constants: dict[str, Piece]) -> Piece:
    assert symbol.section is not None
    return _piece(reader, reader.sections[symbol.section], symbol.value, symbol.size, constants)


def _piece(reader: ObjectReader, section: _Section, start: int, size: int, constants: dict[str, Piece]) -> Piece:
    patches: list[Patch] = []
    for patch in section.patches:
        if start <= patch.offset < start + size:
            name = patch.symbol
            if name.startswith("@"):
                name = _constant(reader, name, constants)
            patches.append(Patch(patch.offset - start, patch.type, name, patch.addend))
    return Piece(section.data[start : start + size], tuple(patches), 16)


def _constant(reader: ObjectReader, name: str, constants: dict[str, Piece]) -> str:
    """Names what lies at `@section+offset` by its content; a section without equal entries is taken whole."""
    number, _, offset = name[1:].partition("+")
    section = reader.sections[int(number)]
    assert not section.name.startswith((".data", ".bss")), f"writable data: {section.name}"
    assert not section.patches, f"addresses in constants: {section.name}"
    start = int(offset)
    if section.entry:
        content = section.data[start : start + section.entry]
    else:
        assert start == 0 or section.align > 0
        content = section.data[start:]
    align = max(section.align, section.entry and 1)
    digest = hashlib.sha256(bytes([align]) + content).hexdigest()[:16]
    constants[CONSTANT + digest] = Piece(content, (), align)
    return CONSTANT + digest


def _compile_and_read(text: str, triple: str, cpu: str, features: str) -> ObjectFile:
    return read_object(compile_module(text, triple, cpu, features))


@contextmanager
def _without_script() -> Generator[None]:
    """Lets processes that are started meanwhile not run the program's main script again: they need nothing of it, and
    one that builds packs as it is read would build them in each of them.
    """
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


def compile_batches(modules: Sequence[str], host: Host, jobs: int) -> Iterator[ObjectFile]:
    """What many modules become, in order, made by `jobs` processes."""
    level = host.level
    if jobs <= 1 or len(modules) <= 1:
        for text in modules:
            yield _compile_and_read(text, host.triple, level.cpu, level.features)
        return
    settings = [host.triple], [level.cpu], [level.features]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        with _without_script():  # which starts them
            objects = pool.map(_compile_and_read, modules, *(one * len(modules) for one in settings))
        yield from objects
