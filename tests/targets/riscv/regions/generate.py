"""Random programs for regions: instructions of two sizes, loops, accesses that fault, calls out, rounding modes.

Some registers have a part of their own, and other instructions mostly leave them alone: x2, x8 and x9 hold addresses on
the data page, x27 one that can be exchanged for that of a poll word, x26 counts loops, x24 and x1 hold addresses in the
program.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.target import Encoding
from tests.regions.programs import Program
from tests.targets.harness.command import encodings_of
from tests.targets.riscv.harness.generate import ACCESSES, BASES, BRANCHES, with_base
from tests.targets.words import has_field, random_word, with_field

POLL, COUNTER, LABEL, LINK = 27, 26, 24, 1
_PARTS = frozenset({*BASES, POLL, COUNTER, LABEL})
#: Files of the description, and how many of 100 instructions come from them.
_GROUPS: Mapping[str, int] = {
    "integer": 24, "words": 8, "bitmanip": 10, "memory": 24, "control": 16, "float": 14, "zfa": 2, "csr": 2,
}
#: They would end nearly every program early.
_RARE = frozenset({"JALR", "EBREAK", "ECALL", "COUNTER", "FENCE_I"})
_COUNT_DOWN = 0xFFFD0D13  # addi x26, x26, -1
_STORE_POLL = 0x01BDA023  # sw x27, 0(x27)
_EBREAK = 0x00100073
_CALL = 0x000000EF  # jal x1
_RET = 0x00008067


@dataclass(slots=True)
class _Place:
    """An instruction in the making, at module offset `at`."""

    encoding: Encoding
    word: int
    at: int = 0

    @property
    def size(self) -> int:
        """In bytes."""
        return self.encoding.unit.width // 8


class ProgramGenerator:
    """Makes programs of a target's instructions."""

    def __init__(self, target: DescribedTarget) -> None:
        self.target = target
        self._context = {variable.name: 0 for variable in target.context}
        groups = {name: encodings_of(target, (name,)) for name in _GROUPS}  # a variant may have none of a file
        self._groups = [group for group in groups.values() if group]
        self._shares = [_GROUPS[name] for name, group in groups.items() if group]

    def program(self, rng: random.Random, offset: int) -> Program:
        """A program of 8 to 48 instructions, and an EBREAK behind it."""
        places = [self._place(rng) for _ in range(rng.randrange(8, 49))]
        fixed = self._fixed_parts(rng, places)
        polls = rng.random() < 0.4
        if polls:
            places[rng.randrange(len(places))] = self._fixed(_STORE_POLL)
        end = offset
        for place in places:
            place.at, end = end, end + place.size
        for place in places:
            self._aim(rng, place, [p.at for p in places], end, loop=place in fixed)
        code = b"".join(place.word.to_bytes(place.size, "little") for place in [*places, self._fixed(_EBREAK)])
        ranges = _ranges(rng, places, end)
        inside = [p.at for p in places if any(a <= p.at < b for a, b in ranges)]
        entries = dict.fromkeys([inside[0], *rng.sample(inside, min(rng.choice((0, 0, 1, 3)), len(inside)))])
        if rng.random() < 0.5:  # calls that can stay inside
            entries.update(dict.fromkeys(at for at in _called(places) if at in inside))
        instructions = tuple((p.at, p.size) for p in places)
        return Program(offset, code, instructions, ranges, tuple(entries), self._context, polls)

    def _fixed_parts(self, rng: random.Random, places: list[_Place]) -> list[_Place]:
        """Puts loops, and perhaps a call and a return, in; gives the branches that close loops."""
        back: list[_Place] = []
        for _ in range(rng.choice((0, 1, 1, 2))):
            at = rng.randrange(len(places) - 1)
            places[at] = self._fixed(_COUNT_DOWN)
            (branch,) = (e for e in self.target.encodings if e.instruction == "BRANCH" and e.unit.width == 32)
            word = branch.word_of({"i": 0, "rs1": COUNTER, "rs2": 0, "op": rng.choice((1, 5))})  # not 0, not negative
            places[at + 1] = _Place(branch, word)
            back.append(places[at + 1])
        if rng.random() < 0.4:
            at, to = rng.sample(range(len(places)), 2)
            places[at], places[to] = self._fixed(_CALL), self._fixed(_RET)
        return back

    def _fixed(self, word: int) -> _Place:
        encoding = self.target.decode(word, "I", self._context)
        assert encoding is not None
        return _Place(encoding, word)

    def _place(self, rng: random.Random) -> _Place:
        while True:
            (group,) = rng.choices(self._groups, self._shares)
            encoding = rng.choice(group)
            if encoding.instruction in _RARE and rng.random() < 0.8:
                continue
            word = self._tamed(rng, encoding, random_word(encoding, rng))
            if self.target.decode(word, encoding.unit.name, self._context) is not encoding:
                continue
            if rng.random() < 0.02 or not self.target.undefined(encoding, word, self._context):
                return _Place(encoding, word)

    def _tamed(self, rng: random.Random, encoding: Encoding, word: int) -> int:
        fields = encoding.fields_of(word)
        if fields.get("rd") in _PARTS and rng.random() < 0.97:
            word = with_field(encoding, word, "rd", rng.randrange(10, 24))
        if "d" in fields and rng.random() < 0.9:
            word = with_field(encoding, word, "d", rng.randrange(2, 8))
        if encoding.instruction == "JALR":
            word = with_field(encoding, word, "rs1", rng.choice((LABEL, LABEL, LINK, rng.randrange(1, 32))))
            return with_field(encoding, word, "imm", rng.choice((0, 0, 0, 2, 4)))
        if encoding.instruction in ACCESSES and rng.random() < 0.98:
            word = with_base(encoding, word, rng)
        return word

    def _aim(self, rng: random.Random, place: _Place, starts: Sequence[int], end: int, *, loop: bool) -> None:
        """Lets a branch go to an instruction, mostly a later one; `loop`: to an earlier one."""
        if place.encoding.instruction not in BRANCHES:
            return
        earlier, later = [at for at in starts if at <= place.at], [at for at in (*starts, end) if at > place.at]
        back = loop or rng.random() < (0.05 if place.encoding.instruction == "JAL" else 0.25)
        to = rng.choice(earlier if back else later)
        if rng.random() < 0.03:
            to += 2  # into the middle of an instruction, perhaps
        for name in ("i", "j"):
            place.word = with_field(place.encoding, place.word, name, (to - place.at) // 2)
        if not loop and has_field(place.encoding, "rs1") and rng.random() < 0.2:
            place.word = with_field(place.encoding, place.word, "rs1", COUNTER)


def _called(places: Sequence[_Place]) -> Iterator[int]:
    """Where calls go."""
    for place in places:
        if place.encoding.instruction == "JAL" and place.encoding.unit.width == 32:
            fields = place.encoding.fields_of(place.word)
            if fields["rd"] == LINK:
                yield place.at + 2 * fields["i"]


def _ranges(rng: random.Random, places: Sequence[_Place], end: int) -> tuple[tuple[int, int], ...]:
    """All of it, or with a hole that is left to baseline code."""
    start = places[0].at
    if rng.random() < 0.7:
        return ((start, end),)
    first = rng.randrange(1, len(places) - 2)
    after = min(first + rng.randrange(1, 5), len(places))
    hole = places[first].at, places[after].at if after < len(places) else end
    return ((start, hole[0]), (hole[1], end)) if hole[1] < end else ((start, hole[0]),)
