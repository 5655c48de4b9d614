"""Finds the fields that meet a set of equations: algebra as far as it goes, then trying what is left.

The order does not change what is found, only how fast. A field that no equation needs stays open, and an equation
that is too large to try is let pass: who asks has to look at what was found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pyqemu.translator.adl.asm_invert import Equation, Equations, ways
from pyqemu.translator.adl.asm_term import Known, Place, Term, all_values
from pyqemu.translator.static import Apply, Field, interval

#: Bits of open fields up to which an expression is tabulated.
_MOST_TABLE_BITS = 13
#: The widest field whose values are tried one by one where an expression is too large for a table.
_MOST_SPLIT_BITS = 8


class Solver:
    """Solves equations for an instruction at one place."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def solve(self, equations: Iterable[Equation], known: Known) -> Iterator[Known]:
        """The ways to meet the equations, as values of the fields that they need; those in `known` are given."""
        settled = self.propagate(equations, known)
        if settled is None:
            return
        known, stuck = settled
        if not stuck:
            yield known
            return
        chosen = min(stuck, key=lambda equation: _cost(equation, known))
        rest = [equation for equation in stuck if equation is not chosen]
        for branch in self._branches(chosen, known):
            yield from self.solve((*branch, *rest), known)

    def propagate(self, equations: Iterable[Equation], known: Known) -> tuple[Known, list[Equation]] | None:
        """What follows without trying anything: known fields and equations that are left; None if they contradict."""
        known = dict(known)
        todo = list(equations)
        stuck: list[Equation] = []
        while todo:
            waiting: list[Equation] = []
            count = len(known)
            for equation in todo:
                left = self._settle(equation, known)
                if left is None:
                    return None
                waiting += left
            if len(known) == count:
                known.update(_put_together(waiting, known))
            if len(known) == count:
                stuck = waiting
                break
            todo = waiting
        return known, stuck

    def _settle(self, equation: Equation, known: dict[str, int]) -> list[Equation] | None:
        """Takes one equation as far as it determines fields, and adds those to `known`; gives what is left of it."""
        left: list[Equation] = []
        todo = [equation]
        while todo:
            equation = todo.pop()
            term, wanted = equation.term, equation.wanted
            name = term.field
            if term.is_known(known):
                if term.value(known, self.place) != wanted:
                    return None
            elif name is not None:
                if not term.bounds[0] <= wanted <= term.bounds[1]:
                    return None
                known[name] = wanted
            else:
                found = ways(equation, known, self.place)
                if found is None or len(found) > 1:
                    left.append(equation)
                elif not found:
                    return None
                else:
                    todo += found[0]
        return left

    def _branches(self, equation: Equation, known: Known) -> Iterator[Equations]:
        """What an equation that is left can mean, one possibility at a time."""
        term, wanted = equation.term, equation.wanted
        if term.open_bits(known) <= _MOST_TABLE_BITS:
            for values in term.solutions(wanted, known, self.place):
                yield tuple(Equation(_field(term, name), value) for name, value in values.items())
            return
        found = ways(equation, known, self.place)
        if found is not None:
            yield from found
            return
        field = term.open_fields(known)[0]
        if field.width > _MOST_SPLIT_BITS:
            yield ()
            return
        for values in all_values([field]):
            narrowed = term.given({**known, **values})
            yield (Equation(_field(term, field.name), values[field.name]), Equation(narrowed, wanted))


def _put_together(equations: Iterable[Equation], known: Known) -> Known:
    """The unsigned fields all bits of which some equation each is about, as in a list of registers."""
    wanted: dict[Field, tuple[int, int]] = {}
    for equation in equations:
        found = _part(equation)
        if found is not None and found[0].name not in known:
            field, shift, width, value = found
            bits, before = wanted.get(field, (0, 0))
            wanted[field] = bits | ((1 << width) - 1) << shift, before | value << shift
    return {
        field.name: value
        for field, (bits, value) in wanted.items()
        if bits == (1 << field.width) - 1 and not field.signed
    }


def _part(equation: Equation) -> tuple[Field, int, int, int] | None:
    """The field, the lowest bit and the number of bits that an equation is about, and what they have to be."""
    expr, wanted = equation.term.expr, equation.wanted
    match expr:
        case Apply("eq", (inner, int(value))) if wanted:
            expr, wanted = inner, value
        case Apply("eq", (inner, int(value))) if value in (0, 1) and interval(inner) == (0, 1):
            expr, wanted = inner, 1 - value
        case _:
            pass
    match expr:
        case Apply("bits", (Apply("shr", (Field() as field, int(shift))), int(width))):
            found = field, shift, width
        case Apply("bits", (Field() as field, int(width))):
            found = field, 0, width
        case Apply("shr", (Field() as field, int(shift))):
            found = field, shift, field.width - shift
        case _:
            return None
    field, shift, width = found
    return (field, shift, width, wanted) if width > 0 and 0 <= wanted < 1 << width else None


def _cost(equation: Equation, known: Known) -> tuple[bool, int]:
    """Orders what to try: conditions have more solutions than numbers, wide expressions more than narrow ones."""
    return equation.term.bounds == (0, 1), equation.term.open_bits(known)


def _field(term: Term, name: str) -> Term:
    return Term(term.fields[name])
