"""zero_tests and defer_results on random loops that reduce vectors: whatever ends one shows what it showed before."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from pyqemu.translator.ir.function import Block, Function, Op, Successor, Value
from pyqemu.translator.ir.interp import Environment, GuestFault, SparseMemory, run
from pyqemu.translator.ir.parser import parse_function
from pyqemu.translator.ir.printer import print_function
from pyqemu.translator.ir.types import I1, Bits, Type, Vec
from pyqemu.translator.passes.dce import Dce
from pyqemu.translator.passes.defer_results import DeferResults
from pyqemu.translator.passes.pipeline import run_passes
from pyqemu.translator.passes.zero_tests import ZeroTests

WHOLE, WORD, VECTOR = Bits(128), Bits(64), Vec(2, 64)
VECTORS, WORDS = 4, 3  # registers V and G; G[0] is the pointer
PLACES = [*(("V", n) for n in range(VECTORS)), *(("G", n) for n in range(WORDS))]
START, SIZE = 0x1000, 112


class Writer:
    """Writes one function's blocks, by dice."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.block = Block("entry")
        self.function = Function("loop", [self.block])

    def begin(self, label: str, arguments: list[Value] | None = None) -> Block:
        self.block = Block(label, arguments or [])
        self.function.blocks.append(self.block)
        return self.block

    def op(self, name: str, ty: Type | None, *operands: Value, **attrs: object) -> Value:
        result = Value(ty or I1)
        self.block.ops.append(Op(name, list(operands), [result] if ty else [], attrs))
        return result

    def cast(self, value: Value, ty: Type) -> Value:
        return value if value.type == ty else self.op("bitcast", ty, value)

    def lanes(self, value: Value, ty: Type) -> Value:
        """As instructions do it: by the bits of the whole."""
        return self.cast(self.cast(value, WHOLE), ty)

    def pairs(self, name: str, width: int, a: Value, b: Value) -> Value:
        """Neighbouring lanes joined, those of `a` below those of `b`; now and then not quite."""
        ty = Vec(128 // width, width)
        x = self.lanes(a, ty)
        y = x if a is b and self.dice.random() < 0.5 else self.lanes(b, ty)
        masks = [[*range(0, 2 * ty.lanes, 2)], [*range(1, 2 * ty.lanes, 2)]]
        if self.dice.random() < 0.2:
            masks[self.dice.randrange(2)][self.dice.randrange(ty.lanes)] = self.dice.randrange(2 * ty.lanes)
        halves = [self.op("shuffle", ty, x, y, mask=tuple(mask)) for mask in masks]
        return self.lanes(self.op(name, ty, *halves), VECTOR)

    def vector(self, known: list[Value]) -> Value:
        """A new vector."""
        dice = self.dice
        a, b = dice.choice(known), dice.choice(known)
        match dice.randrange(5):
            case 0 | 1 | 2:
                name, width = dice.choice(["umax", "umin", "or", "add"]), dice.choice([8, 8, 16])
                return self.pairs(name, width, a, dice.choice([a, b]))
            case 3:
                name = dice.choice(["xor", "and"])
                return self.cast(self.op(name, WHOLE, self.cast(a, WHOLE), self.cast(b, WHOLE)), VECTOR)
            case _:
                ty = Vec(16, 8)
                mask = self.op(dice.choice(["eq", "ule"]), Vec(16, 1), self.lanes(a, ty), self.lanes(b, ty))
                return self.lanes(self.op("sext", ty, mask), VECTOR)

    def word(self, vector: Value) -> Value:
        """The lower half of a vector, or where that is zero."""
        low = self.op("trunc", WORD, self.cast(vector, WHOLE))
        if self.dice.random() < 0.5:
            return low
        ty = Vec(8, 8) if self.dice.random() < 0.8 else Vec(4, 16)
        mask = self.op("eq", Vec(ty.lanes, 1), self.cast(low, ty), self.op("const", ty, value=0))
        masked = self.op("zext", WHOLE, self.cast(self.op("sext", ty, mask), WORD))
        return self.op("trunc", WORD, self.cast(self.cast(masked, VECTOR), WHOLE))

    def at(self, values: dict[tuple[str, int], Value]) -> None:
        self.op("at", None, *values.values(), pc=0, state=tuple(values))

    def write_all(self, values: dict[tuple[str, int], Value]) -> None:
        for (reg, index), value in values.items():
            self.op("write", None, value, reg=reg, index=index, zero=None)

    def jump(self, block: Block, values: dict[tuple[str, int], Value]) -> None:
        self.block.ops.append(Op("jump", successors=[Successor(block, list(values.values()))]))


def arguments() -> dict[tuple[str, int], Value]:
    return {place: Value(VECTOR if place[0] == "V" else WORD) for place in PLACES}


def round_of(w: Writer, values: dict[tuple[str, int], Value]) -> Value:
    """A loop's body: changes `values`; gives the condition to go on."""
    w.at(values)
    loaded = w.op("load", WHOLE, values["G", 0], order="plain", endian="le")
    values["G", 0] = w.op("add", WORD, values["G", 0], w.op("const", WORD, value=16))
    known = [w.cast(loaded, VECTOR), *(values["V", n] for n in range(VECTORS) if w.dice.random() < 0.4)]
    for _ in range(w.dice.randrange(2, 6)):
        known.append(w.vector(known[-3:]))
    words = [w.word(vector) for vector in known[-2:]]
    for place in PLACES:
        if place != ("G", 0) and w.dice.random() < 0.7:
            values[place] = w.dice.choice(known) if place[0] == "V" else w.dice.choice(words)
    if w.dice.random() < 0.2:  # from round to round
        values["G", 1] = w.op("add", WORD, values["G", 1], w.dice.choice(words))
    test = w.op("sub", WORD, words[-1], w.op("const", WORD, value=0)) if w.dice.random() < 0.3 else words[-1]
    return w.op(w.dice.choice(["eq", "ne"]), I1, test, w.op("const", WORD, value=0))


def loop(dice: random.Random) -> Function:
    """A region with a loop of one or two rounds to a poll, and code behind it."""
    w = Writer(dice)
    enter = w.begin("enter")
    w.function.entry.ops.append(Op("dispatch", successors=[Successor(enter)], attrs={"entries": (0,)}))
    initial = {(reg, n): w.op("read", VECTOR if reg == "V" else WORD, reg=reg, index=n, zero=None) for reg, n in PLACES}
    values = arguments()
    head = Block("head", list(values.values()))
    w.jump(head, initial)
    w.block = head
    w.function.blocks.append(head)
    poll = w.op("poll", I1)
    leave, after = Block("leave"), arguments()
    out = Block("out", list(after.values()))
    body = Block("body")
    head.ops.append(Op("branch", [poll], successors=[Successor(leave), Successor(body)]))
    w.function.blocks += [leave, body, out]
    w.block = leave
    w.write_all(values)
    w.op("leave", None, target=0)
    w.block = body
    for last in [False, True] if dice.random() < 0.5 else [True]:
        going = round_of(w, values)
        target = head if last else Block("again")
        passed = list(values.values()) if last else []
        ways = [Successor(target, passed), Successor(out, list(values.values()))]
        w.block.ops.append(Op("branch", [going], successors=ways))
        if not last:
            w.function.blocks.append(target)
            w.block = target
    w.block = out
    if dice.random() < 0.5:
        after["V", 0] = w.vector([after["V", 1], after["V", 2]])
    w.write_all(after)
    w.op("goto", None, target=8, kind="plain")
    return w.function


def ending(function: Function, dice: random.Random) -> tuple[object, ...]:
    """How a run ends, and what it shows."""
    contents = bytes(dice.choice([0, 0, 128, 128, 255]) if dice.random() < 0.3 else 7 * (n % 2) for n in range(SIZE))
    if dice.random() < 0.5:
        contents = bytes(SIZE // 2) + contents[SIZE // 2 :]
    state = {"V": [dice.getrandbits(128) for _ in range(VECTORS)], "G": [dice.getrandbits(64) for _ in range(WORDS)]}
    state["G"][0] = START
    polls = dice.randrange(1, 12)

    def poll() -> bool:
        nonlocal polls
        polls -= 1
        return not polls

    try:
        how: object = run(function, state, Environment(memory=SparseMemory({START: contents}), poll=poll))
    except GuestFault as fault:
        how = (fault.address, fault.pc)
    return how, state


def count(function: Function, wanted: Callable[[Op], bool]) -> int:
    return sum(wanted(op) for block in function.blocks for op in block.ops)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_shown(seed: int) -> None:
    """The same at faults, polls and behind the loop; and both passes have something to do."""
    rewritten = deferred = 0
    for number in range(150):
        dice = random.Random(f"{seed}.{number}")
        function = loop(dice)
        text = print_function(function)
        original = parse_function(text)
        rewritten += run_passes(function, (ZeroTests(),), check=True)
        deferred += run_passes(function, (DeferResults(),), check=True)
        run_passes(function, (Dce(),), check=True)
        for run_number in range(12):
            name = f"{seed}.{number}.{run_number}"
            before, after = (ending(one, random.Random(name)) for one in (original, function))
            assert before == after, f"{name}\n{text}became\n{print_function(function)}"
    assert rewritten > 20 and deferred > 20, (rewritten, deferred)
