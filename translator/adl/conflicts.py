"""Exact check that no word belongs to two encodings, unless one is preferred.

Two encodings are cubes (mask and value) with guards. Where their cubes meet, the guards are rewritten over
the free bits of the word and the context variables, and a word that satisfies both is searched for by
deciding one bit after the other; ranges of expressions cut the search short. What is found is a witness, what
is not found does not exist.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from pyqemu.translator.adl.errors import DescriptionError
from pyqemu.translator.adl.model import BoundEncoding, Model
from pyqemu.translator.static import Ctx, Field, StaticExpr, apply, interval, leaves_of, substitute
from pyqemu.translator.target import Encoding, EncodingField, FieldSlice, Unit

#: Decisions after which the search gives up and says so.
_MOST_STEPS = 200_000


@dataclass(frozen=True, slots=True)
class Witness:
    """A word that belongs to two encodings, in a context."""

    word: int
    context: Mapping[str, int]


def _placed(encoding: Encoding, unit: Unit) -> Encoding:
    """An encoding of a unit that is narrower or has other bytes as words that begin with the same bytes."""
    byte_at = {encoding.unit.bit_of(byte): byte for byte in range(encoding.unit.size)}

    def bit(source: int) -> int:
        return source % 8 + unit.bit_of(byte_at[source // 8 * 8])

    def word(value: int) -> int:
        return sum(1 << bit(source) for source in range(encoding.unit.width) if value >> source & 1)

    fields = tuple(
        replace(
            field,
            slices=tuple(
                FieldSlice(bit(piece.source + i), 1, piece.target + i)
                for piece in field.slices
                for i in range(piece.width)
            ),
        )
        for field in encoding.fields
    )
    return replace(encoding, unit=unit, mask=word(encoding.mask), value=word(encoding.value), fields=fields)


class _TooHard(Exception):
    """The search took too many steps."""


def common_word(first: Encoding, second: Encoding) -> Witness | None:
    """A word that both encodings match, None if there is none. Of two widths, it is a word of the
    wider unit.
    """
    if first.unit.width < second.unit.width:
        first = _placed(first, second.unit)
    elif second.unit != first.unit:
        second = _placed(second, first.unit)
    if (first.value ^ second.value) & first.mask & second.mask:
        return None
    mask, value = first.mask | second.mask, first.value | second.value
    guards = [_over_word(e, mask, value) for e in (first, second) if e.guard != 1]
    found = _solve(
        apply("and", *(_truth(g) for g in guards)) if len(guards) == 2 else guards[0] if guards else 1
    )
    if found is None:
        return None
    word = value
    for leaf, chosen in found.items():
        if isinstance(leaf, Field):
            word |= chosen << int(leaf.name)
    return Witness(word, {leaf.name: chosen for leaf, chosen in found.items() if isinstance(leaf, Ctx)})


def _truth(expr: StaticExpr) -> StaticExpr:
    return apply("ne", expr, 0)


def _over_word(encoding: Encoding, mask: int, value: int) -> StaticExpr:
    """The guard in terms of the word: `Field(str(position), bits)` for each run of bits not fixed by
    `mask`.
    """
    return substitute(encoding.guard, {f.name: _field_over_word(f, mask, value) for f in encoding.fields})


def _field_over_word(field: EncodingField, mask: int, value: int) -> StaticExpr:
    result: StaticExpr = 0
    for piece in field.slices:
        for bit in range(piece.width):
            source = piece.source + bit
            known = mask >> source & 1
            item: StaticExpr = (value >> source & 1) if known else Field(str(source), 1)
            result = apply("or", result, apply("shl", item, piece.target + bit))
    return apply("sbits", result, field.width) if field.signed else result


Leaf = Field | Ctx


def _solve(condition: StaticExpr) -> dict[Leaf, int] | None:
    """Values of all leaves for which `condition` is nonzero; leaves that do not matter are left out (0)."""
    steps = 0

    def search(expr: StaticExpr, chosen: dict[Leaf, int]) -> dict[Leaf, int] | None:
        nonlocal steps
        steps += 1
        if steps > _MOST_STEPS:
            raise _TooHard
        low, high = interval(expr)
        if low == high == 0:
            return None
        if low > 0 or high < 0:
            return chosen
        leaf = _next_leaf(expr)
        for number in range(1 << leaf.width):
            result = search(_decided(expr, leaf, number), {**chosen, leaf: number})
            if result is not None:
                return result
        return None

    return search(condition, {})


def _next_leaf(expr: StaticExpr) -> Leaf:
    """The leaf to decide next: a context variable of one bit, which may tell units apart; then the highest bit, so that
    ranges become narrow soon; other context variables last.
    """
    leaves = [leaf for leaf in leaves_of(expr) if isinstance(leaf, Field | Ctx)]
    switch = next((leaf for leaf in leaves if isinstance(leaf, Ctx) and leaf.width == 1), None)
    if switch is not None:
        return switch
    bits = [leaf for leaf in leaves if isinstance(leaf, Field)]
    if bits:
        return max(bits, key=lambda leaf: int(leaf.name))
    return leaves[0]


def _decided(expr: StaticExpr, leaf: Leaf, value: int) -> StaticExpr:
    if isinstance(leaf, Field):
        return substitute(expr, {leaf.name: value})
    return substitute(expr, {}, {leaf.name: value})


# --- all pairs -----------------------------------------------------------------------------------


def preferred_before(model: Model) -> dict[int, frozenset[int]]:
    """For each encoding's number, the numbers of those that are preferred to it by a `prefer` line."""
    numbers: dict[str, list[int]] = {}
    for bound in model.encodings:
        numbers.setdefault(bound.instruction.name, []).append(bound.encoding.number)
    result: dict[int, set[int]] = {}
    for prefer in model.prefers:
        for other in prefer.others:
            for number in numbers.get(other, ()):
                result.setdefault(number, set()).update(numbers.get(prefer.first, ()))
    _reject_cycles(model)
    return {number: frozenset(first) for number, first in result.items()}


