"""A pack's stencils: added as LLVM text, compiled in batches, equal ones joined, relocations made the
runtime's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pyqemu.hostgen.emit import Module
from pyqemu.hostgen.host import Host
from pyqemu.hostgen.image import Image
from pyqemu.hostgen.objects import ObjectFile, Patch, Piece, compile_batches
from pyqemu.hostgen.pack_format import Attribute, RelocKind
from pyqemu.hostgen.stencils import Stencil
from pyqemu.translator.errors import UnsupportedError

_BATCH = 100
#: What a relocation's field holds: bits, and whether it is read as signed.
_RANGES = {
    RelocKind.ABS8: (-(1 << 7), (1 << 7) - 1),
    RelocKind.ABS32S: (-(1 << 31), (1 << 31) - 1),
    RelocKind.ABS32: (0, (1 << 32) - 1),
}
#: Called with how many stencils are compiled, and of how many.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Reloc:
    """RelocRec, with the image's symbol in place of an offset."""

    offset: int
    kind: RelocKind
    insn: int
    value: int
    addend: int
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A stencil with its code; `dead` is a number of the library."""

    stencil: Stencil
    code: bytes
    relocs: tuple[Reloc, ...]
    dead: int | None = None

    @property
    def ends_with_next(self) -> bool:
        """Whether a jump to NEXT is the last instruction, which is cut off where code follows."""
        return any(r.kind is RelocKind.NEXT and r.offset + 4 == len(self.code) for r in self.relocs)

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for stencils of which one will do."""
        stencil = self.stencil
        return (self.code, self.relocs, self.dead, *stencil.key[1:])


def stencils_text(stencils: Sequence[Stencil], host: Host) -> str:
    """One LLVM module of several stencils; stencil n is function `s<n>`."""
    module = Module(host.triple)
    for number, stencil in enumerate(stencils):
        module.merge(stencil.module)
        module.functions.append(f'define preserve_nonecc void @"s{number}"{stencil.body}')
    return module.text()


