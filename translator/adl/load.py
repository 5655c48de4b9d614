"""Loads a description as a `Target`: parse, model, conflict check, decode trees, assembly text,
elaborator.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyqemu.translator.adl.asm import make_syntax
from pyqemu.translator.adl.asm_print import AsmPrinter
from pyqemu.translator.adl.compiled import word_test
from pyqemu.translator.adl.conflicts import find_conflicts, preferred_before
from pyqemu.translator.adl.decode_tree import build_tree
from pyqemu.translator.adl.errors import combined
from pyqemu.translator.adl.model import BoundEncoding, Model, build
from pyqemu.translator.adl.parse import parse_folder
from pyqemu.translator.ir.function import Function
from pyqemu.translator.static import StaticExpr, apply
from pyqemu.translator.target import CodeWord, Decisions, DecodeBranch, DecodeTree, Encoding, ShapeTree, Undefined

if TYPE_CHECKING:
    from pyqemu.translator.adl.asm_parse import AsmParser
    from pyqemu.translator.adl.elaborate import Elaborator
    from pyqemu.translator.adl.keep import KeptShapes

WordTest = Callable[[int, Mapping[str, int]], bool]
#: A decode tree for speed: (shift, mask, children), or (None, candidates).
_Fast = tuple[Any, ...]


class DescribedTarget:
    """An architecture made from its description; implements `translator.target.Target`.

    `kept`: shapes that were elaborated before (keep.py).
    """

    def __init__(self, model: Model, kept: KeptShapes | None = None) -> None:
        self.model = model
        self._kept = kept
        self.name = model.name
        self.units = tuple(model.units.values())
        self.registers = tuple(model.registers.values())
        self.context = tuple(model.contexts.values())
        self.exceptions = model.exception_kinds()
        self.cpus = tuple(model.cpus.values())
        self.features = tuple(model.features)
        self.encodings = tuple(bound.encoding for bound in model.encodings)
        self.address_width = model.properties.address_width
        self.coherent_icache = model.properties.coherent_icache
        self.tininess_before = model.properties.tininess_before
        self.undefined_exception = list(model.exceptions).index("undefined")
        before = preferred_before(model)
        self.roots: Mapping[str, DecodeTree] = {
            unit.name: build_tree([e for e in self.encodings if e.unit == unit], unit.width, before)
            for unit in self.units
        }
        self._fast = {name: self._fast_tree(tree) for name, tree in self.roots.items()}
        self._undefined: dict[int, WordTest] = {}
        self._unpredictable: dict[int, WordTest] = {}
        syntax, errors = make_syntax(model)
        if errors:
            raise combined(errors)
        self.syntax = syntax
        self.printer = AsmPrinter(syntax)
        self._elaborator: Elaborator | None = None

    def decode(self, word: int, unit: str, context: Mapping[str, int]) -> Encoding | None:
        """The encoding that `word` belongs to, or None."""
        shift, mask, children = self._fast[unit]
        while shift is not None:
            shift, mask, children = children[word >> shift & mask]
        for bits, value, guard, encoding in children:
            if word & bits == value and (guard is None or guard(word, context)):
                return encoding
        return None

    def _fast_tree(self, tree: DecodeTree) -> _Fast:
        made: dict[int, _Fast] = {}

        def fast(node: DecodeTree) -> _Fast:
            if id(node) not in made:
                if isinstance(node, DecodeBranch):
                    made[id(node)] = (
                        node.shift,
                        (1 << node.bits) - 1,
                        [fast(child) for child in node.children],
                    )
                else:
                    made[id(node)] = (None, 0, tuple(self._candidate(number) for number in node.candidates))
            return made[id(node)]

        return fast(tree)

    def _candidate(self, number: int) -> tuple[int, int, WordTest | None, Encoding]:
        encoding = self.encodings[number]
        guard = (
            None if encoding.guard == 1 else word_test({f.name: f for f in encoding.fields}, encoding.guard)
        )
        return encoding.mask, encoding.value, guard, encoding

    def bound(self, encoding: Encoding) -> BoundEncoding:
        """Where an encoding comes from."""
        return self.model.encodings[encoding.number]

    @property
    def elaborator(self) -> Elaborator:
        """What makes IR from instructions; made when it is first asked for."""
        if self._elaborator is None:
            from pyqemu.translator.adl.elaborate import Elaborator

            self._elaborator = Elaborator(self.model)
        return self._elaborator

    def shapes(self, encoding: Encoding) -> ShapeTree:
        """All shapes of an encoding, as IR with holes."""
        return self._kept.tree(encoding.number) if self._kept else self.elaborator.shapes(encoding)

    def guard(self, encoding: Encoding) -> ShapeTree | None:
        """The shapes of an encoding's guard; see Target."""
        return self._kept.guard(encoding.number) if self._kept else self.elaborator.guard(encoding)

    def fuse(
        self, first: Encoding, first_shape: Decisions, second: Encoding, second_shape: Decisions
    ) -> Function | None:
        """IR of two neighbouring instructions of these shapes, or None; the second's fields are called `b.NAME`."""
        return self.elaborator.fuse(first, first_shape, second, second_shape)

    def fuse_guard(
        self, first: Encoding, first_shape: Decisions, second: Encoding, guard_shape: Decisions
    ) -> Function | None:
        """IR of an instruction and the guard of the one after it, or None; see Target."""
        return self.elaborator.fuse_guard(first, first_shape, second, guard_shape)

    def lift(
        self, encoding: Encoding, fields: Mapping[str, int], context: Mapping[str, int]
    ) -> Function | Undefined:
        """IR of one instruction with its fields filled in (only `here` is left symbolic)."""
        return self.elaborator.lift(encoding, fields, context)

    def functions(self) -> Mapping[str, Function]:
        """Outlined functions made so far, by the name that `call` uses."""
        return self._kept.functions() if self._kept else self.elaborator.functions()

    def disassemble(self, encoding: Encoding, fields: Mapping[str, int], here: int) -> str:
        """Assembly text of an instruction at guest address `here`."""
        return self.printer.disassemble(encoding, fields, here)

    @cached_property
    def parser(self) -> AsmParser:
        """What reads assembly text; made when it is first asked for."""
        from pyqemu.translator.adl.asm_parse import AsmParser

        return AsmParser(self.syntax, self.printer, self.model.encodings, self._accepts)

    def assemble(
        self,
        text: str,
        here: int = 0,
        context: Mapping[str, int] | None = None,
        features: Collection[str] | None = None,
    ) -> tuple[CodeWord, ...]:
        """All words that print as `text` at guest address `here`, the one to write first; raises AssemblyError.

        Words that are not UNPREDICTABLE come first; then what counts is the order of the description, then the
        smallest word. An error means that no word prints as `text`, or none that is not UNDEFINED.
        """
        from pyqemu.translator.adl.asm_term import Place

        place = Place(here, context or {})
        found = self.parser.assemble(text, place, features)
        return tuple(sorted(found, key=lambda code: self.unpredictable(code.encoding, code.word)))

    def _accepts(self, code: CodeWord, context: Mapping[str, int]) -> bool:
        """Whether a word is decoded as what it is meant for (no other encoding is preferred) and defined."""
        decoded = self.decode(code.word, code.unit.name, context)
        return decoded is code.encoding and not self.undefined(code.encoding, code.word, context)

    def undefined(self, encoding: Encoding, word: int, context: Mapping[str, int] | None = None) -> bool:
        """Whether `word` is allocated but UNDEFINED (`undef` conditions)."""
        return self._any_holds(self._undefined, encoding, self.bound(encoding).undefined)(word, context or {})

    def unpredictable(self, encoding: Encoding, word: int) -> bool:
        """Whether `word` is UNPREDICTABLE (`unpred` conditions, should-be bits)."""
        if word & encoding.should_mask != encoding.should_value:
            return True
        conditions = tuple(condition for condition, _ in self.bound(encoding).unpredictable)
        return self._any_holds(self._unpredictable, encoding, conditions)(word, {})

    def _any_holds(
        self, made: dict[int, WordTest], encoding: Encoding, conditions: tuple[StaticExpr, ...]
    ) -> WordTest:
        """Whether one of the conditions holds for a word; kept in `made`."""
        test = made.get(encoding.number)
        if test is None:
            any_of: StaticExpr = 0
            for condition in conditions:
                any_of = apply("or", any_of, condition)
            test = made[encoding.number] = word_test({f.name: f for f in encoding.fields}, any_of)
        return test


def load(folder: Path | str, variant: str | None = None) -> DescribedTarget:
    """The architecture that `folder` describes, or one of its variants (the first one). Raises DescriptionError."""
    model = build(parse_folder(folder, variant))
    errors = find_conflicts(model)
    if errors:
        raise combined(errors)
    return DescribedTarget(model)
