"""Computes a region's flags where they are looked at, not where they are made.

Nearly every flag that an instruction makes is overwritten before anyone but a fault, a poll or an exit could see
it. Instead of the flags, the values that they come from are kept (their *sources*), with the number of the *recipe*
that gives the flags from them; at `at` and at exits the recipes that may be meant are written out. Reads within the
region go on using the flags as values.

`~NF` is flag NF as a value, `~.recipe` and `~.i64[0]` say how to make all flags: hidden registers (locations.py), which
promote_state makes values of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from pyqemu.translator.ir.function import Block, Function, Op, Value
from pyqemu.translator.ir.ops import LEAVING, OPS, PURE
from pyqemu.translator.ir.types import I1, Bits, Type
from pyqemu.translator.passes.locations import OWN, RECIPE, SHADOW, UNTOUCHED

_RECIPE_TYPE = Bits(8)
_MOST_RECIPES = 255
#: Constants that are part of a recipe rather than sources.
_SMALL = (0, 1)


@dataclass(frozen=True, slots=True)
class DeferFlags:
    """`flags`: names of the flags, which are registers of one bit."""

    flags: tuple[str, ...] = ()

    def run(self, function: Function) -> bool:
        """Changes a region in place, before promote_state; whether anything changed."""
        if function.entry.terminator.name != "dispatch" or not self.flags:
            return False
        return _Deferral(function, self.flags).run()


def made_together(function: Function, flags: Sequence[str]) -> tuple[str, ...]:
    """Of `flags` those that are worth deferring: the ones that most instructions make at once, directly or because they
    make some of them each. All if none is made.

    An architecture may have other flags, of floating-point comparisons or of saturation, which every instruction that
    makes the usual ones would leave out.
    """
    groups: Counter[frozenset[str]] = Counter()
    for block in function.blocks:
        written: list[str] = []
        for op in block.ops:
            if op.name == "write" and op.attrs["reg"] in flags:
                written.append(op.attrs["reg"])
            elif written:
                groups[frozenset(written)] += 1
                written = []
    sets: list[tuple[set[str], int]] = []  # disjoint, with the number of instructions
    for group, count in groups.items():
        joined, times = set(group), count
        apart: list[tuple[set[str], int]] = []
        for one, number in sets:
            if joined.isdisjoint(one):
                apart.append((one, number))
            else:
                joined |= one
                times += number
        sets = [*apart, (joined, times)]
    if not sets:
        return tuple(flags)
    most, _ = max(sets, key=lambda one: one[1])
    return tuple(flag for flag in flags if flag in most)


@dataclass(frozen=True, slots=True)
class _Source:
    """Operand `number` among a recipe's sources of one type."""

    type: Type
    number: int


@dataclass(frozen=True, slots=True)
class _Term:
    """An operation of a recipe."""

    name: str
    type: Type
    attrs: tuple[tuple[str, object], ...]
    operands: tuple[_Term | _Source, ...]


@dataclass(slots=True)
class _Made:
    """How a group of writes makes all flags; `left_out` are the numbers of those that stay as they are, which are
    sources themselves.
    """

    recipe: int
    sources: list[tuple[_Source, Value]]
    left_out: list[tuple[int, _Source]]


