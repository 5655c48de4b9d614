"""What is wrong with a line that no template gives: where, what could stand there, and the templates that come near."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from pyqemu.translator.adl.asm_invert import Equation, Equations
from pyqemu.translator.adl.asm_match import Departures, Line, NumberRead, Reading
from pyqemu.translator.adl.asm_solve import Solver
from pyqemu.translator.adl.asm_term import Known, Term, all_values
from pyqemu.translator.adl.errors import nearest
from pyqemu.translator.errors import AssemblyError
from pyqemu.translator.static import Apply, Field, StaticExpr, interval, substitute
from pyqemu.translator.target import Encoding

#: Bits of open fields up to which a number's possible values are listed; beyond, bounds and steps are worked out.
_MOST_LISTED_BITS = 13
_MOST_TEMPLATES = 3
_MOST_EXPECTED = 6
_MOST_NAMED = 8
_NOT_ENCODED = "is not among the values that can be encoded"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of matching a line against one row of an encoding.

    `template` is the row as it was written, `conditions` what has to hold for any word of the encoding, `others`
    that no row before is printed.
    """

    encoding: Encoding
    template: str
    conditions: Equations
    others: Equations
    readings: tuple[Reading, ...]
    departures: Departures

    def equations(self, reading: Reading) -> Equations:
        """What has to hold for a reading, not looking at the rows before."""
        return (*reading.all_equations(), *self.conditions)


def unknown_word(text: str, line: Line, words: Iterable[str]) -> AssemblyError:
    """That no instruction begins like this."""
    word = line.token(0)[1]
    return AssemblyError(text, line.columns[0] + 1, f"no instruction is called `{word}`", nearest(word, words))


def complaint(
    text: str,
    line: Line,
    attempts: list[Attempt],
    solver: Solver,
    features: Collection[str] | None,
    spelled: str | None,
) -> AssemblyError:
    """The error for a line of which the first word is known; `spelled` is how to write it, if that is known."""
    start = line.columns[0] + 1
    read = [attempt for attempt in attempts if attempt.readings]
    if features is not None:
        missing = [sorted(attempt.encoding.features - set(features)) for attempt in read]
        if missing and all(missing):
            return AssemblyError(text, start, f"this needs feature {' and '.join(missing[0])}")
    if spelled is not None:
        return AssemblyError(text, start, f"this is written `{spelled}`")
    if read:
        at, message = _unsolved(read, solver)
        return AssemblyError(text, line.columns[at] + 1, message, _templates(read))
    attempts = sorted(attempts, key=lambda attempt: -attempt.departures.at)
    furthest = attempts[0].departures.at
    message = _departed(line, furthest, attempts, solver)
    return AssemblyError(text, line.columns[furthest] + 1, message, _templates(attempts))


def _templates(attempts: Iterable[Attempt]) -> str:
    shown = list(dict.fromkeys(attempt.template for attempt in attempts if attempt.template))[:_MOST_TEMPLATES]
    return "\n  ".join(["what comes near:", *shown]) if shown else ""


def _departed(line: Line, furthest: int, attempts: Iterable[Attempt], solver: Solver) -> str:
    """What was wanted at the furthest departure, and which numbers kept other rows from coming there."""
    departures = [attempt.departures for attempt in attempts]
    numbers = [number for d in departures for number in d.numbers]
    limits = [f"{number.value} {_limits(number, {}, (), solver)}" for number in numbers]
    expected = list(dict.fromkeys(e for d in departures if d.at == furthest for e in d.expected))
    if any(d.at == furthest and d.numbers for d in departures) or not expected:
        return _either(limits)
    found = f"`{token}`" if (token := line.token(furthest)[1]) else "the end"
    if expected == ["the end"]:
        return _either([f"nothing can follow here, there is {found}", *limits])
    more = " …" if len(expected) > _MOST_EXPECTED else ""
    return _either([f"expected {' or '.join(expected[:_MOST_EXPECTED])}{more}, not {found}", *limits])


def _either(messages: Iterable[str]) -> str:
    return "; or ".join(list(dict.fromkeys(messages))[:2])


