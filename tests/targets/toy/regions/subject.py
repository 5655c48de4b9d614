"""The toy architecture as the random regions see it: units of two sizes, big-endian code, outlined functions.

r10 counts loops; r11 is a pointer that can be exchanged for a poll word's; r12, r13 and the stack pointer hold
addresses on the data page.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.target import Encoding
from tests.regions.area import CODE, DATA, PAGE, page_of
from tests.regions.programs import Program
from tests.regions.states import Snapshot
from tests.targets.words import has_field, random_word, with_field

_COUNTER, _POLL, _LINK = 10, 11, 14
_POINTERS = (12, 13, 15)
_PARTS = frozenset({_COUNTER, _POLL, 12, 13})
_MEMORY = frozenset({"LOAD", "STORE", "LOAD_pair", "SWAP_memory", "LOAD_if", "STORE_if", "JUMP_memory_if"})
_BRANCHES = frozenset({"BRANCH_cond", "BRANCH_zero", "CALL", "CALL_if", "CALL_lane"})
_RARE = frozenset({"STOP", "JUMP", "SYSCALL", "FENCE", "JUMP_memory_if", "STOP_if", "TRAP_DIV", "CALL_lane"})
_STORE_POLL = 0x16BB0000  # stw r11, [r11]
_SUBTRACT = 0x02AAFFFF  # add r10, r10, #-1
_STOP = 0x32000000
_EDGES = (0, 1, (1 << 64) - 1, 1 << 63)


@dataclass(slots=True)
class _Place:
    """An instruction in the making, at module offset `at`."""

    encoding: Encoding
    word: int
    at: int = 0

    @property
    def size(self) -> int:
        """In bytes."""
        return self.encoding.unit.size


class Toy:
    """See tests.regions.programs.Subject."""

    resuming: Mapping[str, int] = {"syscall": 4}

    def __init__(self, target: DescribedTarget) -> None:
        self.target = target
        self.model = next(cpu for cpu in target.cpus if cpu.name == "big")
        self._weights = [4 if e.instruction in _MEMORY else 1 for e in target.encodings]

    def prefer(self, weights: Mapping[str, int], guarded: int) -> None:
        """Takes some instructions, and all that are guarded, so many times as often."""
        self._weights = [
            weight * (weights.get(e.instruction, guarded if e.guarded else 1))
            for weight, e in zip(self._weights, self.target.encodings, strict=True)
        ]

    def program(self, rng: random.Random, offset: int) -> Program:
        """See Subject."""
        places = [self._instruction(rng) for _ in range(rng.randrange(8, 40))]
        polls = rng.random() < 0.4
        if polls:
            places[rng.randrange(len(places))] = self._fixed(_STORE_POLL)
        loop = rng.randrange(len(places) - 1)
        places[loop] = self._fixed(_SUBTRACT)
        end = offset
        for place in places:
            place.at, end = end, end + place.size
        for number in range(len(places)):
            self._aim(rng, places, number, end, back=number == loop + 1)
        code = b"".join(place.word.to_bytes(place.size, "big") for place in places) + _STOP.to_bytes(4, "big")
        instructions = tuple((place.at, place.size) for place in places)
        entries = dict.fromkeys([offset, *rng.sample([at for at, _ in instructions], rng.choice((0, 1, 3)))])
        called = [p.at + 4 * p.encoding.fields_of(p.word)["imm"] for p in places if p.encoding.instruction == "CALL"]
        if rng.random() < 0.5:  # calls that can stay inside
            entries.update(dict.fromkeys(at for at in called if at != end))
        return Program(offset, code, instructions, ((offset, end),), tuple(entries), self._context(), polls)

    def _fixed(self, word: int) -> _Place:
        encoding = self.target.decode(word, "Word", self._context())
        assert encoding is not None
        return _Place(encoding, word)

    def _context(self) -> dict[str, int]:
        return {variable.name: 0 for variable in self.target.context}

    def _instruction(self, rng: random.Random) -> _Place:
        while True:
            (encoding,) = rng.choices(self.target.encodings, self._weights)
            if encoding.instruction in _RARE and rng.random() < 0.8:
                continue
            word = self._tamed(rng, encoding, random_word(encoding, rng))
            if self._can_be_run(encoding, word):
                return _Place(encoding, word)

    def _can_be_run(self, encoding: Encoding, word: int) -> bool:
        return (
            self.target.decode(word, encoding.unit.name, self._context()) is encoding
            and not self.target.unpredictable(encoding, word)
            and not self.target.undefined(encoding, word, self._context())
        )

    def _tamed(self, rng: random.Random, encoding: Encoding, word: int) -> int:
        fields = encoding.fields_of(word)
        for name in ("rd", "r2"):
            if fields.get(name) in _PARTS and rng.random() < 0.97:
                word = with_field(encoding, word, name, rng.randrange(_COUNTER))
        if encoding.instruction in _MEMORY and rng.random() < 0.97:
            word = with_field(encoding, word, "rn", rng.choice(_POINTERS))
            word = with_field(encoding, word, "imm", rng.randrange(-32, 32))
        return word

    def _aim(self, rng: random.Random, places: list[_Place], number: int, end: int, *, back: bool) -> None:
        """Lets a branch go to an instruction that it can reach; `back`: makes a branch of it that closes a loop."""
        place = places[number]
        if back and place.size == 4:
            encoding = next(e for e in self.target.encodings if e.instruction == "BRANCH_zero" and e.unit.width == 32)
            word = with_field(encoding, with_field(encoding, encoding.value, "rd", _COUNTER), "nz", 1)
            place.encoding, place.word = encoding, word
        elif place.encoding.instruction not in _BRANCHES or not has_field(place.encoding, "imm"):
            return
        reached = [other.at for other in places[: number + 1]] if back else [other.at for other in places]
        steps = [(at - place.at) // 4 for at in (*reached, end) if (at - place.at) % 4 == 0]
        if not back and rng.random() < 0.7:
            steps = [step for step in steps if step > 0] or steps
        place.word = with_field(place.encoding, place.word, "imm", rng.choice(steps))

    def state(self, rng: random.Random, program: Program, poll: int | None) -> Snapshot:
        """See Subject."""
        general = [rng.choice((*_EDGES, rng.getrandbits(64), rng.getrandbits(5))) for _ in range(16)]
        for place in _POINTERS:
            general[place] = DATA + 8 * rng.randrange(16, PAGE // 8 - 16)
        if rng.random() < 0.2:
            general[rng.choice(_POINTERS)] = DATA + rng.choice((0, PAGE)) - rng.randrange(-40, 40)
        general[_COUNTER] = rng.randrange(6)
        general[_POLL] = DATA + 4 * rng.randrange(PAGE // 4) if poll is None else poll
        general[_LINK] = CODE + rng.choice(program.instructions)[0]
        values: dict[str, list[int]] = {}
        for register in self.target.registers:
            values[register.name] = [rng.getrandbits(register.width) for _ in range(register.count)]
        values["G"] = general
        registers = tuple(tuple(elements) for elements in values.values())
        return Snapshot(registers, 0, 0, tuple(self._context().values()), page_of(rng.randbytes(64)))

    def nops(self, program: Program) -> Mapping[int, bytes]:
        """See Subject."""
        return {4: bytes.fromhex("31000000"), 2: bytes.fromhex("b000")}

    def text(self, program: Program, code: bytes, address: int) -> str:
        """See Subject."""
        unit = "Word" if len(code) == 4 else "Short"
        encoding = self.target.decode(int.from_bytes(code, "big"), unit, self._context())
        if encoding is None:
            return "undefined"
        return self.target.disassemble(encoding, encoding.fields_of(int.from_bytes(code, "big")), address)