@dataclass(slots=True)
class _Deferral:
    function: Function
    flags: tuple[str, ...]
    definitions: dict[Value, Op] = field(default_factory=dict[Value, Op])
    recipes: dict[tuple[_Term | _Source, ...], int] = field(
        default_factory=dict[tuple["_Term | _Source", ...], int]
    )
    reaching: dict[Block, int] = field(default_factory=dict[Block, int])  # sets of recipes, on entry

    def run(self) -> bool:
        writes = any(op.name == "write" and op.attrs["reg"] in self.flags for b in self.function.blocks for op in b.ops)
        if not writes:
            return False
        self.definitions = {result: op for b in self.function.blocks for op in b.ops for result in op.results}
        made = {block: self._recipes_of(block) for block in self.function.blocks}
        self._solve(made)
        for block in self.function.blocks:
            self._rewrite(block, made[block])
        return True

    # --- recipes ---

    def _recipes_of(self, block: Block) -> dict[int, _Made]:
        """By number of the last `write` of each group that makes all flags, what it makes them by."""
        found: dict[int, _Made] = {}
        pending: dict[str, Value] = {}
        for number, op in enumerate(block.ops):
            if op.name == "write" and op.attrs["reg"] in self.flags:
                pending[op.attrs["reg"]] = op.operands[0]
                following = block.ops[number + 1]
                last = not (following.name == "write" and following.attrs["reg"] in self.flags)
                if last:
                    found[number] = self._recipe([pending.get(flag) for flag in self.flags])
                    pending = {}
        return found

    def _recipe(self, values: Sequence[Value | None]) -> _Made:
        """Of a group that leaves flags out, these are sources behind the others."""
        collected = _Sources(self.definitions, [v for v in values if v is not None])
        sources = collected.numbered()
        bits = sum(source.type == I1 for source, _ in sources)
        absent = [number for number, value in enumerate(values) if value is None]
        left_out = {number: _Source(I1, bits + place) for place, number in enumerate(absent)}
        terms = tuple(left_out[n] if v is None else collected.term(v) for n, v in enumerate(values))
        return _Made(self._number(terms), sources, list(left_out.items()))

    def _number(self, terms: tuple[_Term | _Source, ...]) -> int:
        number = self.recipes.setdefault(terms, len(self.recipes) + 1)
        assert number <= _MOST_RECIPES, "more kinds of flags than a recipe's number holds"
        return number

    def _solve(self, made: dict[Block, dict[int, _Made]]) -> None:
        """Which recipes may be the last on entry of each block."""
        self.reaching = dict.fromkeys(self.function.blocks, 0)
        self.reaching[self.function.entry] = 1 << UNTOUCHED
        pending = [self.function.entry]
        while pending:
            block = pending.pop()
            own = list(made[block].values())
            leaving = 1 << own[-1].recipe if own else self.reaching[block]
            for edge in block.terminator.successors:
                if leaving & ~self.reaching[edge.block]:
                    self.reaching[edge.block] |= leaving
                    pending.append(edge.block)

    # --- the new form ---

    def _rewrite(self, block: Block, made: dict[int, _Made]) -> None:
        kept: list[Op] = []
        reaching = self.reaching[block]
        shown: list[Value] | None = None  # the flags written out since they were made last
        for number, op in enumerate(block.ops):
            flag = op.attrs.get("reg") if op.name in ("read", "write") else None
            if flag in self.flags:
                op.attrs = {**op.attrs, "reg": f"{SHADOW}{flag}"}
            elif op.name == "at":
                flags = shown = self._write_out(reaching, kept) if shown is None else shown
                op.operands += flags
                op.attrs = {**op.attrs, "state": (*op.attrs["state"], *[(f, None) for f in self.flags[: len(flags)]])}
            elif op.name in LEAVING:
                shown = self._write_out(reaching, kept) if shown is None else shown
                for flag, value in zip(self.flags, shown, strict=False):
                    kept.append(_write(flag, None, value))
            kept.append(op)
            if number in made:
                reaching, shown = 1 << made[number].recipe, None
                self._keep_sources(made[number], kept)
        block.ops = kept

    def _keep_sources(self, made: _Made, kept: list[Op]) -> None:
        recipe = Value(_RECIPE_TYPE)
        kept.append(Op("const", results=[recipe], attrs={"value": made.recipe}))
        kept.append(_write(RECIPE, None, recipe))
        sources = list(made.sources)
        for number, source in made.left_out:
            value = Value(I1)
            kept.append(Op("read", results=[value], attrs=_place(f"{SHADOW}{self.flags[number]}", None)))
            sources.append((source, value))
        for source, value in sources:
            kept.append(_write(_source_name(source), source.number, value))

    def _write_out(self, reaching: int, kept: list[Op]) -> list[Value]:
        """Operations that make all flags; none if nobody can have changed them."""
        if not reaching >> 1:
            return []
        chosen = [(terms, n) for terms, n in self.recipes.items() if reaching >> n & 1]
        writer = _Writer(kept)
        results = [[writer.value(term) for term in terms] for terms, _ in chosen]
        values = results[0]
        for others, (_, number) in zip(results[1:], chosen[1:], strict=True):
            values = writer.choose(number, others, values)
        if reaching & 1 << UNTOUCHED:
            untouched = [writer.read(flag, None, I1) for flag in self.flags]
            values = writer.choose(UNTOUCHED, untouched, values)
        return values


