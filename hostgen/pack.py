"""Builds a pack (docs/pack.md) from a target: shapes to stencils, tables, image, one ELF file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyqemu.hostgen import lower_bits, lower_fp, lower_int, lower_state
from pyqemu.hostgen import pack_format as rec
from pyqemu.hostgen.elf import ElfObject
from pyqemu.hostgen.fixed import NAMES, make_fixed
from pyqemu.hostgen.host import Host
from pyqemu.hostgen.image import Image
from pyqemu.hostgen.layout import lay_out
from pyqemu.hostgen.library import Compiled, Library, Progress, Reloc
from pyqemu.hostgen.lower import Machine
from pyqemu.hostgen.pack_format import RelocKind
from pyqemu.hostgen.stencils import dead_flags, make_stencil
from pyqemu.hostgen.tables import Tables
from pyqemu.translator.errors import UnsupportedError
from pyqemu.translator.target import Encoding, ShapeChoice, ShapeLeaf, ShapeTree, Target

RULES = (lower_bits, lower_fp, lower_int, lower_state)  # importing them fills the table of lowerings
_IMAGE_ALIGN = 4096


@dataclass(frozen=True, slots=True)
class PackStatistics:
    """What a pack has, for people."""

    encodings: int
    shapes: int
    stencils: int
    code_bytes: int
    image_bytes: int
    file_bytes: int
    next_in_the_middle: int  # stencils that go on with the next one, but not by their last instruction


@dataclass(frozen=True, slots=True)
class BuiltPack:
    data: bytes
    statistics: PackStatistics
    stencils: tuple[Compiled, ...]


def machine_for(target: Target, host: Host) -> Machine:
    """What lowering needs to know of a target on a host."""
    pc_shift = min(unit.width for unit in target.units).bit_length() - 4
    exceptions = tuple(exception.name for exception in target.exceptions)
    context = tuple(variable.name for variable in target.context)
    return Machine(host, lay_out(target.registers), context, exceptions, pc_shift, target.tininess_before)


def leaves_of(tree: ShapeTree) -> list[ShapeLeaf]:
    """All shapes of a tree that are defined, in order."""
    match tree:
        case ShapeLeaf():
            return [tree]
        case ShapeChoice(_, children):
            return [leaf for value in sorted(children) for leaf in leaves_of(children[value])]
        case _:
            return []


class PackBuilder:
    """One pack in the making."""

    def __init__(self, target: Target, host: Host) -> None:
        self._target = target
        self._host = host
        self._machine = machine_for(target, host)
        self._library = Library(host)
        self._trees: list[ShapeTree] = []
        self._leaves: dict[int, int] = {}
        self._tables = Tables(target, self._machine.layout)

    def build(
        self, *, digest: bytes, personality: Mapping[str, str], jobs: int, progress: Progress | None
    ) -> BuiltPack:
        fixed = [
            self._library.add(make_fixed(name, self._machine, self._target.undefined_exception)) for name in NAMES
        ]
        for encoding in self._target.encodings:
            self._add_encoding(encoding)
        image = Image(self._machine, self._target.functions())
        self._library.compile(image, jobs, progress)
        image.link()
        self._tables.personality(personality)
        leaves = {leaf: self._library.number(number) for leaf, number in self._leaves.items()}
        for encoding, tree in zip(self._target.encodings, self._trees, strict=True):
            self._tables.encoding(encoding, self._tables.shape(tree, encoding.fields, leaves))
        numbers = dict(zip(NAMES, map(self._library.number, fixed), strict=True))
        return self._write(image, digest, numbers)

    def _add_encoding(self, encoding: Encoding) -> None:
        tree = self._target.shapes(encoding)
        self._trees.append(tree)
        fields = [field.name for field in encoding.fields]
        unit_bytes = encoding.unit.width // 8
        for leaf in leaves_of(tree):
            label = f"{encoding.name}[{leaf.label}]" if leaf.label else encoding.name
            try:
                stencil = make_stencil(label, leaf.function, self._machine, fields=fields, unit_bytes=unit_bytes)
                flags = dead_flags(leaf.function, self._machine)
                variant = None
                if flags:
                    variant = make_stencil(
                        f"{label}.dead", leaf.function, self._machine,
                        fields=fields, unit_bytes=unit_bytes, dead=flags,
                    )  # fmt: skip
            except UnsupportedError as error:
                raise UnsupportedError(f"{label}: {error}") from error
            self._leaves[id(leaf)] = self._library.add(stencil, variant)

    # --- writing ---

    def _write(self, image: Image, digest: bytes, fixed: Mapping[str, int]) -> BuiltPack:
        elf = ElfObject(self._host.elf_machine)
        records, relocs = self._stencils(elf, image)
        header = self._header(image, digest, fixed)
        for name, data in self._tables.sections().items():
            elf.add_section(name, data)
        elf.add_section(".pq.stencil", b"".join(records))
        elf.add_section(".pq.reloc", b"".join(relocs))
        elf.add_section(".pq.fuse", b"")
        elf.add_section(".pq.header", header)
        elf.add_section(".pq.image", image.data + bytes(-len(image.data) % _IMAGE_ALIGN), _IMAGE_ALIGN)
        data = elf.write()
        compiled = self._library.compiled
        middle = sum(
            any(r.kind is RelocKind.NEXT for r in one.relocs) and not one.ends_with_next for one in compiled
        )
        statistics = PackStatistics(
            len(self._target.encodings), len(self._leaves), len(compiled), len(elf.text), len(image.data), len(data),
            middle,
        )  # fmt: skip
        return BuiltPack(data, statistics, tuple(compiled))

    def _stencils(self, elf: ElfObject, image: Image) -> tuple[list[bytes], list[bytes]]:
        records: list[bytes] = []
        relocs: list[bytes] = []
        for one in self._library.compiled:
            stencil = one.stencil
            place = elf.add_function(stencil.label, one.code, 16)
            for reloc in one.relocs:
                elf.add_relocation(place + reloc.offset, *self._for_people(one, reloc))
            offsets = [
                rec.RelocRec.pack(
                    offset=r.offset, kind=r.kind, insn=r.insn, value=r.value, addend=r.addend,
                    image=image.offset(r.symbol) if r.symbol else 0,
                )
                for r in one.relocs
            ]  # fmt: skip
            records.append(
                rec.StencilRec.pack(
                    name=self._tables.strings.add(stencil.label), code=place, size=len(one.code),
                    first_reloc=len(relocs), reloc_count=len(offsets), exit_count=len(stencil.exit_values), align=1,
                    attributes=stencil.attributes, reads=stencil.reads, writes=stencil.writes,
                    dead=rec.NONE if one.dead is None else one.dead,
                    first_op=self._tables.program(stencil.program), op_count=len(stencil.program.steps),
                    fields=len(stencil.program.fields), exit_value=stencil.exit_values, exit_kind=stencil.exit_kinds,
                )
            )  # fmt: skip
            relocs += offsets
        return records, relocs

    def _for_people(self, one: Compiled, reloc: Reloc) -> tuple[int, str, int]:
        """ELF relocation type, symbol and addend as `objdump -dr` shows them."""
        match reloc.kind:
            case RelocKind.NEXT:
                symbol = "NEXT"
            case RelocKind.EXIT:
                symbol = f"EXIT_{reloc.value}"
            case RelocKind.IMAGE:
                symbol = reloc.symbol
            case _:
                program = one.stencil.program
                names = [*program.fields, "here", *program.context]
                symbol = names[reloc.value] if reloc.value < len(names) else f"v{reloc.value}"
        return self._host.elf_reloc(reloc.kind), symbol, reloc.addend

    def _header(self, image: Image, digest: bytes, fixed: Mapping[str, int]) -> bytes:
        target, layout = self._target, self._machine.layout
        units = target.units
        roots = [self._tables.decode_root(target.roots[unit.name]) for unit in units]
        return rec.PackHeader.pack(
            magic=rec.PACK_MAGIC, version=rec.PACK_VERSION, digest=digest,
            arch_name=self._tables.strings.add(target.name),
            host_level=self._tables.strings.add(self._host.level.name),
            root=roots + [rec.NONE] * (4 - len(roots)),
            unit_bytes=[unit.width // 8 for unit in units],
            unit_big_endian=[int(unit.order == "be") for unit in units],
            pc_shift=self._machine.pc_shift, address_bits=target.address_width, state_bytes=layout.end,
            flag_count=len(layout.flags), flag_offset=layout.flag_offset, context_count=len(target.context),
            context_name=[self._tables.strings.add(variable.name) for variable in target.context],
            undefined_exception=target.undefined_exception, image_bytes=len(image.data),
            enter=image.offset("enter"), icache_coherent=int(target.coherent_icache), **fixed,
        )  # fmt: skip


def build_pack(
    target: Target,
    host: Host,
    *,
    digest: bytes = bytes(32),
    personality: Mapping[str, str] | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> BuiltPack:
    """The pack of `target` for `host`; UnsupportedError names the instruction that cannot be compiled."""
    builder = PackBuilder(target, host)
    return builder.build(digest=digest, personality=personality or {}, jobs=jobs, progress=progress)


