"""Random cases: words of an encoding, states with telling values, addresses that hit the data page.

System calls and loops are left out.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.target import Encoding
from tests.targets.harness.drawn import Drawn
from tests.targets.harness.interpreter import Endless
from tests.targets.harness.machine import CODE, CODE_BYTES, DATA, PAGE, PAGES
from tests.targets.harness.values import telling_float, telling_integer
from tests.targets.riscv.harness.interpreter import Interpreter, Run
from tests.targets.riscv.harness.machine import Case, State
from tests.targets.words import has_field, random_word, with_field

#: Instructions that are not run: what they do is not the instruction set's business.
NOT_RUN = frozenset({"ECALL"})
#: No place in a sequence: they end it, give clocks, or want the load before them that they belong to; QEMU leaves out
#: an FROUND, and the flags that it raises, if its result is overwritten.
NOT_IN_SEQUENCES = frozenset({"JALR", "EBREAK", "COUNTER", "SC", "FROUND"})
ACCESSES = frozenset({"LOAD", "STORE", "LR", "SC", "AMO", "FLOAD", "FSTORE"})
_ALIGNED = frozenset({"LR", "SC", "AMO"})
BRANCHES = frozenset({"JAL", "BRANCH"})
_RESERVED_MODES = (5, 6)
#: Registers that hold addresses in a sequence: two of them can be named by three bits.
BASES = (2, 8, 9)
#: What is above a float in a register, by its width.
BOX = {width: (1 << 64) - (1 << width) for width in (16, 32)}


class Generator:
    """Makes cases for a target."""

    def __init__(self, target: DescribedTarget, interpreter: Interpreter, rng: random.Random) -> None:
        self.target = target
        self._mask = (1 << target.address_width) - 1
        self.interpreter = interpreter
        self.rng = rng
        self.drawn = Drawn()

    def cases(self, encoding: Encoding, count: int) -> Iterator[tuple[Case, Run]]:
        """`count` cases about `encoding`, each with what the interpreter makes of it."""
        made = 0
        while made < count:
            word = self.word(encoding)
            case = Case(self._sequence(encoding, word), self.state(), self.rng.randrange(PAGES), encoding.name)
            try:
                found = self._aimed(encoding, self._with_target(encoding, case))
            except Endless:
                self.drawn.dropped["endless"] += 1
                continue
            made += 1
            yield found

    def sequences(self, encodings: Sequence[Encoding], count: int, length: int) -> Iterator[tuple[Case, Run]]:
        """Sequences of words of `encodings`; branches go forward, accesses mostly hit the data page."""
        assert 4 * length <= CODE_BYTES
        made = 0
        while made < count:
            words = [self._tamed(encoding, self.word(encoding)) for encoding in self.rng.choices(encodings, k=length)]
            x = list(self.state().x)
            for base in BASES:
                x[base] = DATA + 16 * self.rng.randrange(64, PAGE // 16 - 64)
            case = Case(tuple(words), replace(self.state(), x=tuple(x)), self.rng.randrange(PAGES), "sequence")
            try:
                run = self.interpreter.run(case)
            except Endless:
                self.drawn.dropped["endless"] += 1
                continue
            made += 1
            yield case, run

    def word(self, encoding: Encoding) -> int:
        """A random word that is this encoding's."""
        while True:
            word = random_word(encoding, self.rng)
            if self._is(encoding, word):
                self.drawn.word(unpredictable=False)
                return word

    def state(self) -> State:
        """Random registers, some of them equal; floats boxed well and badly; all rounding modes, reserved ones too."""
        rng = self.rng
        x = [0, *(telling_integer(rng) & self._mask for _ in range(31))]
        f = [self._float() for _ in range(32)]
        for registers in (x, f):
            for _ in range(6):
                registers[rng.randrange(1, 32)] = registers[rng.randrange(1, 32)]
        frm = rng.choice((0, 0, 1, 2, 3, 4, rng.randrange(8)))
        return State(tuple(x), frm << 5 | rng.choice((0, rng.getrandbits(5))), tuple(f))

    def _float(self) -> int:
        rng = self.rng
        match rng.randrange(11):
            case 0:
                return rng.getrandbits(64)
            case 1:
                return rng.getrandbits(32) << 32 | telling_float(rng, 32)
            case 2:
                return rng.choice((rng.getrandbits(48), 0xFFFFFFFF00000000 >> 16)) << 16 | telling_float(rng, 16)
            case 3 | 4 | 5:
                return BOX[32] | telling_float(rng, 32)
            case 6 | 7 | 8:
                return BOX[16] | telling_float(rng, 16)
            case _:
                return telling_float(rng, 64)

    # --- what makes a case run ----------------------------------------------------------------------------

    def _is(self, encoding: Encoding, word: int) -> bool:
        return self.target.decode(word, encoding.unit.name, {c.name: 0 for c in self.target.context}) is encoding

    def _tamed(self, encoding: Encoding, word: int) -> int:
        """`word` with a short way forward if it branches, with a base register that holds a good address."""
        rng, tamed = self.rng, word
        if encoding.instruction in BRANCHES:
            for name in ("i", "j"):
                tamed = with_field(encoding, tamed, name, rng.randrange(1, 8))
        elif encoding.instruction in ACCESSES:
            if rng.random() < 0.95:
                tamed = with_base(encoding, tamed, rng)
        elif encoding.fields_of(tamed).get("rm") in _RESERVED_MODES:
            tamed = with_field(encoding, tamed, "rm", 7)
        elif has_field(encoding, "rd") and encoding.fields_of(tamed)["rd"] in BASES and rng.random() < 0.9:
            tamed = with_field(encoding, tamed, "rd", rng.randrange(10, 32))
        return tamed if self._is(encoding, tamed) else word

    def _sequence(self, encoding: Encoding, word: int) -> tuple[int, ...]:
        """A store-conditional is mostly preceded by the load that it belongs to, or by a narrower one.

        After a wider one QEMU stores, and says that it has not.
        """
        if encoding.instruction != "SC" or self.rng.random() < 0.1:
            return (word,)
        (load,) = (e for e in self.target.encodings if e.instruction == "LR")
        fields = encoding.fields_of(word)
        before = with_field(load, random_word(load, self.rng), "rs1", fields["rs1"])
        if not fields["wide"] or self.rng.random() < 0.9:
            before = with_field(load, before, "wide", fields["wide"])
        return (word,) if load.fields_of(before)["rd"] == fields["rs1"] else (before, word)

    def _with_target(self, encoding: Encoding, case: Case) -> Case:
        """The register that is jumped to holds an address that is harmless."""
        if encoding.instruction != "JALR":
            return case
        place = CODE + self.rng.choice((self.rng.randrange(4, PAGE - 4096 // 2), 0x2000 + self.rng.randrange(4096)))
        fields = encoding.fields_of(case.words[-1])
        return _with_x(case, fields["rs1"], place - fields.get("imm", 0) & self._mask)

    def _aimed(self, encoding: Encoding, case: Case) -> tuple[Case, Run]:
        """The case, with its base register moved so that the first access hits the data page (or nearly)."""
        run = self.interpreter.run(case)
        if encoding.instruction not in ACCESSES or run.fault is None:
            return case, run
        fields = encoding.fields_of(case.words[-1])
        base = fields["rs1"] if "rs1" in fields else 8 + fields["s"] if "s" in fields else 2
        wanted = DATA + self._offset(encoding)
        moved = _with_x(case, base, case.state.x[base] + wanted - run.fault & self._mask)
        return moved, self.interpreter.run(moved)

    def _offset(self, encoding: Encoding) -> int:
        """Where in the page: mostly aligned and inside, sometimes across its end."""
        rng = self.rng
        kind = rng.random()
        if kind < (0.9 if encoding.instruction in _ALIGNED else 0.5):
            return 8 * rng.randrange(PAGE // 8)
        if kind < 0.9:
            return rng.randrange(PAGE - 64)
        return rng.choice((rng.randrange(PAGE - 16, PAGE + 16), rng.randrange(-16, 16)))


def with_base(encoding: Encoding, word: int, rng: random.Random) -> int:
    """An access's word with one of BASES and a small offset."""
    word = with_field(encoding, word, "rs1", rng.choice(BASES))
    word = with_field(encoding, word, "s", rng.choice(BASES[1:]) - 8)
    return with_field(encoding, word, "imm", rng.randrange(-64, 64))


def _with_x(case: Case, place: int, value: int) -> Case:
    if place == 0:
        return case
    x = case.state.x
    return replace(case, state=replace(case.state, x=(*x[:place], value, *x[place + 1 :])))
