"""Random programs for regions: flags made in one block and read in another, loops, accesses that fault, calls out.

Some registers have a part of their own, and other instructions mostly leave them alone: X28, X29 and SP hold
addresses on the data page, X27 one that can be exchanged for that of a poll word, X26 counts loops, X25 is a
small index, X24 and X30 hold addresses in the program.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.target import Encoding, ShapeChoice, ShapeLeaf, ShapeTree
from tests.regions.area import CODE, DATA, PAGE
from tests.regions.programs import Program
from tests.targets.words import has_field, random_word, with_field

POINTERS = (28, 29, 31)
POLL, COUNTER, INDEX, LABEL, LINK = 27, 26, 25, 24, 30
_PARTS = frozenset({*POINTERS[:2], POLL, COUNTER, INDEX, LABEL})
_FLAGS = frozenset({"NF", "ZF", "CF", "VF"})
_MEMORY = frozenset({"loadstore", "atomic", "simd_loadstore"})
_FLAG_GROUP = ("flags",)  # all that read or write flags
#: Files of the description, and how many of 100 instructions come from them.
_GROUPS: Mapping[tuple[str, ...], int] = {
    _FLAG_GROUP: 32,
    ("dp_immediate", "dp_register", "crc"): 22,
    ("loadstore",): 16,
    ("branch",): 12,
    ("fp", "simd_fp"): 8,
    ("simd", "simd_shift", "simd_wide", "crypto"): 5,
    ("simd_loadstore",): 3,
    ("atomic", "system"): 2,
}
#: They would end nearly every program early.
_RARE = frozenset({"BR", "BLR", "RET", "BRK", "SVC", "HVC_SMC_HLT_DCPS", "ERET_DRPS", "MRS_CNTVCT", "MSR_FPCR"})
_SUB, _SUBS = 0xD100075A, 0xF100075A  # x26, x26, #1
_STORE_POLL = 0xB900037B  # str w27, [x27]
_BRK = 0xD4200000
_CALL, _DISTANCE = 0x94000000, 0x03FFFFFF  # bl
_RET = 0xD65F03C0
#: Of loops that look for a byte as string routines do, registers left out: loads, what joins pairs of lanes, what else
#: is done with vectors, of two operands or of one.
_LOAD, _LOAD_PAIR = 0x3CC10C00, 0xADC10000  # ldr q, [x, #16]!; ldp q, q, [x, #32]!
_PAIRWISE = (0x6E20A400, 0x6E20A400, 0x6E20AC00, 0x6E20AC00, 0x4E20BC00, 0x6E60A400, 0x6E60AC00)  # umaxp, uminp, addp
_LANEWISE = (0x6E208C00, 0x6E203C00, 0x6E201C00, 0x4E201C00, 0x4EA01C00)  # cmeq, cmhs, eor, and, orr
_WITH_ZERO = (0x4E209800, 0x0E209800, 0x0E609800)  # cmeq, of 16 bytes, 8 bytes, 4 halfwords
_FMOV, _CBZ, _CBNZ = 0x9E660000, 0xB4000000, 0xB5000000
#: Of loops that copy, registers left out: stp x, x, [x, #0]; ldp; what makes them move their pointer; add; b.ne.
_STORE_PAIR, _FETCH_PAIR, _MOVING, _ADD, _B_NE = 0xA9000000, 0xA9400000, 0x00800000, 0x8B000000, 0x54000001


class ProgramGenerator:
    """Makes programs of a target's instructions."""

    def __init__(self, target: DescribedTarget) -> None:
        self.target = target
        self._groups = [[e for e in target.encodings if self._is_in(e, names)] for names in _GROUPS]
        self._branches = {n: [e for e in target.encodings if e.instruction == n] for n in ("B_cond", "CBZ", "TBZ")}

    def program(self, rng: random.Random, offset: int) -> Program:
        """A program of 8 to 48 instructions, and a BRK behind it."""
        return _Making(self, rng, offset, rng.randrange(8, 49)).run()

    def _is_in(self, encoding: Encoding, names: tuple[str, ...]) -> bool:
        stem = self._file(encoding)
        if names == _FLAG_GROUP:
            return stem not in _MEMORY and _uses_flags(self.target.shapes(encoding))
        return stem in names

    def _file(self, encoding: Encoding) -> str:
        return self.target.bound(encoding).declaration.span.file.stem

    def word(self, rng: random.Random, at: int, length: int, offset: int) -> int:
        """An instruction for place `at` of `length`, at module offset `offset`."""
        while True:
            (group,) = rng.choices(self._groups, tuple(_GROUPS.values()))
            encoding = rng.choice(group)
            if encoding.instruction in _RARE and rng.random() < 0.8:
                continue
            word = self._tamed(rng, encoding, random_word(encoding, rng), at, length, offset)
            runs = not self.target.unpredictable(encoding, word) and self.target.decode(word, "A64", {}) is encoding
            if runs and (rng.random() < 0.02 or not self.target.undefined(encoding, word)):
                return word

    def _tamed(self, rng: random.Random, encoding: Encoding, word: int, at: int, length: int, offset: int) -> int:
        """`word` with a target in the program, with a good address, with registers of no part of their own."""
        stem = self._file(encoding)
        if stem == "branch":
            return self._branch(rng, encoding, word, at, length)
        fields = encoding.fields_of(word)
        for name in ("rd", "rt", "rt2", "rs"):
            if fields.get(name) in _PARTS and rng.random() < 0.97:
                word = with_field(encoding, word, name, rng.randrange(24))
        if encoding.name == "DC_ZVA":
            word = with_field(encoding, word, "rt", rng.choice(POINTERS[:2]))
        if "literal" in encoding.name:
            return with_field(encoding, word, "imm", (DATA - CODE - offset) // 4 + rng.randrange(-4, PAGE // 4 + 4))
        if stem in _MEMORY and "rn" in fields and rng.random() < 0.98:
            word = self._aimed(rng, encoding, word)
        return word

    def _aimed(self, rng: random.Random, encoding: Encoding, word: int) -> int:
        word = with_field(encoding, word, "rn", rng.choice(POINTERS))
        if rng.random() < 0.9:
            word = with_field(encoding, word, "rm", INDEX)
        for field in encoding.fields:
            if field.name == "imm":
                word = with_field(encoding, word, "imm", rng.randrange(-8, 8) if field.signed else rng.randrange(8))
        return word

    def _branch(self, rng: random.Random, encoding: Encoding, word: int, at: int, length: int) -> int:
        if has_field(encoding, "rn"):
            return with_field(encoding, word, "rn", rng.choice((LABEL, LABEL, LINK, rng.randrange(31))))
        forward = at + 1 >= length or rng.random() < (0.95 if encoding.name == "B" else 0.75)
        to = rng.randrange(at + 1, length + 1) if forward else rng.randrange(at + 1)
        if rng.random() < 0.03:
            to = -0x4000  # nothing is there
        if encoding.name in ("CBZ", "TBZ") and rng.random() < 0.2:
            word = with_field(encoding, word, "rt", COUNTER)
        if encoding.name == "SVC":
            return word
        return with_field(encoding, word, "imm", to - at)

    def loop(self, rng: random.Random, at: int) -> list[int]:
        """Two instructions that count, and go back from place `at` + 1 while the count has not run out."""
        name = rng.choice(("B_cond", "CBZ", "TBZ"))
        encoding = rng.choice(self._branches[name])
        back = with_field(encoding, random_word(encoding, rng), "imm", rng.randrange(at + 1) - at - 1)
        match name:
            case "B_cond":
                back = with_field(encoding, back, "c", rng.choice((1, 12, 5)))  # ne, gt, pl
            case "CBZ":
                back = with_field(encoding, with_field(encoding, back, "rt", COUNTER), "nz", 1)
            case _:
                fields = {"rt": COUNTER, "bit": 63, "nz": 0}  # while it is not negative
                for field, value in fields.items():
                    back = with_field(encoding, back, field, value)
        return [_SUBS if name == "B_cond" or rng.random() < 0.3 else _SUB, back]

    def search(self, rng: random.Random) -> list[int]:
        """A loop that goes on by what a reduction of vectors gives, and its pointer with it."""

        def register() -> int:
            return rng.randrange(5)

        pointer = rng.choice(POINTERS[:2])
        pair = rng.random() < 0.5
        words = [(_LOAD_PAIR | register() << 10 if pair else _LOAD) | pointer << 5 | register()]
        for _ in range(rng.randrange(5)):
            word = rng.choice((*_PAIRWISE, *_LANEWISE, *_WITH_ZERO))
            second = 0 if word in _WITH_ZERO else register()
            words.append(word | second << 16 | register() << 5 | register())
        reduced, result = register(), rng.randrange(4)
        words.append(rng.choice(_PAIRWISE) | reduced << 16 | reduced << 5 | reduced)
        if rng.random() < 0.4:
            words.append(rng.choice(_WITH_ZERO) | reduced << 5 | reduced)
        words.append(_FMOV | reduced << 5 | result)
        return [*words, rng.choice((_CBZ, _CBNZ)) | _back(words) | result]

    def copy(self, rng: random.Random) -> list[int]:
        """A loop that stores what the round before has loaded, as memcpy does; now and then it computes with some."""
        words: list[int] = []
        pairs, moving = rng.choice((3, 4, 4)), rng.randrange(5)
        for number in range(pairs):
            moves = _MOVING if number == moving else 0
            registers = (2 * number + 1) << 10 | 2 * number
            words.append(_STORE_PAIR | moves | 2 * number << 15 | POINTERS[0] << 5 | registers)
            words.append(_FETCH_PAIR | moves | 2 * number << 15 | POINTERS[1] << 5 | registers)
        if rng.random() < 0.3:
            first, second, result = (rng.randrange(8) for _ in range(3))
            words[rng.randrange(len(words))] = _ADD | first << 16 | second << 5 | result
        words.append(_SUBS)
        return [*words, _B_NE | _back(words)]


def _back(words: Sequence[int]) -> int:
    """The distance field of a branch behind `words` to where they begin."""
    return (-len(words) & 0x7FFFF) << 5


def _uses_flags(tree: ShapeTree) -> bool:
    if isinstance(tree, ShapeChoice):
        return any(_uses_flags(child) for child in tree.children.values())
    if not isinstance(tree, ShapeLeaf):
        return False
    return any(op.attrs.get("reg") in _FLAGS for block in tree.function.blocks for op in block.ops)


class _Making:
    """One program in the making."""

    def __init__(self, generator: ProgramGenerator, rng: random.Random, offset: int, length: int) -> None:
        self._generator = generator
        self._rng = rng
        self._offset = offset
        self._length = length

    def run(self) -> Program:
        rng, offset, length = self._rng, self._offset, self._length
        words = [self._generator.word(rng, at, length, offset + 4 * at) for at in range(length)]
        for _ in range(rng.choice((0, 1, 1, 2))):
            at = rng.randrange(length - 1)
            words[at : at + 2] = self._generator.loop(rng, at)
        for make in (self._generator.search, self._generator.copy):
            loop = make(rng)
            if len(loop) < length and rng.random() < 0.2:
                at = rng.randrange(length - len(loop))
                words[at : at + len(loop)] = loop
        if rng.random() < 0.4:
            self._add_call(words)
        polls = rng.random() < 0.4
        if polls:
            words[rng.randrange(length)] = _STORE_POLL
        ranges = tuple(self._ranges())
        inside = [4 * at for at in range(length) if any(a <= offset + 4 * at < b for a, b in ranges)]
        entries = dict.fromkeys([inside[0], *rng.sample(inside, min(rng.choice((0, 0, 1, 3)), len(inside)))])
        if rng.random() < 0.5:  # calls that can stay inside
            entries.update(dict.fromkeys(at for at in self._called(words) if at in inside))
        code = b"".join(word.to_bytes(4, "little") for word in [*words, _BRK])
        places = tuple((offset + 4 * at, 4) for at in range(length))
        context = {variable.name: 0 for variable in self._generator.target.context}
        return Program(offset, code, places, ranges, tuple(offset + entry for entry in entries), context, polls)

    def _add_call(self, words: list[int]) -> None:
        """A call, and a return some way behind what it calls."""
        rng, length = self._rng, self._length
        at, to = rng.sample(range(length), 2)
        words[at] = _CALL | to - at & _DISTANCE
        words[rng.randrange(to, length)] = _RET

    def _called(self, words: Sequence[int]) -> Iterator[int]:
        """Where calls go, as offsets in the program."""
        for at, word in enumerate(words):
            if word & ~_DISTANCE == _CALL:
                distance = word & _DISTANCE
                yield 4 * (at + distance - (distance >> 25 << 26))

    def _ranges(self) -> Sequence[tuple[int, int]]:
        """All of it, or with a hole that is left to baseline code."""
        rng, start, end = self._rng, self._offset, self._offset + 4 * self._length
        if rng.random() < 0.7:
            return [(start, end)]
        first = start + 4 * rng.randrange(1, self._length - 2)
        last = min(first + 4 * rng.randrange(1, 5), end)
        return [(start, first), (last, end)] if last < end else [(start, first)]