def _unsolved(attempts: list[Attempt], solver: Solver) -> tuple[int, str]:
    """The place and the limits of the number that makes the first reading impossible; of several the last one."""
    readings = [(attempt, reading) for attempt in attempts for reading in attempt.readings]
    for attempt, reading in readings:
        for number, known, left in _culprits(attempt, reading, solver):
            return number.start, f"{number.value} {_limits(number, known, left, solver)}"
    if any(_possible(reading.all_equations(), solver) for _, reading in readings):
        return 0, "with these operands the instruction is UNDEFINED, or another one"
    return 0, "these operands do not go together"


def _culprits(attempt: Attempt, reading: Reading, solver: Solver) -> Iterator[tuple[NumberRead, Known, list[Equation]]]:
    """Numbers without which the reading is possible, with the fields known then and the equations left."""
    for position in reversed(range(len(reading.numbers))):
        others = Reading(reading.equations, reading.numbers[:position] + reading.numbers[position + 1 :])
        settled = solver.propagate((*attempt.equations(others), *attempt.others), {})
        if settled is not None and _possible(settled[1], solver, settled[0]):
            yield reading.numbers[position], *settled


def _possible(equations: Iterable[Equation], solver: Solver, known: Known | None = None) -> bool:
    return next(solver.solve(equations, known or {}), None) is not None


# --- what a number can be ------------------------------------------------------------------------


def _limits(number: NumberRead, known: Known, equations: Iterable[Equation], solver: Solver) -> str:
    if number.term.open_bits(known) <= _MOST_LISTED_BITS:
        return _among(number.value, sorted(set(_listed(number.term, known, list(equations), solver))))
    expr = _unwrapped(substitute(number.term.expr, dict(known), here=solver.place.here))
    (low, high), step = interval(expr), max(_step(expr), 1)
    if low <= number.value <= high and (number.value - low) % step == 0:
        return _NOT_ENCODED
    return _in_steps(low, high, step)


def _listed(term: Term, known: Known, equations: list[Equation], solver: Solver) -> Iterator[int]:
    """The values of a term for which no equation is known to fail."""
    for values in all_values(term.open_fields(known)):
        fields = {**known, **values}
        if all(e.term.value(fields, solver.place) == e.wanted for e in equations if e.term.is_known(fields)):
            yield term.value(fields, solver.place)


def _among(value: int, values: list[int]) -> str:
    """That a value must be one of `values`, in words."""
    if len(values) < 2:
        return f"must be {_shown(values[0])}" if values else "cannot stand here"
    step = math.gcd(*(after - before for before, after in pairwise(values)))
    low, high = values[0], values[-1]
    holes = (high - low) // step + 1 - len(values)
    if holes == 0 and len(values) > 2:
        return _in_steps(low, high, step)
    if len(values) <= _MOST_NAMED:
        return f"must be {', '.join(map(_shown, values[:-1]))} or {_shown(high)}"
    if holes == 1:
        return f"{_in_steps(low, high, step)}, without {_shown(sum(range(low, high + 1, step)) - sum(values))}"
    if low <= value <= high:
        return _NOT_ENCODED
    return f"must be in {_shown(low)} .. {_shown(high)}"


def _in_steps(low: int, high: int, step: int) -> str:
    bounds = f"{_shown(low)} .. {_shown(high)}"
    if step <= 1:
        return f"must be in {bounds}"
    if low % step:
        return f"must be {_shown(low % step)} more than a multiple of {step} in {bounds}"
    return f"must be a multiple of {step} in {bounds}"


def _shown(value: int) -> str:
    return str(value) if abs(value) < 0x10000 else hex(value)


def _unwrapped(expr: StaticExpr) -> StaticExpr:
    """An address before it wraps around."""
    match expr:
        case Apply("bits", (inner, int(width))) if width >= 32:
            return inner
        case _:
            return expr


def _step(expr: StaticExpr) -> int:
    """A number that divides all differences between values of an expression; 0 if it has but one."""
    match expr:
        case int():
            return 0
        case Field():
            return 1
        case Apply("neg" | "inv", (inner,)):
            return _step(inner)
        case Apply("add" | "sub", (left, right)):
            return math.gcd(_step(left), _step(right))
        case Apply("mul", (inner, int(factor))):
            return _step(inner) * abs(factor)
        case Apply("shl", (inner, int(amount))):
            return _step(inner) << amount
        case _:
            return 1
