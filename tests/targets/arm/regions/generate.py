"""Random programs for regions, in A32 or T32: conditions, IT blocks, loops, accesses that fault, calls out.

Some registers have a part of their own, and other instructions mostly leave them alone: r5, r6 and r13 hold addresses
on the data page, r11 one that can be exchanged for that of a poll word, r4 counts loops, r7 is a small offset, r12 and
r14 hold addresses in the program.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.static import evaluate
from pyqemu.translator.target import Encoding
from tests.regions.programs import Program
from tests.targets.arm.harness.text import THUMB, bytes_of, unit_of
from tests.targets.harness.command import encodings_of
from tests.targets.words import has_field, random_word, with_field

BASES, POLL, COUNTER, INDEX, LABEL, LINK = (5, 6, 13), 11, 4, 7, 12, 14
_PARTS = frozenset({*BASES, POLL, COUNTER, INDEX, LABEL})
_PC, _ALWAYS = 15, 14
#: Files of the description, and how many of 100 instructions come from them.
_GROUPS: Mapping[str, int] = {
    "dataproc": 26, "multiply": 6, "media": 7, "loadstore": 18, "multiple": 5, "exclusive": 1, "branch": 8, "thumb": 10,
    "system": 2, "vfp": 6, "vfp_registers": 5, "simd": 3, "simd_fp": 3, "simd_loadstore": 2, "simd_shift": 2,
    "simd_wide": 2, "crypto": 1,
}  # fmt: skip
_MEMORY = frozenset({"loadstore", "multiple", "exclusive", "vfp_registers", "simd_loadstore"})
_BRANCHES = frozenset({"B", "BL", "BLX_immediate", "B_T32", "BL_T32", "CBZ"})
#: They would end nearly every program early.
_RARE = frozenset({"BX", "BLX_register", "BLX_immediate", "BKPT", "UDF", "HVC_SMC", "SVC", "TBB", "VMSR", "STREX"})


@dataclass(frozen=True, slots=True)
class _Set:
    """Words of an instruction set, as `harness.text` has them."""

    count_down: int  # subs r4, r4, #1
    store_poll: int  # str r11, [r11]
    stop: int  # bkpt
    call: int  # bl
    back: int  # bx lr
    nops: Mapping[int, bytes]  # by size in bytes
    branch: str  # the instruction's name


_SETS = {
    0: _Set(0xE2544001, 0xE58BB000, 0xE1200070, 0xEB000000, 0xE12FFF1E, {4: bytes.fromhex("00f020e3")}, "B"),
    1: _Set(
        THUMB | 0x3C01, THUMB | 0xF8CBB000, THUMB | 0xBE00, THUMB | 0xF000F800, THUMB | 0x4770,
        {2: bytes.fromhex("00bf"), 4: bytes.fromhex("aff30080")}, "B_T32",
    ),
}  # fmt: skip


def nops(program: Program) -> Mapping[int, bytes]:
    """What does nothing, by size in bytes."""
    return _SETS[program.context["t"]].nops


@dataclass(slots=True)
class _Place:
    """An instruction in the making, at module offset `at`; the word is without its mark."""

    encoding: Encoding
    word: int
    at: int = 0

    @property
    def size(self) -> int:
        """In bytes."""
        return self.encoding.unit.size

    @property
    def code(self) -> bytes:
        """Its bytes."""
        return bytes_of(self.word if self.encoding.unit.name == "A32" else self.word | THUMB)


class ProgramGenerator:
    """Makes programs of a target's instructions."""

    def __init__(self, target: DescribedTarget) -> None:
        self.target = target
        self._groups = {t: self._groups_of(t) for t in _SETS}

    def _groups_of(self, t: int) -> list[tuple[list[Encoding], int]]:
        files = {name: encodings_of(self.target, (name,)) for name in _GROUPS}
        groups = [([e for e in files[name] if (e.unit.name != "A32") == t], _GROUPS[name]) for name in _GROUPS]
        return [(group, share) for group, share in groups if group]

    def program(self, rng: random.Random, offset: int) -> Program:
        """A program of 8 to 48 instructions, and a BKPT behind it."""
        values = {"t": rng.getrandbits(1), "fz": int(rng.random() < 0.1)}
        context = {variable.name: values.get(variable.name, 0) for variable in self.target.context}
        return _Making(self, rng, context, offset).run()

    def place(self, rng: random.Random, context: Mapping[str, int]) -> _Place:
        """A random instruction."""
        groups = self._groups[context["t"]]
        while True:
            (group,) = rng.choices([group for group, _ in groups], [share for _, share in groups])
            encoding = rng.choice(group)
            if encoding.instruction in _RARE and rng.random() < 0.8:
                continue
            word = self._tamed(rng, encoding, random_word(encoding, rng, context))
            if not self._can_be_run(encoding, word, context):
                continue
            if rng.random() < 0.02 or not self.target.undefined(encoding, word, context):
                return _Place(encoding, word)

    def _can_be_run(self, encoding: Encoding, word: int, context: Mapping[str, int]) -> bool:
        if encoding.unit.name == "T16" and unit_of(word | THUMB) != "T16":
            return False
        decoded = self.target.decode(word, encoding.unit.name, context)
        return decoded is encoding and not self.target.unpredictable(encoding, word)

    def fixed(self, word: int, context: Mapping[str, int]) -> _Place:
        """The instruction of a word with its mark."""
        encoding = self.target.decode(word & THUMB - 1, unit_of(word), context)
        assert encoding is not None
        return _Place(encoding, word & THUMB - 1)

    def _tamed(self, rng: random.Random, encoding: Encoding, word: int) -> int:
        if rng.random() < 0.6:
            word = with_field(encoding, word, "c", _ALWAYS)
        fields = encoding.fields_of(word)
        for name in ("rd", "rt", "rt2", "rdlo", "rdhi"):
            if (fields.get(name) in _PARTS or fields.get(name) == _PC) and rng.random() < 0.97:
                word = with_field(encoding, word, name, rng.choice((0, 1, 2, 3)))
        for name in ("list", "low"):
            if name in fields and rng.random() < 0.95:
                word = with_field(encoding, word, name, fields[name] & ~sum(1 << part for part in (*_PARTS, _PC)))
        if encoding.instruction in ("BX", "BLX_register"):
            return with_field(encoding, word, "rm", rng.choice((LABEL, LABEL, LINK, rng.randrange(15))))
        if self.target.bound(encoding).declaration.span.file.stem in _MEMORY and rng.random() < 0.98:
            word = with_field(encoding, word, "rn", rng.choice(BASES[:2] if encoding.unit.name == "T16" else BASES))
            word = with_field(encoding, word, "rm", INDEX)
            word = with_field(encoding, word, "imm", rng.randrange(64))
        return word

    def aimed(self, place: _Place, to: int) -> None:
        """Lets a branch go to a module offset, if it reaches so far."""
        instruction = place.encoding.instruction
        if instruction in ("B", "BL", "BLX_immediate"):
            place.word = with_field(place.encoding, place.word, "imm", (to - place.at - 8) // 4)
        elif instruction == "CBZ":
            if 0 <= to - place.at - 4 < 1 << 7:
                place.word = with_field(place.encoding, place.word, "imm", (to - place.at - 4) // 2)
        else:
            self._aimed_far(place, to)

    def _aimed_far(self, place: _Place, to: int) -> None:
        """Offsets of these are written in several ways: one that is right is looked for, in any encoding that has
        the same fields.
        """
        bound = self.target.bound(place.encoding)
        exchange = bound.given.get("exchange", 0)
        wanted = to - (place.at + 4 & ~3 if exchange == 1 else place.at + 4)
        condition = place.encoding.fields_of(place.word).get("c")
        for encoding in self.target.encodings:
            if encoding.instruction != place.encoding.instruction or encoding.unit is not place.encoding.unit:
                continue
            given = self.target.bound(encoding).given
            if given.get("exchange", 0) != exchange or has_field(encoding, "c") != (condition is not None):
                continue
            halves = (wanted // 2, wanted // 2 ^ 3 << 21, (wanted + (1 << 24)) // 2)
            for imm in (*halves, wanted // 4 ^ 3 << 20, (wanted + (1 << 24)) // 4):
                word = with_field(encoding, encoding.value | encoding.should_value, "imm", imm)
                word = with_field(encoding, word, "c", condition or 0)
                if evaluate(given["off"], encoding.fields_of(word), 0, {}) == wanted:
                    place.encoding, place.word = encoding, word
                    return


class _Making:
    """One program in the making."""

    def __init__(
        self, generator: ProgramGenerator, rng: random.Random, context: Mapping[str, int], offset: int
    ) -> None:
        self._generator = generator
        self._rng = rng
        self._context = context
        self._set = _SETS[context["t"]]
        self._places = [generator.place(rng, context) for _ in range(rng.randrange(8, 49))]
        self._offset = offset

    def run(self) -> Program:
        rng, places = self._rng, self._places
        self._add_conditions()
        loops = self._add_loops()
        polls = rng.random() < 0.4
        if polls:
            places[rng.randrange(len(places))] = self._fixed(self._set.store_poll)
        end = self._offset
        for place in places:
            place.at, end = end, end + place.size
        for place in places:
            self._aim(place, end, loop=any(place is branch for branch in loops))
        code = b"".join(place.code for place in [*places, self._fixed(self._set.stop)])
        ranges = self._ranges(end)
        inside = [p.at for p in places if any(a <= p.at < b for a, b in ranges)]
        entries = dict.fromkeys([inside[0], *rng.sample(inside, min(rng.choice((0, 0, 1, 3)), len(inside)))])
        if rng.random() < 0.5:  # calls that can stay inside
            entries.update(dict.fromkeys(at for at in self._called() if at in inside))
        instructions = tuple((p.at, p.size) for p in places)
        return Program(self._offset, code, instructions, ranges, tuple(entries), self._context, polls)

    def _fixed(self, word: int) -> _Place:
        return self._generator.fixed(word, self._context)

    def _add_conditions(self) -> None:
        """IT blocks, of any instructions that follow."""
        for _ in range(self._rng.choice((0, 1, 2)) if self._context["t"] else 0):
            word = THUMB | 0xBF00 | self._rng.randrange(14) << 4 | self._rng.randrange(1, 16)
            self._places[self._rng.randrange(len(self._places))] = self._fixed(word)

    def _add_loops(self) -> list[_Place]:
        """Puts loops, and perhaps a call and a return, in; gives the branches that close loops."""
        rng, places = self._rng, self._places
        back: list[_Place] = []
        for _ in range(rng.choice((0, 1, 1, 2))):
            at = rng.randrange(len(places) - 1)
            places[at] = self._fixed(self._set.count_down)
            word = 0x0A000000 if not self._context["t"] else THUMB | 0xD000
            places[at + 1] = branch = self._fixed(word)
            branch.word = with_field(branch.encoding, branch.word, "c", rng.choice((1, 12)))  # not 0, greater
            back.append(branch)
        if rng.random() < 0.4:
            at, to = rng.sample(range(len(places)), 2)
            places[at], places[to] = self._fixed(self._set.call), self._fixed(self._set.back)
        return back

    def _aim(self, place: _Place, end: int, *, loop: bool) -> None:
        """Lets a branch go to an instruction, mostly a later one; `loop`: to an earlier one."""
        if place.encoding.instruction not in _BRANCHES:
            return
        rng, starts = self._rng, [p.at for p in self._places]
        earlier, later = [at for at in starts if at <= place.at], [at for at in (*starts, end) if at > place.at]
        to = rng.choice(earlier if loop or rng.random() < 0.15 else later)
        if rng.random() < 0.03:
            to += 2  # into the middle of an instruction, perhaps
        self._generator.aimed(place, to)

    def _called(self) -> Iterator[int]:
        """Where calls go."""
        for place in self._places:
            fields = place.encoding.fields_of(place.word)
            if place.encoding.instruction == "BL":
                yield place.at + 8 + 4 * fields["imm"]
            elif place.encoding.instruction == "BL_T32":
                given = self._generator.target.bound(place.encoding).given
                if given.get("exchange") == 0:
                    yield place.at + 4 + evaluate(given["off"], fields, 0, {})

    def _ranges(self, end: int) -> tuple[tuple[int, int], ...]:
        """All of it, or with a hole that is left to baseline code."""
        rng, places = self._rng, self._places
        start = places[0].at
        if rng.random() < 0.7:
            return ((start, end),)
        first = rng.randrange(1, len(places) - 2)
        after = min(first + rng.randrange(1, 5), len(places))
        hole = places[first].at, places[after].at if after < len(places) else end
        return ((start, hole[0]), (hole[1], end)) if hole[1] < end else ((start, hole[0]),)
