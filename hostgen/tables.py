"""The tables of a pack that say what instructions there are: decode trees, guards, shapes, registers,
models.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyqemu.hostgen import pack_format as rec
from pyqemu.hostgen.elf import Strings
from pyqemu.hostgen.form_tables import FormTables
from pyqemu.hostgen.layout import Layout
from pyqemu.hostgen.pool import Pool
from pyqemu.hostgen.value_form import Fields, word_bits
from pyqemu.translator.errors import UnsupportedError
from pyqemu.translator.ir.guarded import constant_guard
from pyqemu.translator.static import Here, StaticExpr, apply, leaves_of
from pyqemu.translator.target import (
    DecodeLeaf,
    DecodeTree,
    Encoding,
    ShapeChoice,
    ShapeLeaf,
    ShapeTree,
    Target,
    Undefined,
)

#: A shape choice with a wider range of values than this is refused; the runtime has one entry for each.
_MAX_SPAN = 1 << 16


@dataclass(frozen=True, slots=True)
class Guard:
    """An encoding's guard. `stencils` are its own by identity of its leaves, `guarded` those of what it guards by
    identity of their leaves.
    """

    tree: ShapeTree
    stencils: Mapping[int, int]
    guarded: Mapping[int, int]

    def needed(self) -> StaticExpr:
        """Whether it has to be asked: 0 for words for which it always holds."""
        return _needed(self.tree)


def _needed(guard: ShapeTree) -> StaticExpr:
    match guard:
        case Undefined():
            return 0
        case ShapeLeaf():
            return int(constant_guard(guard.function) != 1)
        case ShapeChoice(expr, children):
            each = {value: _needed(child) for value, child in children.items()}
            result, _ = Counter(each.values()).most_common(1)[0]
            for value, needed in each.items():
                if needed != result:
                    result = apply("select", apply("eq", expr, value), needed, result)
            return result


class Tables:
    """All tables but the stencils'; `sections` gives them by section name."""

    def __init__(self, target: Target, layout: Layout) -> None:
        self._target = target
        self.strings = Strings()
        self.forms = FormTables([variable.name for variable in target.context])
        names = ("node", "child", "cand", "enc", "shape", "reg", "exc", "cpu", "reset", "kv")
        self._pools = {name: Pool() for name in names}
        self._shape_choices: dict[int, list[StaticExpr]] = {}  # by number of encoding
        self._add_registers(layout)
        self._add_exceptions()
        self._add_models()

    def sections(self) -> dict[str, bytes]:
        """Bytes by section name."""
        own = {f".pq.{name}": pool.data for name, pool in self._pools.items()}
        return own | self.forms.sections() | {".pq.str": self.strings.data}

    # --- encodings and decoding ---

    def encoding(self, encoding: Encoding, tree: ShapeTree, stencils: Mapping[int, int], guard: Guard | None) -> None:
        """Encodings come in the order of their numbers; `stencils` has the stencil's number by identity of
        its leaf.
        """
        choices = self._shape_choices[encoding.number] = []
        fields = fields_by_name(encoding)
        guard_root = rec.NONE
        if guard is None:
            root = self._shape(tree, fields, stencils, choices)
        else:
            root = self._guarded(tree, fields, stencils, choices, guard)
            guard_root = self._shape(guard.tree, fields, guard.stencils, choices)
        self._pools["enc"].items.append(
            rec.EncodingRec.pack(
                name=self.strings.add(encoding.name), shape_root=root,
                features=feature_mask(encoding.features, self._target.features),
                guard_root=guard_root, next=self._forms_of(dict(encoding.next), fields), guarded=int(encoding.guarded),
            )
        )  # fmt: skip

    def follows(self) -> list[int]:
        """PackHeader.follows."""
        values = {variable.name: variable.follows for variable in self._target.context}
        return self._forms_of({name: value for name, value in values.items() if value is not None}, {})

    def _forms_of(self, values: Mapping[str, StaticExpr], fields: Fields) -> list[int]:
        """Forms of context variables' values."""
        names = [variable.name for variable in self._target.context]
        each = [self.forms.form(values[name], fields) if name in values else rec.NONE for name in names]
        return each + [rec.NONE] * (4 - len(each))

    def _guarded(
        self,
        tree: ShapeTree,
        fields: Fields,
        stencils: Mapping[int, int],
        choices: list[StaticExpr],
        guard: Guard,
    ) -> int:
        """The shapes for words whose guard always holds, and those for all others."""
        needed = guard.needed()
        made = [self._shape(tree, fields, leaves, choices) for leaves in (stencils, guard.guarded)]
        if isinstance(needed, int):
            return made[needed]
        choices.append(needed)
        node = rec.ShapeNode.pack(
            form=self.forms.form(needed, fields), low=0, count=2, first_child=self._children(made)
        )
        return rec.NODE_BIT | self._pools["shape"].add([node])

    def _shape(self, tree: ShapeTree, fields: Fields, stencils: Mapping[int, int], choices: list[StaticExpr]) -> int:
        """An entry of .pq.child. Adds to `choices` what the tree's choices are made by."""
        match tree:
            case Undefined():
                return rec.NONE
            case ShapeLeaf():
                return stencils[id(tree)]
            case ShapeChoice(expr, children):
                low, high = min(children), max(children)
                if high - low >= _MAX_SPAN:
                    raise UnsupportedError(f"a shape that is chosen by {high - low} values")
                choices.append(expr)
                each = [children.get(value, Undefined()) for value in range(low, high + 1)]
                entries = [self._shape(child, fields, stencils, choices) for child in each]
                node = rec.ShapeNode.pack(
                    form=self.forms.form(expr, fields), low=low, count=len(entries),
                    first_child=self._children(entries),
                )  # fmt: skip
                return rec.NODE_BIT | self._pools["shape"].add([node])

    def decode_root(self, tree: DecodeTree) -> int:
        """Index of the tree's first node; the encodings are there already."""
        entry = self._decode(tree)
        if entry != rec.NONE and entry & rec.NODE_BIT:
            return entry & ~rec.NODE_BIT
        return self._node(0, 0, [entry]) & ~rec.NODE_BIT

    def _decode(self, tree: DecodeTree) -> int:
        if isinstance(tree, DecodeLeaf):
            return self._leaf(tree.candidates)
        return self._node(tree.shift, tree.bits, [self._decode(child) for child in tree.children])

    def _node(self, shift: int, bits: int, entries: list[int]) -> int:
        node = rec.DecodeNode.pack(shift=shift, bits=bits, first_child=self._children(entries))
        return rec.NODE_BIT | self._pools["node"].add([node])

    def _children(self, entries: list[int]) -> int:
        return self._pools["child"].add([entry.to_bytes(4, "little") for entry in entries])

    def _leaf(self, candidates: tuple[int, ...]) -> int:
        if not candidates:
            return rec.NONE
        encodings = [self._target.encodings[number] for number in candidates]
        inputs, here = self._inputs(encodings)
        run: list[bytes] = []
        for encoding in encodings:
            always = isinstance(encoding.guard, int) and encoding.guard != 0
            first = not run
            run.append(
                rec.Candidate.pack(
                    mask=encoding.mask, value=encoding.value, encoding=encoding.number,
                    guard=rec.NONE if always else self.forms.form(encoding.guard, fields_by_name(encoding)),
                    last=int(encoding is encodings[-1]),
                    inputs=inputs if first else 0, here=int(here and first),
                )
            )  # fmt: skip
        return self._pools["cand"].add(run)

    def _inputs(self, encodings: Sequence[Encoding]) -> tuple[int, bool]:
        """Bits of the word that decide among the encodings and their stencils, and whether the address
        does.
        """
        mask, here = 0, False
        for encoding in encodings:
            mask |= encoding.mask
            for expr in (encoding.guard, *self._shape_choices[encoding.number]):
                mask |= word_bits(expr, fields_by_name(encoding))
                here |= any(isinstance(leaf, Here) for leaf in leaves_of(expr))
        return mask, here

    # --- state and models ---

    def _add_registers(self, layout: Layout) -> None:
        for register in self._target.registers:
            place = layout.places[register.name]
            self._pools["reg"].items.append(
                rec.RegRec.pack(
                    name=self.strings.add(register.name), offset=place.offset, count=register.count,
                    width=register.width, stride=place.stride,
                )
            )  # fmt: skip

    def _add_exceptions(self) -> None:
        for exception in self._target.exceptions:
            self._pools["exc"].items.append(
                rec.ExcRec.pack(name=self.strings.add(exception.name), argument_count=len(exception.argument_widths))
            )

    def _add_models(self) -> None:
        numbers = {register.name: number for number, register in enumerate(self._target.registers)}
        for cpu in self._target.cpus:
            resets = [
                rec.ResetRec.pack(reg=numbers[name], index=index or 0, value=value & (1 << 64) - 1)
                for name, index, value in cpu.resets
            ]
            mask = feature_mask(cpu.features, self._target.features)
            first = len(self._pools["reset"].items)
            self._pools["reset"].items += resets
            self._pools["cpu"].items.append(
                rec.CpuRec.pack(
                    name=self.strings.add(cpu.name), feature_mask=(mask & 0xFFFFFFFF, mask >> 32),
                    first_reset=first, reset_count=len(resets),
                )
            )  # fmt: skip

    def personality(self, values: Mapping[str, str]) -> None:
        """The Linux personality's table, sorted by key."""
        for key in sorted(values, key=str.encode):
            self._pools["kv"].items.append(
                rec.KvRec.pack(key=self.strings.add(key), value=self.strings.add(values[key]))
            )


def fields_by_name(encoding: Encoding) -> Fields:
    """The encoding's fields."""
    return {field.name: field for field in encoding.fields}


def feature_mask(features: frozenset[str], order: Sequence[str]) -> int:
    """Bits by order of declaration; at most 64."""
    if len(order) > 64:
        raise UnsupportedError("more than 64 features")
    return sum(1 << order.index(feature) for feature in features)