def _reject_cycles(model: Model) -> None:
    after: dict[str, set[str]] = {}
    for prefer in model.prefers:
        for other in prefer.others:
            if other == prefer.first or prefer.first in _reachable(after, other):
                raise DescriptionError(
                    prefer.span, f"{prefer.first} and {other} are each preferred to the other"
                )
            after.setdefault(prefer.first, set()).add(other)


def _reachable(after: Mapping[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += after.get(name, ())
    return seen


def find_conflicts(model: Model) -> list[DescriptionError]:
    """An error with a witness for each two encodings that share a word and have no `prefer`.

    Units of several widths are read at one address, so that an encoding of a narrow unit must not be how one
    of a wider unit begins.
    """
    before = preferred_before(model)
    errors: list[DescriptionError] = []
    for first, second in _meeting(model):
        a, b = first.encoding, second.encoding
        if b.number in before.get(a.number, ()) or a.number in before.get(b.number, ()):
            continue
        try:
            witness = common_word(a, b)
        except _TooHard:
            errors.append(_undecided(first, second))
            continue
        if witness is not None:
            errors.append(_conflict(first, second, witness))
    return errors


def _meeting(model: Model) -> Iterator[tuple[BoundEncoding, BoundEncoding]]:
    """All pairs of encodings whose cubes meet."""
    widest = max(model.units.values(), key=lambda unit: unit.width)
    rows: list[tuple[int, int, BoundEncoding]] = []
    for bound in model.encodings:
        encoding = bound.encoding
        placed = encoding if encoding.unit == widest else _placed(encoding, widest)
        rows.append((placed.mask, placed.value, bound))
    for position, (mask, value, bound) in enumerate(rows):
        for other_mask, other_value, other in rows[position + 1 :]:
            if not (value ^ other_value) & mask & other_mask:
                yield bound, other


def _conflict(first: BoundEncoding, second: BoundEncoding, witness: Witness) -> DescriptionError:
    a, b = first.encoding, second.encoding
    digits = (max(a.unit.width, b.unit.width) + 3) // 4
    context = "".join(f", {name} = {value}" for name, value in witness.context.items())
    where = first.declaration.span
    advice = f"the other is in {where.file.name}, line {where.line}; "
    if a.instruction == b.instruction:
        advice += "give one of them a guard"
    else:
        advice += f"give one a guard, or say `prefer {b.instruction} over {a.instruction}`"
    message = f"word {witness.word:#0{digits + 2}x}{context} belongs to both {a.name} and {b.name}"
    return DescriptionError(second.declaration.span, message, advice)


def _undecided(first: BoundEncoding, second: BoundEncoding) -> DescriptionError:
    names = f"{first.encoding.name} and {second.encoding.name}"
    return DescriptionError(
        second.declaration.span,
        f"whether {names} share a word cannot be decided",
        "say it with simpler guards",
    )
