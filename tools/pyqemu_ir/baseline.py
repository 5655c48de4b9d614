"""The stencils that the runtime would copy for straight code: pairs as one, and variants without dead flags.

It makes the same choices as `runtime/core/translator.cpp` does with a pack.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pyqemu.hostgen.compiler import compilation_for
from pyqemu.hostgen.library import Compiled, Library, stencils_text
from pyqemu.hostgen.lower import Machine
from pyqemu.hostgen.objects import read_object
from pyqemu.hostgen.pack_format import Attribute
from pyqemu.hostgen.shape_stencils import (
    MAX_FUSED_SHAPES,
    WithVariant,
    can_pair,
    fused_stencils,
    may_come_first,
    shape_stencils,
)
from pyqemu.hostgen.shapes import Shape, fuse, shapes_of
from pyqemu.hostgen.stencils import Stencil
from pyqemu.tools.pyqemu_ir.decoded import Decoded, Decoder


@dataclass(slots=True)
class Chosen:
    """One stencil of a block: for one instruction, or for two as one. `programs` are the instructions' stencils."""

    instructions: tuple[Decoded, ...]
    stencil: Stencil
    programs: tuple[Stencil, ...]
    variant: Stencil | None  # without flags
    flags_are_dead: bool = False

    @property
    def used(self) -> Stencil:
        """The stencil or its variant."""
        return self.variant if self.flags_are_dead and self.variant is not None else self.stencil


@dataclass(slots=True)
class Baseline:
    """Chooses and compiles stencils of one architecture."""

    decoder: Decoder
    _made: dict[int, WithVariant] = field(default_factory=dict[int, WithVariant])
    _counts: dict[int, int] = field(default_factory=dict[int, int])

    @property
    def _machine(self) -> Machine:
        return self.decoder.architecture.machine

    def choose(self, instructions: Sequence[Decoded]) -> list[Chosen]:
        """Stencils for instructions that follow one another, block by block."""
        chosen: list[Chosen] = []
        block: list[Chosen] = []
        for item in self._paired(instructions):
            block.append(item)
            if item.stencil.attributes & Attribute.ENDS_BLOCK:
                chosen += _without_dead_flags(block)
                block = []
        return chosen + _without_dead_flags(block)

    def _paired(self, instructions: Sequence[Decoded]) -> Iterable[Chosen]:
        """Two at a time where a pack has a pair."""
        place = 0
        while place < len(instructions):
            both = None
            if place + 1 < len(instructions):
                both = self._pair(instructions[place], instructions[place + 1])
            yield both or self._single(instructions[place])
            place += len(both.instructions) if both else 1

    def _stencils(self, shape: Shape) -> WithVariant:
        made = self._made.get(id(shape))
        if made is None:
            made = self._made[id(shape)] = shape_stencils(shape, self._machine)
        return made

    def _single(self, one: Decoded) -> Chosen:
        assert one.shape is not None
        stencil, variant = self._stencils(one.shape)
        return Chosen((one,), stencil, (stencil,), variant)

    def _pair(self, one: Decoded, two: Decoded) -> Chosen | None:
        if one.shape is None or two.shape is None or one.offset + one.size != two.offset:
            return None
        (a, _), (b, _) = self._stencils(one.shape), self._stencils(two.shape)
        if not can_pair(one.shape, a, two.shape, b) or not self._may_come_first(one.shape, a):
            return None
        function = fuse(self.decoder.architecture.target, one.shape, two.shape)
        if function is None:
            return None
        stencil, variant = fused_stencils(one.shape, a, two.shape, b, function, self._machine)
        return Chosen((one, two), stencil, (a, b), variant)

    def _may_come_first(self, shape: Shape, stencil: Stencil) -> bool:
        """Encodings of many shapes are left out."""
        if not may_come_first(shape, stencil, self._machine):
            return False
        number = shape.encoding.number
        if number not in self._counts:
            others = shapes_of(shape.encoding, self.decoder.tree(shape.encoding))
            self._counts[number] = sum(
                may_come_first(other, shape_stencils(other, self._machine)[0], self._machine) for other in others
            )
        return self._counts[number] <= MAX_FUSED_SHAPES

    def compile(self, stencils: Sequence[Stencil]) -> list[Compiled]:
        """Their code."""
        host = self._machine.host
        compilation = compilation_for(stencils_text(stencils, host), host)
        compilation.optimise()
        return read_stencils(compilation.emit(), stencils, self._machine)


def read_stencils(data: bytes, stencils: Sequence[Stencil], machine: Machine) -> list[Compiled]:
    """The stencils in the object that their module became."""
    functions = read_object(data).functions
    library = Library(machine.host)
    return [library.read(stencil, functions[f"s{number}"]) for number, stencil in enumerate(stencils)]


def _without_dead_flags(block: list[Chosen]) -> list[Chosen]:
    """Backwards over a block, at whose end all flags are live."""
    live = every = ~0
    for item in reversed(block):
        stencil = item.stencil
        if stencil.exit_values:  # an exit may be in the middle of the block
            live = every
        item.flags_are_dead = bool(stencil.writes) and not stencil.writes & live
        live = live & ~stencil.writes | stencil.reads
        if stencil.attributes & Attribute.FAULTS:
            live = every
    return block
