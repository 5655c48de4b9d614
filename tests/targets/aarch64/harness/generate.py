"""Random cases: words of an encoding, states with telling values, addresses that hit the data page.

UNPREDICTABLE words are left out, as are system calls and loops.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.target import Encoding
from tests.targets.aarch64.harness.interpreter import Interpreter, Run
from tests.targets.aarch64.harness.machine import Case, State
from tests.targets.harness.drawn import Drawn
from tests.targets.harness.interpreter import Endless
from tests.targets.harness.machine import CODE, DATA, PAGE, PAGES
from tests.targets.harness.values import telling_integer
from tests.targets.words import has_field, random_word, with_field

#: Encodings that are not run: what they do is not the instruction set's business.
NOT_RUN = frozenset({"SVC"})
#: No place in a sequence: they end it, or are CONSTRAINED UNPREDICTABLE after another load.
NOT_IN_SEQUENCES = frozenset({"BR", "BLR", "RET", "BRK", "ERET_DRPS", "HVC_SMC_HLT_DCPS", "STXR", "STXP"})
_MEMORY_FILES = frozenset({"loadstore", "atomic", "simd_loadstore"})
_BASES = (28, 29, 31)  # registers that hold addresses in a sequence
_MASK = (1 << 64) - 1
_FLOATS = {
    16: (0x0000, 0x8000, 0x3C00, 0xBC00, 0x7C00, 0xFC00, 0x7E00, 0x7D01,
         0xFE00, 0x0001, 0x8001, 0x03FF, 0x0400, 0x7BFF),
    32: (0, 0x80000000, 0x3F800000, 0xBF800000, 0x7F800000, 0xFF800000, 0x7FC00000, 0x7F800001,
         0xFFC12345, 1, 0x80000001, 0x007FFFFF, 0x00800000,
         0x7F7FFFFF, 0x3F000000, 0x40000000, 0x3FC00000, 0x4F000000,
         0x5F000000, 0x00800001),
    64: (0, 1 << 63, 0x3FF << 52, 0xBFF << 52, 0x7FF << 52, 0xFFF << 52, 0x7FF8 << 48,
         (0x7FF << 52) | 1,
         (0xFFF8 << 48) | 0x1234, 1, (1 << 63) | 1, (1 << 52) - 1, 1 << 52,
         (0x7FF << 52) - 1, 0x3FE << 52, 0x400 << 52, 0x3FF8 << 48, 0x43E0 << 48, 0x41E0 << 48,
         0x380 << 52, 0x36A << 52, 0x47F << 52),
}  # fmt: skip


@dataclass(slots=True)
class Generator:
    """Makes cases for a target. `floats`: states have FP modes and flags, vectors hold FP values."""

    target: DescribedTarget
    interpreter: Interpreter
    rng: random.Random
    floats: bool = False
    drawn: Drawn = field(default_factory=Drawn)

    def cases(self, encoding: Encoding, count: int) -> Iterator[tuple[Case, Run]]:
        """`count` cases about `encoding`, each with what the interpreter makes of it."""
        made = tried = 0
        while made < count:
            tried += 1
            if tried > 20 * count + 100:
                raise RuntimeError(f"{encoding.name}: hardly any word can be run")
            word = self.word(encoding)
            if word is None:
                continue
            case = Case(
                self._sequence(encoding, word), self.state(), self.rng.randrange(PAGES), encoding.name
            )
            case = self._with_branch_target(encoding, case)
            try:
                found = self._aimed(encoding, case)
            except Endless:
                self.drawn.dropped["endless"] += 1
                continue
            made += 1
            yield found

    def sequences(self, encodings: Sequence[Encoding], count: int, length: int) -> Iterator[tuple[Case, Run]]:
        """Sequences of words of `encodings`; branches go forward, accesses mostly hit the data page."""
        made = 0
        while made < count:
            words: list[int] = []
            while len(words) < length:
                encoding = self.rng.choice(encodings)
                word = self.word(encoding)
                if word is not None:
                    word = self._tamed(encoding, word)
                    if self._can_be_run(encoding, word):
                        words.append(word)
            state = self.state()
            for base in _BASES:
                state = _with_x(state, base, DATA + 16 * self.rng.randrange(64, PAGE // 16 - 64))
            case = Case(tuple(words), state, self.rng.randrange(PAGES), "sequence")
            try:
                run = self.interpreter.run(case)
            except Endless:
                self.drawn.dropped["endless"] += 1
                continue
            made += 1
            yield case, run

    def _tamed(self, encoding: Encoding, word: int) -> int:
        """`word` with a short way forward if it branches, with a base register that holds a good address."""
        rng, fields = self.rng, {field.name: field for field in encoding.fields}
        stem = self.target.bound(encoding).declaration.span.file.stem
        if stem == "branch" and "imm" in fields:
            return with_field(encoding, word, "imm", rng.randrange(1, 5))
        if stem in _MEMORY_FILES and "rn" in fields and rng.random() < 0.95:
            word = with_field(encoding, word, "rn", rng.choice(_BASES))
            if "imm" in fields:
                small = rng.randrange(-8, 8) if fields["imm"].signed else rng.randrange(8)
                word = with_field(encoding, word, "imm", small)
        return word

    def _can_be_run(self, encoding: Encoding, word: int) -> bool:
        if self.target.decode(word, "A64", {}) is not encoding:
            return False
        unpredictable = self.target.unpredictable(encoding, word)
        self.drawn.word(unpredictable=unpredictable)
        return not unpredictable

    def word(self, encoding: Encoding) -> int | None:
        """A random word that can be run, or None if the draw was no good."""
        word = random_word(encoding, self.rng)
        if "literal" in encoding.name:
            word = with_field(
                encoding, word, "imm", (DATA - CODE) // 4 + self.rng.randrange(-4, PAGE // 4 + 4)
            )
        if not self._can_be_run(encoding, word):
            return None
        if self.target.undefined(encoding, word) and self.rng.random() < 0.9:
            return None
        return word

    # --- states --------------------------------------------------------------------------------------

    def integer(self) -> int:
        """64 bits; see telling_integer."""
        return telling_integer(self.rng)

    def vector(self) -> int:
        """128 bits: random, lanes of edges, or lanes of telling floating-point values."""
        rng = self.rng
        kind = rng.randrange(6 if self.floats else 3)
        if kind == 0:
            return rng.getrandbits(128)
        if kind < 3:
            width = rng.choice((8, 16, 32, 64))
            lanes = [
                rng.choice(
                    (0, 1, (1 << width) - 1, 1 << (width - 1), (1 << width - 1) - 1, rng.getrandbits(width))
                )
                for _ in range(128 // width)
            ]
        else:
            width = rng.choice((16, 32, 32, 64, 64))
            lanes = [self._float(width) for _ in range(128 // width)]
        return sum(lane << (k * width) for k, lane in enumerate(lanes))

    def _float(self, width: int) -> int:
        rng = self.rng
        if rng.random() < 0.4:
            return rng.choice(_FLOATS[width])
        bits = rng.getrandbits(width)
        if rng.random() < 0.5:  # near 1, so that sums and products stay in range
            fraction = {16: 10, 32: 23, 64: 52}[width]
            bias = (1 << (width - fraction - 2)) - 1
            bits = bits & ~((2 * bias + 1) << fraction) | (bias + rng.randrange(-3, 4)) << fraction
        return bits

    def state(self) -> State:
        """Random registers; some are equal."""
        rng = self.rng
        x = [self.integer() for _ in range(31)]
        for _ in range(6):
            x[rng.randrange(31)] = x[rng.randrange(31)]
        fpcr = fpsr = 0
        if self.floats and rng.random() < 0.5:
            fpcr = rng.choice((0, 1, 2, 3)) << 22 | (rng.getrandbits(3) & rng.getrandbits(3)) << 24
            fpsr = rng.choice((0, 0x0800009F & rng.getrandbits(32)))
        v = tuple(self.vector() for _ in range(32))
        return State(tuple(x), self.integer() & ~15, rng.getrandbits(4) << 28, fpcr, fpsr, self.integer(), v)

    # --- what makes a case run -------------------------------------------------------------------------

    def _sequence(self, encoding: Encoding, word: int) -> tuple[int, ...]:
        """A store-exclusive is preceded by the load that it belongs to."""
        if encoding.name not in ("STXR", "STXP"):
            return (word,)
        load = next(
            e for e in self.target.encodings if e.name == ("LDXR" if encoding.name == "STXR" else "LDXP")
        )
        fields = encoding.fields_of(word)
        before = random_word(load, self.rng)
        for name in ("size", "wide", "rn"):
            if name in fields:
                before = with_field(load, before, name, fields[name])
        loaded = load.fields_of(before)
        clash = fields["rn"] in (loaded["rt"], loaded.get("rt2")) or loaded["rt"] == loaded.get("rt2")
        return (word,) if clash else (before, word)

    def _with_branch_target(self, encoding: Encoding, case: Case) -> Case:
        """Registers that are branched to hold addresses that are harmless."""
        if encoding.name not in ("BR", "BLR", "RET"):
            return case
        place = encoding.fields_of(case.words[-1])["rn"]
        target = (
            CODE + 4 * self.rng.randrange(2, 1024)
            if self.rng.random() < 0.8
            else CODE + 0x2000 + 4 * self.rng.randrange(999)
        )
        return replace(case, state=_with_x(case.state, place, target)) if place != 31 else case

    def _aimed(self, encoding: Encoding, case: Case) -> tuple[Case, Run]:
        """The case, with its base register moved so that the first access hits the data page (or nearly)."""
        run = self.interpreter.run(case)
        base = "rt" if encoding.name == "DC_ZVA" else "rn"
        if run.fault is None or not has_field(encoding, base):
            return case, run
        place = encoding.fields_of(case.words[-1])[base]
        if place == 31 and base == "rt":
            return case, run
        wanted = DATA + self._offset()
        state = case.state
        old = state.sp if place == 31 else state.x[place]
        moved = replace(case, state=_with_x(state, place, (old + wanted - run.fault) & _MASK))
        return moved, self.interpreter.run(moved)

    def _offset(self) -> int:
        """Where in the page: mostly aligned and inside, sometimes across its end; sometimes with a tag."""
        rng = self.rng
        kind = rng.random()
        if kind < 0.6:
            place = 16 * rng.randrange(PAGE // 16 - 4)
        elif kind < 0.9:
            place = rng.randrange(PAGE - 64)
        else:
            place = rng.choice((rng.randrange(PAGE - 16, PAGE + 16), rng.randrange(-16, 16)))
        return place + (rng.getrandbits(8) << 56 if rng.random() < 0.1 else 0)


def _with_x(state: State, place: int, value: int) -> State:
    if place == 31:
        return replace(state, sp=value)
    return replace(state, x=(*state.x[:place], value, *state.x[place + 1 :]))
