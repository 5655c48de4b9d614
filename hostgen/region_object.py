"""Regions compiled: LLVM objects read back as code with its constants, entries, accesses, and what is to be linked."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyqemu.hostgen.archive_format import CONTEXT_VALUES
from pyqemu.hostgen.compiler import Effort, compile_module
from pyqemu.hostgen.emit import Module
from pyqemu.hostgen.host import Host
from pyqemu.hostgen.lower import touches_fp
from pyqemu.hostgen.objects import ObjectReader, Patch
from pyqemu.hostgen.region_access import FAULTS
from pyqemu.hostgen.regions import ENTRIES, Exit, RegionText
from pyqemu.translator.errors import UnsupportedError
from pyqemu.translator.ir.function import Function
from pyqemu.translator.ir.ops import PURE
from pyqemu.translator.ir.types import Vec
from pyqemu.translator.lift.region import Region


@dataclass(frozen=True, slots=True)
class Access:
    """Offsets in the code of an access and its landing, and the instruction's module offset."""

    access: int
    landing: int
    guest: int


@dataclass(frozen=True, slots=True)
class CompiledRegion:
    """A region's code, constants behind it; name, ranges, number of instructions and context are the region's.

    `patches` are relative fields that refer to the table (module_address.ORIGIN, regions.EXITS) or to support code.
    Entries are (module offset, offset in the code). `context` is as `stored_context` gives it.
    """

    name: str
    ranges: tuple[tuple[int, int], ...]
    instructions: int
    code: bytes
    patches: tuple[Patch, ...]
    entries: tuple[tuple[int, int], ...]
    accesses: tuple[Access, ...]
    exits: tuple[Exit, ...]
    context: tuple[int, ...]


def stored_context(context: Mapping[str, int]) -> tuple[int, ...]:
    """A context as archives have it: values of all variables, and zeros for what the architecture does not have."""
    return (*context.values(), *[0] * CONTEXT_VALUES)[:CONTEXT_VALUES]


def module_text(regions: Sequence[RegionText], host: Host) -> str:
    """One LLVM module of several regions; region n is function `r<n>`."""
    module = Module(host.triple)
    for number, text in enumerate(regions):
        module.merge(text.module)
        module.functions.append(f'define preserve_nonecc void @"r{number}"{text.body}')
        if text.entries:
            addresses = ", ".join(f"ptr blockaddress(@r{number}, %{label})" for label in text.entries)
            section = f'section "{ENTRIES}"'
            array = f"[{len(text.entries)} x ptr] [{addresses}]"
            module.functions.append(f"@e{number} = hidden constant {array}, {section}, align 8")
    return module.text()


def compile_regions(regions: Sequence[RegionText], host: Host) -> list[CompiledRegion]:
    """Compiles regions, in one module those that LLVM is to take the same effort for."""
    made: list[CompiledRegion] = []
    efforts = [effort_for(text.region) for text in regions]
    for effort in Effort:
        texts = [text for text, its in zip(regions, efforts, strict=True) if its is effort]
        if texts:
            level = host.level
            data = compile_module(module_text(texts, host), host.triple, level.cpu, level.features, effort)
            made += read_regions(data, texts, host)
    return made


def effort_for(region: Region) -> Effort:
    """What a region is worth. Loops over integers are faster without most of LLVM's passes, which keep more values than
    there are registers; loops that compute with floats or vectors need them.
    """
    if not region.loops:
        return Effort.STRAIGHT
    return Effort.FULL if touches_fp(region.function) or _computes_vectors(region.function) else Effort.LOOPS


def _computes_vectors(function: Function) -> bool:
    ops = (op for block in function.blocks for op in block.ops if op.name in PURE and op.name != "bitcast")
    return any(isinstance(value.type, Vec) and value.type.lanes > 1 for op in ops for value in op.operands)


def read_regions(data: bytes, regions: Sequence[RegionText], host: Host) -> list[CompiledRegion]:
    """The regions in the object that their module became."""
    return _Reader(data, host).regions(regions)


class _Reader:
    """One object of regions."""

    def __init__(self, data: bytes, host: Host) -> None:
        self._host = host
        self._object = ObjectReader(data)
        self._object.constants.update(self._object.named_constants())
        self._accesses = self._addresses(FAULTS, 3)
        self._entries = self._addresses(ENTRIES, 1)

    def _addresses(self, name: str, width: int) -> list[tuple[int, ...]]:
        """Rows of a section of addresses: offsets in .text where it has relocations, else the numbers."""
        section = self._object.section(name)
        if section is None:
            return []
        numbers = list(struct.unpack(f"<{len(section.data) // 8}q", section.data))
        for patch in section.patches:
            numbers[patch.offset // 8] = self._object.text_offset(patch)
        return [tuple(numbers[i : i + width]) for i in range(0, len(numbers), width)]

    def regions(self, texts: Sequence[RegionText]) -> list[CompiledRegion]:
        made: list[CompiledRegion] = []
        entries = iter(self._entries)
        for number, text in enumerate(texts):
            inner = [next(entries)[0] for _ in text.entries]
            made.append(self._region(number, text, inner))
        return made

    def _region(self, number: int, text: RegionText, inner: list[int]) -> CompiledRegion:
        start, size = self._object.function(f"r{number}")
        piece = self._object.piece(start, size)
        code = bytearray(piece.data)
        patches: list[Patch] = []
        places: dict[str, int] = {}
        for patch in piece.patches:
            if self._host.reloc_kind(patch.type) is not None:
                raise UnsupportedError(f"{text.region.name}: an absolute address of {patch.symbol!r}")
            constant = self._object.constants.get(patch.symbol)
            if constant is None:
                patches.append(patch)
                continue
            if patch.symbol not in places:
                code += bytes(-len(code) % max(constant.align, 1))
                places[patch.symbol] = len(code)
                code += constant.data
            struct.pack_into("<i", code, patch.offset, places[patch.symbol] + patch.addend - patch.offset)
        entries = self._entry_code(code, [offset - start for offset in inner])
        region = text.region
        own = [row for row in self._accesses if start <= row[0] < start + size]
        accesses = [Access(at - start, landing - start, guest) for at, landing, guest in sorted(own)]
        return CompiledRegion(
            region.name, region.ranges, region.instructions, bytes(code), tuple(patches),
            tuple(zip(region.entries, entries, strict=True)), tuple(accesses), text.exits,
            stored_context(region.context),
        )  # fmt: skip

    def _entry_code(self, code: bytearray, inner: list[int]) -> list[int]:
        """Where each entry is: the function's start, or code that jumps inside."""
        if not inner:
            return [0]
        places: list[int] = []
        for offset in inner:
            code += b"\xcc" * (-len(code) % 16)
            places.append(len(code))
            code += self._host.jump_inside(len(code), offset, 0)
        return places
