"""Random cases: words of an encoding, states with telling values, addresses that hit the data page.

UNPREDICTABLE words are left out, as are system calls and loops.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.target import Encoding
from tests.targets.arm.harness.interpreter import Interpreter, Run
from tests.targets.arm.harness.machine import Case, State
from tests.targets.arm.harness.text import THUMB, bytes_of
from tests.targets.harness.drawn import Drawn
from tests.targets.harness.interpreter import Endless
from tests.targets.harness.machine import CODE, CODE_BYTES, DATA, PAGE, PAGES
from tests.targets.harness.values import telling_float, telling_integer
from tests.targets.words import random_word, with_field

#: Instructions that are not run: what they do is not the instruction set's business.
NOT_RUN = frozenset({"SVC"})
#: No place in a sequence: they end it, want the load before them that they belong to, or (VMSR) may switch on short
#: vectors, which QEMU has.
NOT_IN_SEQUENCES = frozenset(
    {"STREX", "BX", "BLX_register", "BLX_immediate", "BKPT", "UDF", "HVC_SMC", "TBB", "BL_T32", "B_T32", "CBZ"}
    | {"VMSR"}
)
#: Of T16 likewise: UNPREDICTABLE in an IT block.
NOT_IN_IT = frozenset({"SETEND"})
BRANCHES = frozenset({"B", "BL"})
_MEMORY_FILES = frozenset({"loadstore", "multiple", "exclusive", "vfp_registers", "simd_loadstore"})
_ALIGNED = frozenset(
    {"LDRD_STRD_immediate", "LDRD_STRD_register", "LDM_STM", "LDREX", "STREX", "LDA", "STL", "SWP"}
    | {"VLDR_VSTR", "VLDM_VSTM", "VLD_VST_multiple", "VLD_VST_lane", "VLD_all_lanes"}
)
_MASK = (1 << 32) - 1
#: Registers that hold addresses in a sequence.
BASES = (11, 12, 13)
ALWAYS = 14
NOP = THUMB | 0xBF00
#: Of FPSCR: QC, IDC and the exceptions; AHP, DN, FZ, RMode and FZ16.
_STICKY, _MODES = 0x0800009F, 0x07C80000
#: Where QEMU has a 32-bit program's stack, the page of the kernel's helpers, and the runner itself with its pages (see
#: runner.c): a case may hit them by chance.
MAPPED = (
    range(0x3F000000, 0x41000000), range(0xFFFF0000, 0x100000000),
    range(0x2D6B3000, 0x2D8B3000), range(0x35A6B000, 0x35A6C000), range(0x16A5B000, 0x16A5C000),
)  # fmt: skip


class Generator:
    """Makes cases for a target."""

    def __init__(self, target: DescribedTarget, interpreter: Interpreter, rng: random.Random) -> None:
        self.target = target
        self.interpreter = interpreter
        self.rng = rng
        self.drawn = Drawn()

    def cases(self, encoding: Encoding, count: int) -> Iterator[tuple[Case, Run]]:
        """`count` cases about `encoding`, each with what the interpreter makes of it."""
        made = 0
        while made < count:
            word = self.word(encoding)
            words = _whole(self._sequence(encoding, word))
            case = Case(words, self.state(encoding), self.rng.randrange(PAGES), encoding.name)
            try:
                found = self._aimed(encoding, self._with_target(encoding, case))
            except Endless:
                self.drawn.dropped["endless"] += 1
                continue
            if self._ends_well(found):
                made += 1
                yield found

    def sequences(self, encodings: Sequence[Encoding], count: int, length: int) -> Iterator[tuple[Case, Run]]:
        """Sequences of `length` words of `encodings`; branches go forward, accesses mostly hit the data page."""
        assert 4 * length <= CODE_BYTES
        made = 0
        while made < count:
            thumb = self.rng.random() < 0.5
            some = [e for e in encodings if (e.unit.name != "A32") == thumb]
            some = [e for e in some if not thumb or e.instruction not in NOT_IN_IT]
            if not some:
                continue
            words = _whole(tuple(self._tamed(encoding) for encoding in self.rng.choices(some, k=length)))
            state = self.state(some[0])
            for base in BASES:
                state = with_r(state, base, DATA + 16 * self.rng.randrange(64, PAGE // 16 - 64))
            case = Case(words, state, self.rng.randrange(PAGES), "sequence")
            try:
                run = self.interpreter.run(case)
            except Endless:
                self.drawn.dropped["endless"] += 1
                continue
            if self._ends_well((case, run)):
                made += 1
                yield case, run

    def _ends_well(self, found: tuple[Case, Run]) -> bool:
        """Whether the case ends as it would outside the runner; those that do not are counted."""
        if _hits(found[1]):
            self.drawn.dropped["hits a page of the emulated process's"] += 1
        elif _leaves_t32(found):
            self.drawn.dropped["goes on in A32"] += 1
        else:
            return True
        return False

    def word(self, encoding: Encoding) -> int:
        """A random word that is this encoding's and not UNPREDICTABLE, mostly always executed.

        Few are UNDEFINED, and none of these conditional: whether they are if the condition fails is not defined.
        """
        while True:
            word = random_word(encoding, self.rng, context_of(encoding))
            if self.rng.random() < 0.6:
                word = with_field(encoding, word, "c", ALWAYS)
            if encoding.instruction == "BLX_immediate":  # not into the middle of what ends a sequence
                word = with_field(encoding, word, "h", 0)
            if self._can_be_run(encoding, word) and (
                not self.target.undefined(encoding, word, context_of(encoding))
                or (encoding.fields_of(word).get("c", ALWAYS) == ALWAYS
                and self.rng.random() < 0.1)
            ):
                return marked(encoding, word)

    def _can_be_run(self, encoding: Encoding, word: int) -> bool:
        if encoding.unit.name == "T16" and word >> 11 > 0b11100:
            return False
        if self.target.decode(word, encoding.unit.name, context_of(encoding)) is not encoding:
            return False
        unpredictable = self.target.unpredictable(encoding, word)
        self.drawn.word(unpredictable=unpredictable)
        return not unpredictable

    def _tamed(self, encoding: Encoding) -> int:
        """A word with a short way forward if it branches, with a base register that holds a good address."""
        rng = self.rng
        while True:
            word = self.word(encoding) & THUMB - 1
            if encoding.instruction in BRANCHES:
                return marked(encoding, with_field(encoding, word, "imm", rng.randrange(5)))
            if encoding.fields_of(word).get("rd") == 15:
                continue
            if self.target.bound(encoding).declaration.span.file.stem in _MEMORY_FILES and rng.random() < 0.95:
                word = with_field(encoding, word, "rn", rng.choice(BASES))
                word = with_field(encoding, word, "imm", rng.randrange(64))
            if not self._can_be_run(encoding, word):
                continue
            # in an IT block whether it is UNDEFINED if the condition fails is not defined
            if encoding.unit.name == "A32" or not self.target.undefined(encoding, word, context_of(encoding)):
                return marked(encoding, word)

    def state(self, encoding: Encoding) -> State:
        """Random registers, some of them equal; all modes of FPSCR."""
        rng = self.rng
        r = [telling_integer(rng) & _MASK for _ in range(15)]
        for _ in range(4):
            r[rng.randrange(15)] = r[rng.randrange(15)]
        cpsr = rng.getrandbits(4) << 28 | rng.getrandbits(1) << 27 | rng.getrandbits(4) << 16
        cpsr |= context_of(encoding)["t"] << 5 | (rng.random() < 0.3) << 9
        fpscr = rng.getrandbits(4) << 28 | rng.choice((0, _STICKY & rng.getrandbits(32)))
        if rng.random() < 0.5:
            fpscr |= _MODES & rng.getrandbits(32) & rng.getrandbits(32)
        d = tuple(self._float() for _ in range(32))
        return State(tuple(r), cpsr, fpscr, rng.getrandbits(32), rng.getrandbits(32), d)

    def _sequence(self, encoding: Encoding, word: int) -> tuple[int, ...]:
        """A store-exclusive is mostly preceded by the load of its size that it belongs to."""
        if encoding.instruction != "STREX" or self.rng.random() < 0.1:
            return (word,)
        thumb = encoding.unit.name != "A32"
        size = self.target.bound(encoding).given.get("size")
        loads = [
            e
            for e in self.target.encodings
            if e.instruction == "LDREX"
            and (e.unit.name != "A32") == thumb
            and self.target.bound(e).given.get("size") == size
        ]
        fields = encoding.fields_of(word & THUMB - 1)
        while True:
            load = self.rng.choice(loads)
            before = with_field(load, self.word(load) & THUMB - 1, "rn", fields["rn"])
            for name in ("size", "o"):
                before = with_field(load, before, name, fields.get(name, 0))
            before = with_field(load, before, "c", ALWAYS)
            loaded = load.fields_of(before)
            if fields["rn"] in (loaded["rt"], loaded.get("rt2", loaded["rt"] + 1)):
                continue
            if self._can_be_run(load, before):
                return marked(load, before), word

    def _float(self) -> int:
        """64 bits: an integer, or one, two or four floats."""
        rng = self.rng
        width = rng.choice((16, 32, 32, 32, 64, 64, 64, 0))
        if not width:
            return telling_integer(rng)
        return sum(telling_float(rng, width) << place for place in range(0, 64, width))

    def _with_target(self, encoding: Encoding, case: Case) -> Case:
        """The register that is jumped to holds an address that is harmless."""
        fields = encoding.fields_of(_last(encoding, case))
        place = fields.get("rm")
        if place in (None, 15) or (encoding.instruction not in NOT_IN_SEQUENCES and fields.get("rd") != 15):
            return case
        thumb = encoding.unit.name != "A32"
        target = CODE + self.rng.choice((4 * self.rng.randrange(2, 1000), 0x2000 + 4 * self.rng.randrange(999)))
        return replace(case, state=with_r(case.state, place, target | (self.rng.random() < (0.9 if thumb else 0.3))))

    def _aimed(self, encoding: Encoding, case: Case) -> tuple[Case, Run]:
        """The case, with its base register moved so that the first access hits the data page (or nearly)."""
        run = self.interpreter.run(case)
        base = encoding.fields_of(_last(encoding, case)).get("rn", 15)
        if run.fault is None or base == 15:
            return case, run
        moved = case.state.r[base] + DATA + self._offset(encoding) - run.fault & _MASK
        case = replace(case, state=with_r(case.state, base, moved))
        return case, self.interpreter.run(case)

    def _offset(self, encoding: Encoding) -> int:
        """Where in the page: mostly aligned and inside, sometimes across its end."""
        rng = self.rng
        kind = rng.random()
        if kind < (0.9 if encoding.instruction in _ALIGNED else 0.6):
            return 8 * rng.randrange(PAGE // 8)
        if kind < 0.95:
            return rng.randrange(PAGE - 64)
        return rng.choice((rng.randrange(PAGE - 16, PAGE + 16), rng.randrange(-16, 16)))


def context_of(encoding: Encoding) -> Mapping[str, int]:
    """The context that an encoding is decoded in."""
    return {"t": encoding.unit.name != "A32", "big": 0, "it": 0, "fz": 0}


def _last(encoding: Encoding, case: Case) -> int:
    """The last word that is the encoding's."""
    words = [word & THUMB - 1 for word in case.words]
    return words[-2] if case.words[-1] == NOP and encoding.unit.name != "A32" else words[-1]


def marked(encoding: Encoding, word: int) -> int:
    """A word as cases have it."""
    return word if encoding.unit.name == "A32" else word | THUMB


def _whole(words: tuple[int, ...]) -> tuple[int, ...]:
    """With a nop behind them if need be, so that what ends a sequence is aligned to a word."""
    return words if sum(len(bytes_of(word)) for word in words) % 4 == 0 else (*words, NOP)


def _hits(run: Run) -> bool:
    """Whether the case ends by an access to such a page, or by a jump to one."""
    addresses = [run.result.pc] if run.fault is None else [run.result.pc, run.fault]
    return any(address in pages for address in addresses for pages in MAPPED)


def _leaves_t32(found: tuple[Case, Run]) -> bool:
    """Whether a case of T32 ends in A32 in the page of code, where nothing ends it then."""
    case, result = found[0], found[1].result
    return bool(case.state.cpsr & ~result.state.cpsr & 0x20) and CODE <= result.pc < CODE + PAGE


def with_r(state: State, place: int, value: int) -> State:
    """`state` with register `place` set."""
    return replace(state, r=(*state.r[:place], value, *state.r[place + 1 :]))
