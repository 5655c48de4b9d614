"""The tables of a pack that say what instructions there are: fields, guards, decode trees, shapes,
registers, models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyqemu.hostgen import pack_format as rec
from pyqemu.hostgen.elf import Strings
from pyqemu.hostgen.layout import Layout
from pyqemu.hostgen.program import Program
from pyqemu.translator.errors import UnsupportedError
from pyqemu.translator.static import StaticExpr
from pyqemu.translator.target import (
    DecodeLeaf,
    DecodeTree,
    Encoding,
    EncodingField,
    ShapeChoice,
    ShapeLeaf,
    ShapeTree,
    Target,
    Undefined,
)

#: A shape choice with a wider range of values than this is refused; the runtime has one entry for each.
_MAX_SPAN = 1 << 16


class Pool:
    """Runs of equal-sized records; equal runs are held once."""

    def __init__(self) -> None:
        self.items: list[bytes] = []
        self._known: dict[tuple[bytes, ...], int] = {}

    def add(self, run: Sequence[bytes]) -> int:
        """Index of the run's first record."""
        if not run:
            return 0
        key = tuple(run)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = len(self.items)
            self.items += run
        return known

    @property
    def data(self) -> bytes:
        return b"".join(self.items)


class Tables:
    """All tables but the stencils'; `sections` gives them by section name."""

    def __init__(self, target: Target, layout: Layout) -> None:
        self._target = target
        self._context = [variable.name for variable in target.context]
        self.strings = Strings()
        names = (
            "node", "child", "cand", "enc", "field", "slice", "prog", "guard", "shape", "table", "reg", "exc",
            "cpu", "reset", "kv",
        )  # fmt: skip
        self._pools = {name: Pool() for name in names}
        self._add_registers(layout)
        self._add_exceptions()
        self._add_models()

    def sections(self) -> dict[str, bytes]:
        """Bytes by section name."""
        return {f".pq.{name}": pool.data for name, pool in self._pools.items()} | {".pq.str": self.strings.data}

    # --- programs ---

    def program(self, program: Program) -> int:
        """Index of the program's first ProgOp."""
        ops: list[bytes] = []
        for step in program.steps:
            imm = self.table(step.table) if step.table else step.imm
            a, b, c = (*step.args, 0, 0, 0)[:3]
            ops.append(rec.ProgOp.pack(op=step.code, a=a, b=b, c=c, imm=imm))
        return self._pools["prog"].add(ops)

    def table(self, values: Sequence[int]) -> int:
        """Index of a run of 64-bit values."""
        return self._pools["table"].add([(v & (1 << 64) - 1).to_bytes(8, "little") for v in values])

    def guard(self, expr: StaticExpr, fields: Sequence[EncodingField]) -> int:
        """A ProgRec whose result is `expr`."""
        program = Program([field.name for field in fields], self._context)
        program.guard(expr)
        first = self.program(program)
        return self._pools["guard"].add([rec.ProgRec.pack(first=first, count=len(program.steps))])

    # --- encodings and decoding ---

    def encoding(self, encoding: Encoding, shape_root: int) -> None:
        """Encodings come in the order of their numbers."""
        fields: list[bytes] = []
        for field in encoding.fields:
            slices = [
                rec.SliceRec.pack(**{"from": piece.source, "width": piece.width, "to": piece.target})
                for piece in field.slices
            ]
            fields.append(
                rec.FieldRec.pack(
                    name=self.strings.add(field.name), first_slice=self._pools["slice"].add(slices),
                    slice_count=len(slices), width=field.width, is_signed=int(field.signed),
                )
            )  # fmt: skip
        pool = self._pools["enc"]
        first_field = self._pools["field"].add(fields)
        pool.items.append(
            rec.EncodingRec.pack(
                name=self.strings.add(encoding.name),
                unit=self._target.units.index(encoding.unit), first_field=first_field,
                field_count=len(fields), reserved=self._features(encoding), shape_root=shape_root,
            )
        )  # fmt: skip

    def _features(self, encoding: Encoding) -> int:
        """0, or 1 + the place of the mask of features that the encoding needs."""
        if not encoding.features:
            return 0
        return 1 + self.table([feature_mask(encoding.features, self._target.features)])

    def shape(self, tree: ShapeTree, fields: Sequence[EncodingField], stencils: Mapping[int, int]) -> int:
        """An entry of .pq.child; `stencils` has the stencil's number by identity of its leaf."""
        match tree:
            case Undefined():
                return rec.NONE
            case ShapeLeaf():
                return stencils[id(tree)]
            case ShapeChoice(expr, children):
                low, high = min(children), max(children)
                if high - low >= _MAX_SPAN:
                    raise UnsupportedError(f"a shape that is chosen by {high - low} values")
                program = self.guard(expr, fields)
                entries = [self.shape(children.get(v, Undefined()), fields, stencils) for v in range(low, high + 1)]
                node = rec.ShapeNode.pack(
                    program=program, low=low, count=len(entries), first_child=self._children(entries)
                )
                return rec.NODE_BIT | self._pools["shape"].add([node])

    def decode_root(self, tree: DecodeTree) -> int:
        """Index of the tree's first node."""
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
        run: list[bytes] = []
        for place, number in enumerate(candidates):
            encoding = self._target.encodings[number]
            always = isinstance(encoding.guard, int) and encoding.guard != 0
            run.append(
                rec.Candidate.pack(
                    mask=encoding.mask, value=encoding.value, encoding=number,
                    guard=rec.NONE if always else self.guard(encoding.guard, encoding.fields),
                    last=int(place == len(candidates) - 1),
                )
            )  # fmt: skip
        return self._pools["cand"].add(run)

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


def feature_mask(features: frozenset[str], order: Sequence[str]) -> int:
    """Bits by order of declaration; at most 64."""
    if len(order) > 64:
        raise UnsupportedError("more than 64 features")
    return sum(1 << order.index(feature) for feature in features)