class _Sources:
    """Finds few values that given flags can be made from."""

    def __init__(self, definitions: dict[Value, Op], flags: Sequence[Value]) -> None:
        self._definitions = definitions
        self._sources: dict[Value, _Source | None] = {}
        self._terms: dict[Value, _Term] = {}
        for flag in flags:
            self._collect(flag)
        self._derive()
        counts: dict[Type, int] = {}
        for value in self._sources:
            number = counts.get(value.type, 0)
            counts[value.type] = number + 1
            self._sources[value] = _Source(value.type, number)

    def _op(self, value: Value) -> Op | None:
        """The pure operation that gives `value`."""
        op = self._definitions.get(value)
        return op if op is not None and op.name in PURE else None

    def _expands(self, value: Value, op: Op | None) -> bool:
        """Bits are always made anew, and so are complements and small constants."""
        if op is None:
            return False
        if op.name == "const":
            return op.attrs["value"] in _SMALL
        return value.type == I1 or op.name == "not"

    def _collect(self, value: Value, depth: int = 0) -> None:
        op = self._op(value)
        if op is not None and self._expands(value, op) and depth < 6:
            for operand in op.operands:
                self._collect(operand, depth + 1)
        else:
            self._sources.setdefault(value)

    def _derive(self) -> None:
        """A source that is made from others and from constants is not kept itself."""
        for value in list(self._sources):
            op = self._op(value)
            if op is None or op.name == "const" or not op.operands:
                continue
            if all(v in self._sources or self._is_small(v) for v in op.operands):
                del self._sources[value]

    def _is_small(self, value: Value) -> bool:
        op = self._op(value)
        return op is not None and op.name == "const" and op.attrs["value"] in _SMALL

    def numbered(self) -> list[tuple[_Source, Value]]:
        """The sources with their places."""
        return [(source, value) for value, source in self._sources.items() if source is not None]

    def term(self, value: Value) -> _Term | _Source:
        """How a flag is made from the sources."""
        source = self._sources.get(value)
        if source is not None:
            return source
        term = self._terms.get(value)
        if term is None:
            op = self._definitions[value]
            operands = tuple(self.term(v) for v in op.operands)
            term = self._terms[value] = _Term(op.name, value.type, tuple(op.attrs.items()), operands)
        return term


class _Writer:
    """Appends a recipe's operations, equal ones once."""

    def __init__(self, kept: list[Op]) -> None:
        self._kept = kept
        self._known: dict[int, Value] = {}  # by identity: terms are shared, and their hashes take long
        self._recipe: Value | None = None

    def read(self, reg: str, index: int | None, type: Type) -> Value:
        value = Value(type)
        self._kept.append(Op("read", results=[value], attrs=_place(reg, index)))
        return value

    def value(self, term: _Term | _Source) -> Value:
        """The value of a term."""
        known = self._known.get(id(term))
        if known is None:
            if isinstance(term, _Source):
                known = self.read(_source_name(term), term.number, term.type)
            else:
                known = self._op(term.name, [self.value(t) for t in term.operands], term.type, dict(term.attrs))
            self._known[id(term)] = known
        return known

    def choose(self, recipe: int, then: Sequence[Value], otherwise: Sequence[Value]) -> list[Value]:
        """`then` if `recipe` is meant."""
        if self._recipe is None:
            self._recipe = self.read(RECIPE, None, _RECIPE_TYPE)
        number = self._op("const", [], _RECIPE_TYPE, {"value": recipe})
        meant = self._op("eq", [self._recipe, number], I1, {})
        pairs = zip(then, otherwise, strict=True)
        return [b if a is b else self._op("select", [meant, a, b], I1, {}) for a, b in pairs]

    def _op(self, name: str, operands: list[Value], type: Type, attrs: dict[str, object]) -> Value:
        assert name in OPS
        value = Value(type)
        self._kept.append(Op(name, operands, [value], attrs))
        return value


def _source_name(source: _Source) -> str:
    return f"{OWN}{source.type}"


def _place(reg: str, index: int | None) -> dict[str, object]:
    return {"reg": reg, "index": index, "zero": None}


def _write(reg: str, index: int | None, value: Value) -> Op:
    return Op("write", [value], attrs=_place(reg, index))