class Library:
    """Stencils by number. Numbers given by `add` are turned into those of the pack by `number`, after
    `compile`.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._stencils: list[Stencil] = []
        self._dead: dict[int, int] = {}
        self._known: dict[tuple[object, ...], int] = {}
        self._final: list[int] = []
        self.compiled: list[Compiled] = []

    def add(self, stencil: Stencil, dead: Stencil | None = None) -> int:
        """Number of a stencil, with the variant to use where its flags are dead."""
        variant = self._add_one(dead) if dead is not None else None
        number = self._add_one(stencil)
        if variant is not None and variant != number:
            self._dead[number] = variant
        return number

    def _add_one(self, stencil: Stencil) -> int:
        known = self._known.get(stencil.key)
        if known is not None:
            return known
        number = self._known[stencil.key] = len(self._stencils)
        self._stencils.append(stencil)
        return number

    def number(self, added: int) -> int:
        """The number in the pack."""
        return self._final[added]

    def __len__(self) -> int:
        return len(self._stencils)

    def compile(self, image: Image, jobs: int, progress: Progress | None = None) -> None:
        """Compiles all stencils, and adds to the image what they refer to."""
        objects = self._compile_batches(jobs, progress)
        image.add_constants(objects)
        pieces = [obj.functions[f"s{n % _BATCH}"] for n, obj in self._places(objects)]
        made = [self.read(stencil, piece) for stencil, piece in zip(self._stencils, pieces, strict=True)]
        self._join(made)
        symbols = [reloc.symbol for one in self.compiled for reloc in one.relocs if reloc.symbol]
        image.require([*symbols, "enter"], jobs)

    def _places(self, objects: Sequence[ObjectFile]) -> list[tuple[int, ObjectFile]]:
        return [(n, objects[n // _BATCH]) for n in range(len(self._stencils))]

    def _compile_batches(self, jobs: int, progress: Progress | None) -> list[ObjectFile]:
        texts: list[str] = []
        for start in range(0, len(self._stencils), _BATCH):
            texts.append(stencils_text(self._stencils[start : start + _BATCH], self._host))
        total = len(self._stencils)
        done: list[ObjectFile] = []
        for obj in compile_batches(texts, self._host, jobs):
            done.append(obj)
            if progress is not None:
                progress(min(len(done) * _BATCH, total), total)
        return done

    def _join(self, made: list[Compiled]) -> None:
        """Equal code, relocations and programs are one stencil. Variants come first, so that they have
        numbers.
        """
        known: dict[tuple[object, ...], int] = {}
        final: dict[int, int] = {}

        def place(number: int) -> int:
            if number not in final:
                variant = self._dead.get(number)
                dead = place(variant) if variant is not None else None
                one = replace(made[number], dead=dead)
                if dead is not None and self.compiled[dead].code == one.code:
                    one = replace(one, dead=None)
                final[number] = known.setdefault(one.key, len(self.compiled))
                if final[number] == len(self.compiled):
                    self.compiled.append(one)
            return final[number]

        self._final = [place(number) for number in range(len(made))]

    # --- relocations ---

    def read(self, stencil: Stencil, piece: Piece) -> Compiled:
        """A stencil with what LLVM made of it."""
        relocs = tuple(self._reloc(stencil, patch) for patch in piece.patches)
        if len(piece.data) > 0xFFFF:
            raise UnsupportedError(f"{stencil.label}: {len(piece.data)} bytes of code")
        uses_next = any(reloc.kind is RelocKind.NEXT for reloc in relocs)
        if uses_next and not stencil.attributes & Attribute.FALLS_THROUGH:
            raise UnsupportedError(f"{stencil.label}: goes on, but ends its block")
        return self._turned(Compiled(stencil, piece.data, relocs))

    def _turned(self, one: Compiled) -> Compiled:
        """With NEXT as the last jump, which need not be made, where a branch ends the code the other way
        round.
        """
        last_two = sorted(one.relocs, key=lambda r: r.offset)[-2:]
        if len(last_two) < 2 or last_two[0].kind is not RelocKind.NEXT:
            return one
        if last_two[1].kind not in (RelocKind.EXIT, RelocKind.SKIP):
            return one
        near, far = last_two
        code = self._host.turn_branch(one.code, near.offset, far.offset)
        if code is None:
            return one
        exchanged = {near: replace(near, offset=far.offset), far: replace(far, offset=near.offset)}
        return replace(one, code=code, relocs=tuple(exchanged.get(r, r) for r in one.relocs))

    def _reloc(self, stencil: Stencil, patch: Patch) -> Reloc:
        kind = self._host.reloc_kind(patch.type)
        symbol = patch.symbol
        match symbol.partition("_")[0].partition(".")[0]:
            case "NEXT" if kind is None:
                return Reloc(patch.offset, RelocKind.NEXT, 0, 0, patch.addend)
            case "SKIP" if kind is None:
                return Reloc(patch.offset, RelocKind.SKIP, 0, 0, patch.addend)
            case "EXIT" if kind is None:
                number = int(symbol.removeprefix("EXIT_"))
                return Reloc(patch.offset, RelocKind.EXIT, 0, number, patch.addend)
            case "H0" | "H1" if kind is not None:
                insn, value, _ = symbol[1:].split(".")
                self._check(stencil, patch, kind)
                return Reloc(patch.offset, kind, int(insn), int(value), patch.addend)
            case "fn" | "soft" | "leave" | "const" | "table" if kind is None:
                return Reloc(patch.offset, RelocKind.IMAGE, 0, 0, patch.addend, symbol)
            case _:
                raise UnsupportedError(f"{stencil.label}: relocation {patch.type} to {symbol!r}")

    def _check(self, stencil: Stencil, patch: Patch, kind: RelocKind) -> None:
        """LLVM must have chosen a field that holds every value of the hole."""
        if kind is RelocKind.ABS64:
            return
        low, high = stencil.module.holes[patch.symbol]
        least, most = _RANGES[kind]
        if low + patch.addend < least or high - 1 + patch.addend > most:
            raise UnsupportedError(f"{stencil.label}: hole {patch.symbol} does not fit {kind.name}")
