"""Guest instructions decoded: each with its encoding, its shape, and how that was found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pyqemu.hostgen.shapes import Shape
from pyqemu.tools.command import Mistake
from pyqemu.tools.pyqemu_ir.architecture import Architecture
from pyqemu.tools.pyqemu_ir.guest_code import GuestCode
from pyqemu.translator.ir.function import Function
from pyqemu.translator.ir.guarded import constant_guard
from pyqemu.translator.target import Encoding, ShapeTree, Unit, alignment, reach


@dataclass(frozen=True, slots=True)
class Decoded:
    """One instruction. `shape` is None if the word is UNDEFINED; `guard` is what is asked first, if that may not hold;
    `address` is as linked.
    """

    offset: int
    address: int
    word: int
    encoding: Encoding
    fields: dict[str, int]
    shape: Shape | None
    guard: Function | None
    text: str

    @property
    def size(self) -> int:
        """Its bytes."""
        return self.encoding.unit.size

    @property
    def hex(self) -> str:
        """The word."""
        return f"{self.word:0{self.encoding.unit.width // 4}x}"


class Decoder:
    """Decodes code of one architecture; an encoding's shapes are looked up once."""

    def __init__(self, architecture: Architecture) -> None:
        self.architecture = architecture
        self._trees: dict[int, ShapeTree] = {}
        self._guards: dict[int, ShapeTree | None] = {}
        self._shapes: dict[int, Shape] = {}

    def at(self, code: GuestCode, offset: int) -> Decoded | None:
        """The instruction at a module offset; None if no encoding has the word, or the code ends."""
        for unit in self.architecture.target.units:
            data = code.fetch(offset, unit.size)
            if data is None:
                continue
            word = unit.word_of(data)
            encoding = self.architecture.target.decode(word, unit.name, self.architecture.context)
            if encoding is not None:
                return self._decoded(code, offset, word, encoding)
        return None

    def all(self, code: GuestCode) -> Iterator[Decoded | tuple[int, bytes]]:
        """Instructions in order of address; (offset, bytes) where there is none, a unit at a time."""
        smallest = alignment(self.architecture.target.units)
        offset = code.start
        while offset < code.end:
            found = self.at(code, offset)
            if found is not None:
                yield found
                offset += found.size
            else:
                yield offset, code.fetch(offset, smallest) or b""
                offset += smallest

    def one(self, code: GuestCode, offset: int) -> Decoded:
        """The instruction at an offset, which has to be one. Raises Mistake."""
        found = self.at(code, offset)
        if found is None:
            raise Mistake(f"{_words(code, offset, self.architecture.target.units)}: no instruction")
        if found.shape is None:
            raise Mistake(f"{found.hex}: UNDEFINED, an unallocated case of {found.encoding.name}")
        return found

    def tree(self, encoding: Encoding) -> ShapeTree:
        """All shapes of an encoding."""
        tree = self._trees.get(encoding.number)
        if tree is None:
            tree = self._trees[encoding.number] = self.architecture.target.shapes(encoding)
        return tree

    def _decoded(self, code: GuestCode, offset: int, word: int, encoding: Encoding) -> Decoded:
        fields = encoding.fields_of(word)
        found = reach(self.tree(encoding), fields, self.architecture.context)
        shape = None
        if found is not None:
            decisions, leaf = found
            shape = self._shapes.setdefault(id(leaf), Shape(encoding, leaf, decisions))
        guard = self._guard(encoding, fields)
        address = code.base + offset
        text = self.architecture.target.disassemble(encoding, fields, address)
        return Decoded(offset, address, word, encoding, fields, shape, guard, text)

    def _guard(self, encoding: Encoding, fields: dict[str, int]) -> Function | None:
        if encoding.number not in self._guards:
            self._guards[encoding.number] = self.architecture.target.guard(encoding)
        tree = self._guards[encoding.number]
        found = None if tree is None else reach(tree, fields, self.architecture.context)
        function = None if found is None else found[1].function
        return None if function is None or constant_guard(function) == 1 else function


def _words(code: GuestCode, offset: int, units: tuple[Unit, ...]) -> str:
    """What stands at an offset, as far as code goes."""
    for unit in units:
        data = code.fetch(offset, unit.size)
        if data is not None:
            return f"{unit.word_of(data):0{unit.width // 4}x}"
    return "the code ends"
