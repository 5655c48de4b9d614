"""Builds a pack (docs/pack.md) from a target: shapes to stencils, tables, image, one ELF file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, product

from pyqemu.hostgen import pack_format as rec
from pyqemu.hostgen.elf import ElfObject
from pyqemu.hostgen.fixed import NAMES, make_fixed
from pyqemu.hostgen.host import Host
from pyqemu.hostgen.image import Image
from pyqemu.hostgen.layout import lay_out
from pyqemu.hostgen.library import Compiled, Library, Progress, Reloc
from pyqemu.hostgen.lower import Machine
from pyqemu.hostgen.pack_format import Attribute, RelocKind
from pyqemu.hostgen.shape_stencils import (
    WithVariant,
    can_pair,
    fused_stencils,
    guard_stencil,
    may_come_first,
    only_branches,
    only_makes_flags,
    shape_stencils,
    simplest,
    synced_stencil,
)
from pyqemu.hostgen.shapes import Shape, Shapes, shapes_of
from pyqemu.hostgen.stencil_records import Filling, StencilRecords
from pyqemu.hostgen.stencils import Stencil, branches_on_flags
from pyqemu.hostgen.tables import Guard, Tables, fields_by_name
from pyqemu.translator.target import Target, Undefined, alignment

_IMAGE_ALIGN = 4096
_RECORD_ALIGN = 64  # of the tables: stencils' records are read by cache lines


@dataclass(frozen=True, slots=True)
class PackStatistics:
    """What a pack has, for people."""

    encodings: int
    shapes: int
    stencils: int
    records: int  # of stencils: one for each way to fill one's holes
    fused: int
    code_bytes: int
    image_bytes: int
    file_bytes: int
    next_in_the_middle: int  # stencils that go on with the next one, but not by their last instruction


@dataclass(frozen=True, slots=True)
class BuiltPack:
    """A pack's file; and, for checks, what it was made of. `numbers` are stencils by shape, `guards` those of guards,
    `fused` by pairs of either.
    """

    data: bytes
    statistics: PackStatistics
    stencils: tuple[Compiled, ...]
    image: Image
    machine: Machine
    numbers: dict[Shape, int]
    guards: dict[Shape, int]
    fused: dict[tuple[int, int], int]


def machine_for(target: Target, host: Host) -> Machine:
    """What lowering needs to know of a target on a host."""
    pc_shift = alignment(target.units).bit_length() - 1
    exceptions = tuple(exception.name for exception in target.exceptions)
    context = tuple(variable.name for variable in target.context)
    return Machine(host, lay_out(target.registers), context, exceptions, pc_shift, target.tininess_before)


def steps(target: Target) -> bool:
    """Whether the context may change without a write."""
    return any(v.follows is not None for v in target.context) or any(e.next for e in target.encodings)


class PackBuilder:
    """One pack in the making."""

    def __init__(self, target: Target, shapes: Shapes, host: Host) -> None:
        self._target = target
        self._shapes = shapes
        self._host = host
        self._machine = machine_for(target, host)
        self._library = Library(host)
        self._numbers: dict[Shape, int] = {}  # of the library
        self._made: dict[Shape, WithVariant] = {}
        self._guards: dict[Shape, Stencil] = {}
        self._synced: dict[Shape, Stencil] = {}
        self._numbers_synced: dict[Shape, int] = {}
        self._fused: list[tuple[Shape, Shape, int]] = []
        self._tables = Tables(target, self._machine.layout)

    def build(
        self, *, digests: Mapping[str, bytes], personality: Mapping[str, str], jobs: int, progress: Progress | None
    ) -> BuiltPack:
        """The finished pack."""
        undefined = self._target.undefined_exception
        fixed = [make_fixed(name, self._machine, undefined) for name in NAMES]
        fixed_numbers = [self._library.add(stencil) for stencil in fixed]
        self._add_stencils()
        image = Image(self._machine, self._target.functions())
        self._library.compile(image, jobs, progress)
        image.link()
        self._tables.personality(personality)
        elf = ElfObject(self._host.elf_machine)
        records = StencilRecords(
            self._library.compiled, self._code(elf), self._host, self._tables.forms, self._tables.strings.add,
            image.offset,
        )  # fmt: skip
        numbers = {
            name: records.add(self._library.number(number), [Filling(stencil.program, {})])
            for name, number, stencil in zip(NAMES, fixed_numbers, fixed, strict=True)
        }
        guards = self._guard_records(records, numbers["head_none"])
        leaves = self._records(records, guards)
        guarded = self._guarded_records(records)
        for encoding, tree, test in zip(self._target.encodings, self._shapes.trees, self._shapes.guards, strict=True):
            guard = None if test is None else Guard(test, guards, guarded)
            self._tables.encoding(encoding, tree, leaves, guard)
        return self._write(elf, image, records.sections(), self._header(image, digests, numbers))

    def _add_stencils(self) -> None:
        self._made = {shape: shape_stencils(shape, self._machine) for shape in self._shapes.all}
        self._guards = {guard: guard_stencil(guard, self._machine) for guard in self._shapes.distinct_guards}
        if steps(self._target):
            indirect = [shape for shape, (stencil, _) in self._made.items() if Attribute.INDIRECT in stencil.attributes]
            self._synced = {shape: synced_stencil(shape, self._machine) for shape in indirect}
        fused = list(self._fuse())
        for shape, (stencil, variant) in self._made.items():  # only now, since fusing adds to their programs
            self._numbers[shape] = self._library.add(stencil, variant)
        for guard, stencil in self._guards.items():
            self._numbers[guard] = self._library.add(stencil)
        for shape, stencil in self._synced.items():
            self._numbers_synced[shape] = self._library.add(stencil)
        for first, second, stencil, variant in fused:
            self._fused.append((first, second, self._library.add(stencil, variant)))

    def _fuse(self) -> Iterator[tuple[Shape, Shape, Stencil, Stencil | None]]:
        """Pairs of an instruction that makes flags and a branch that reads them; comparisons and guards likewise."""
        made = [(shape, stencil) for shape, (stencil, _) in self._made.items()]
        makers = self._makers()
        comparisons = [(s, t) for s, t in makers if only_makes_flags(s, self._machine)]
        branches = [(s, t) for s, t in made if branches_on_flags(t) and only_branches(s) and not s.encoding.next]
        for (first, a), (second, b) in chain(product(makers, branches), product(comparisons, self._guards.items())):
            if not can_pair(first, a, second, b):
                continue
            function = self._shapes.fused(first, second)
            if function is not None:
                yield first, second, *fused_stencils(first, a, second, b, function, self._machine)

    def _makers(self) -> list[tuple[Shape, Stencil]]:
        """What may come first in a pair."""
        by_encoding: defaultdict[int, list[Shape]] = defaultdict(list)
        for shape, (stencil, _) in self._made.items():
            if may_come_first(shape, stencil, self._machine):
                by_encoding[shape.encoding.number].append(shape)
        return [(shape, self._made[shape][0]) for shapes in by_encoding.values() for shape in simplest(shapes)]

    # --- writing ---

    def _code(self, elf: ElfObject) -> list[int]:
        """Puts all stencils into .text; gives their places."""
        places: list[int] = []
        for one in self._library.compiled:
            place = elf.add_function(one.stencil.label, one.code, 16)
            for reloc in one.relocs:
                elf.add_relocation(place + reloc.offset, *self._for_people(one, reloc))
            places.append(place)
        return places

    def _records(self, records: StencilRecords, guards: Mapping[int, int]) -> dict[int, int]:
        """Adds the records of all shapes and pairs; gives the shapes' by identity of their leaves."""
        leaves: dict[int, int] = {}
        for shape, (stencil, variant) in self._made.items():
            leaves[id(shape.leaf)] = self._record_of(records, shape, stencil, variant)
        for first, second, number in self._fused:
            pair = [self._filling(shape, self._stencil(shape)) for shape in (first, second)]
            both = self._record(records, number, pair, pair)
            then = guards[id(second.leaf)] if second in self._guards else leaves[id(second.leaf)]
            records.fuse(leaves[id(first.leaf)], then, both)
        return leaves

    def _guard_records(self, records: StencilRecords, always: int) -> dict[int, int]:
        """Records of guards by identity of their leaves; `always` of those that always hold."""
        made = {
            guard: records.add(self._library.number(self._numbers[guard]), [self._filling(guard, stencil)])
            for guard, stencil in self._guards.items()
        }
        leaves = {leaf: made[guard] for leaf, guard in self._shapes.guard_of.items()}
        for encoding, tree in zip(self._target.encodings, self._shapes.guards, strict=True):
            for shape in shapes_of(encoding, tree or Undefined()):
                leaves.setdefault(id(shape.leaf), always)
        return leaves

    def _guarded_records(self, records: StencilRecords) -> dict[int, int]:
        """Records of what guards are asked before, by identity of their leaves."""
        return {
            id(shape.leaf): self._record_of(records, shape, stencil, variant, Attribute.HAS_GUARD)
            for shape, (stencil, variant) in self._made.items()
            if self._shapes.guards[shape.encoding.number] is not None
        }

    def _record_of(
        self,
        records: StencilRecords,
        shape: Shape,
        stencil: Stencil,
        variant: Stencil | None,
        more: Attribute = Attribute.NONE,
    ) -> int:
        """The record of a shape, and if it has one, that of the stencil to be used in changing contexts."""
        if shape.encoding.next:
            more |= Attribute.SAYS_NEXT
        fillings = [self._filling(shape, stencil)], [self._filling(shape, variant or stencil)]
        number = self._record(records, self._numbers[shape], *fillings, more)
        synced = self._synced.get(shape)
        if synced is not None:
            filling = [self._filling(shape, synced)]
            records.sync(number, self._record(records, self._numbers_synced[shape], filling, filling, more))
        return number

    def _stencil(self, shape: Shape) -> Stencil:
        return self._guards[shape] if shape in self._guards else self._made[shape][0]

    def _filling(self, shape: Shape, stencil: Stencil) -> Filling:
        return Filling(stencil.program, fields_by_name(shape.encoding))

    def _record(
        self,
        records: StencilRecords,
        added: int,
        fillings: Sequence[Filling],
        of_variant: Sequence[Filling],
        more: Attribute = Attribute.NONE,
    ) -> int:
        number = self._library.number(added)
        dead = self._library.compiled[number].dead
        variant = None if dead is None else records.add(dead, of_variant, None, more)
        return records.add(number, fillings, variant, more)

    def _write(self, elf: ElfObject, image: Image, stencils: dict[str, bytes], header: bytes) -> BuiltPack:
        for name, data in (self._tables.sections() | stencils).items():
            elf.add_section(name, data, _RECORD_ALIGN)
        elf.add_section(".pq.header", header)
        elf.add_section(".pq.image", image.data + bytes(-len(image.data) % _IMAGE_ALIGN), _IMAGE_ALIGN)
        data = elf.write()
        compiled = self._library.compiled
        middle = sum(any(r.kind is RelocKind.NEXT for r in one.relocs) and not one.ends_with_next for one in compiled)
        statistics = PackStatistics(
            len(self._target.encodings), len(self._shapes.all), len(compiled),
            len(stencils[".pq.stencil"]) // rec.StencilRec.size, len(self._fused),
            len(elf.text), len(image.data), len(data), middle,
        )  # fmt: skip
        number = self._library.number
        every = {shape: number(added) for shape, added in self._numbers.items()}
        guards = {shape: every.pop(shape) for shape in self._guards}
        of = every | guards
        fused = {(of[first], of[second]): number(added) for first, second, added in self._fused}
        return BuiltPack(data, statistics, tuple(compiled), image, self._machine, every, guards, fused)

    def _for_people(self, one: Compiled, reloc: Reloc) -> tuple[int, str, int]:
        """ELF relocation type, symbol and addend as `objdump -dr` shows them."""
        match reloc.kind:
            case RelocKind.NEXT:
                symbol = "NEXT"
            case RelocKind.EXIT:
                symbol = f"EXIT_{reloc.value}"
            case RelocKind.SKIP:
                symbol = "SKIP"
            case RelocKind.IMAGE:
                symbol = reloc.symbol
            case _:
                program = one.stencil.program
                names = [*program.fields, "here", *program.context]
                symbol = names[reloc.value] if reloc.value < len(names) else f"v{reloc.value}"
        return self._host.elf_reloc(reloc.kind), symbol, reloc.addend

    def _header(self, image: Image, digests: Mapping[str, bytes], fixed: Mapping[str, int]) -> bytes:
        target, layout = self._target, self._machine.layout
        units = target.units
        roots = [self._tables.decode_root(target.roots[unit.name]) for unit in units]
        return rec.PackHeader.pack(
            magic=rec.PACK_MAGIC, version=rec.PACK_VERSION, **digests,
            arch_name=self._tables.strings.add(target.name),
            host_level=self._tables.strings.add(self._host.level.name),
            root=roots + [rec.NONE] * (4 - len(roots)),
            unit_bytes=[unit.size for unit in units],
            unit_big_endian=[int(unit.order == "be") for unit in units],
            pc_shift=self._machine.pc_shift, address_bits=target.address_width, state_bytes=layout.end,
            flag_count=len(layout.flags), flag_offset=layout.flag_offset, context_count=len(target.context),
            context_name=[self._tables.strings.add(variable.name) for variable in target.context],
            undefined_exception=target.undefined_exception, image_bytes=len(image.data),
            follows=self._tables.follows(), unit_piece=[unit.piece // 8 for unit in units],
            enter=image.offset("enter"), icache_coherent=int(target.coherent_icache), **fixed,
        )  # fmt: skip


def build_pack(
    target: Target,
    host: Host,
    *,
    digest: bytes = bytes(32),
    stencil_digest: bytes = bytes(32),
    personality: Mapping[str, str] | None = None,
    shapes: Shapes | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> BuiltPack:
    """The pack of `target` for `host`; UnsupportedError names the instruction that cannot be compiled.

    `digest` is of everything that optimised code depends on, and `stencil_digest` of what the pack is made from.
    `shapes` may be given where several packs of one target are built.
    """
    builder = PackBuilder(target, shapes or Shapes(target), host)
    digests = {"digest": digest, "stencil_digest": stencil_digest}
    return builder.build(digests=digests, personality=personality or {}, jobs=jobs, progress=progress)
