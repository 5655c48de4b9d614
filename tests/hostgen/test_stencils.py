"""Stencils as wholes: holes with awkward values, guest memory, every kind of end, calls."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from random import Random

import pytest

from pyqemu.hostgen.pack_format import CPU, JUMP_CACHE_OFFSET, Attribute, ExitReason
from pyqemu.translator.ir.builder import Builder
from pyqemu.translator.ir.function import Function
from pyqemu.translator.ir.interp import Environment, Outcome, SparseMemory, run
from pyqemu.translator.ir.types import I1, I8, I64, Bits, Vec
from pyqemu.translator.static import Apply, Element, Field, Here, StaticExpr, apply
from tests.hostgen.machine_code import EXIT_REASON, NEXT_REASON, Code, Runnable, State, empty_state, made
from tests.hostgen.values import integer

LEVELS = ("v1", "v3")
FIELDS = ("a", "b", "rd", "rn")
A5, B5 = Field("a", 5), Field("b", 5)
RD, RN = Field("rd", 5), Field("rn", 5)
MEMORY_BYTES = 256


def random_state(rng: Random) -> State:
    state = empty_state()
    state.registers["S"] = [integer(rng, 64) for _ in range(32)]
    state.registers["V"] = [integer(rng, 128) for _ in range(8)]
    for flag in "NZCO":
        state.registers[flag] = [rng.getrandbits(1)]
    return state


def interpreted(function: Function, state: State, env: Environment) -> tuple[State, Outcome]:
    after = State({name: list(values) for name, values in state.registers.items()})
    outcome = run(function, after.registers, env)
    return after, outcome


# --- holes ---------------------------------------------------------------------------------------

#: Expressions of a five-bit field (two) whose values lie in all the ranges that code treats apart.
EXPRESSIONS: dict[str, StaticExpr] = {
    "u5": A5,
    "u7": apply("mul", A5, 4),
    "u8": apply("mul", A5, 8),
    "u12": apply("shl", A5, 7),
    "u16": apply("or", apply("shl", A5, 11), B5),
    "u31": apply("shl", A5, 26),
    "u32": apply("or", apply("shl", A5, 27), B5),
    "u33": apply("shl", A5, 28),
    "s8": apply("sub", A5, 16),
    "s9": apply("mul", apply("sub", A5, 16), 16),
    "s32": apply("mul", apply("sub", A5, 16), 1 << 27),
    "s33": apply("mul", apply("sub", A5, 16), 1 << 28),
    "u64": apply("or", apply("shl", A5, 59), B5),
    "s64": apply("mul", apply("sub", A5, 16), 1 << 59),
    "inverted": apply("inv", apply("shl", A5, 20)),
    "here": apply("add", Here(), apply("mul", apply("sub", A5, 16), 4096)),
    "page": apply("and", apply("add", Here(), apply("shl", A5, 12)), ~4095),
    "compare": Apply("lt", (A5, B5)),
    "choice": Apply("select", (Apply("eq", (A5, B5)), 7, apply("shl", B5, 40))),
    "table": Element(tuple(i * i - 100 for i in range(20)), A5),
    "quotient": Apply("div", (A5, apply("sub", B5, 4))),
    "rest": Apply("mod", (apply("sub", A5, 16), B5)),
}
_WIDTHS = (64, 32, 16, 8, 1, 5)


def hole_functions() -> list[Function]:
    functions: list[Function] = []

    def one(name: str, expr: StaticExpr, width: int, op: str) -> None:
        def build(b: Builder) -> None:
            x = b.trunc(b.read("S", I64, RN, 31), width)
            hole = b.value("hole", type=Bits(width), expr=expr)
            if op in ("eq", "ult", "slt"):
                result = b.zext(b.value(op, x, hole), 64)
            elif op == "subs":
                b.write(b.value("add_carry", x, b.value("not", hole), b.const(1, I1)), "C")
                b.write(b.value("add_overflow", x, b.value("not", hole), b.const(1, I1)), "O")
                result = b.zext(b.value("sub", x, hole), 64)
            elif op == "copy":
                result = b.zext(hole, 64)
            elif op == "offset":  # a hole and a constant, and twice the same hole
                result = b.zext(b.value("sub", b.value("add", hole, b.const(5, hole.type)), x), 64)
            else:
                result = b.zext(b.value(op, x, hole), 64)
            b.write(result, "S", RD, 31)
            b.next()

        functions.append(made(f"{name}.{width}.{op}", build))

    for name, expr in EXPRESSIONS.items():
        for width in _WIDTHS:
            for op in ("copy", "add", "subs", "and", "shl", "rotr", "eq", "ult", "slt", "offset"):
                one(name, expr, width, op)
    return functions


def _splat(b: Builder) -> None:
    lanes = b.splat(b.hole(apply("sub", A5, 1), Bits(32)), 4)
    b.write(b.bitcast(b.value("add", b.bitcast(b.read("V", Bits(128), 1), Vec(4, 32)), lanes), Bits(128)), "V", 2)
    b.next()


def _wide(b: Builder) -> None:
    b.write(
        b.hole(
            apply("mul", apply("or", apply("shl", A5, 5), B5), (1 << 100) | (1 << 64) | (1 << 20) | 1),
            Bits(128),
        ),
        "V",
        2,
    )
    b.next()


def _displacement(b: Builder) -> None:
    for k, name in enumerate(("s9", "u31", "u32", "s33", "here")):
        b.write(b.value("add", b.hole(EXPRESSIONS[name], I64), b.read("S", I64, RN, 31)), "S", k)
    b.next()


@pytest.mark.parametrize("level", LEVELS)
def test_holes(level: str) -> None:
    functions = [
        *hole_functions(),
        made("splat", _splat),
        made("wide", _wide),
        made("moved", _displacement),
    ]
    rng = Random(7)
    corners = [(0, 0), (31, 31), (31, 0), (0, 31), (16, 16), (15, 16), (4, 4), (1, 1)]
    for function, runnable in zip(functions, Code(level).compile(functions, FIELDS), strict=True):
        for a, b in [*corners, *((rng.randrange(32), rng.randrange(32)) for _ in range(4))]:
            rd, rn = rng.choice(((0, 0), (31, 31), (5, 5), (31, 2), (2, 31), (1, 2)))
            fields = {"a": a, "b": b, "rd": rd, "rn": rn}
            here = rng.choice((0, 0x400000, 0x7FFF_FFFF_F000, (1 << 64) - 4))
            state = random_state(rng)
            want, _ = interpreted(function, state, Environment(fields=fields, here=here))
            got = runnable.run(state, fields=fields, here=here)
            assert got.registers == want.registers, f"{function.name} {fields} here {here:#x}"


@pytest.mark.parametrize("level", LEVELS)
def test_comparison_before_shifts(level: str) -> None:
    """Shifts by holes are the host's instructions, and change its flags; LLVM puts these after the comparison."""

    def build(b: Builder) -> None:
        same = b.value("eq", b.read("N", I1), b.read("O", I1))
        shifted = [b.value("lshr", b.read("S", I64, field, 31), b.hole(apply("mul", A5, 2), I64)) for field in (RN, RD)]
        b.write(b.value("select", same, *shifted), "S", 0)
        b.next()

    function = made("chosen", build)
    (runnable,) = Code(level).compile([function], FIELDS)
    rng = Random(8)
    for a in range(32):
        state, fields = random_state(rng), {"a": a, "b": 0, "rd": 3, "rn": 4}
        want, _ = interpreted(function, state, Environment(fields=fields, here=0))
        assert runnable.run(state, fields=fields, here=0).registers == want.registers, fields


# --- memory --------------------------------------------------------------------------------------


def memory_functions() -> list[Function]:
    functions: list[Function] = []
    for ty in (Bits(8), Bits(16), Bits(32), Bits(64), Bits(128), Vec(8, 16), Vec(2, 32), Vec(1, 64)):
        for endian in ("le", "be"):
            for order in ("plain", "acquire", "seqcst"):
                functions.append(made(f"load.{ty}.{endian}.{order}", _load(ty, endian, order)))
            for order in ("plain", "release", "seqcst"):
                functions.append(made(f"store.{ty}.{endian}.{order}", _store(ty, endian, order)))
            if isinstance(ty, Bits):
                functions.append(made(f"cas.{ty}.{endian}", _cas(ty, endian)))
            if isinstance(ty, Bits) and ty.width <= 64:
                for kind in ("add", "and", "or", "xor", "swap", "umin", "umax", "smin", "smax"):
                    functions.append(made(f"rmw.{ty}.{endian}.{kind}", _rmw(ty, endian, kind)))
    return functions


def _load(ty: Bits | Vec, endian: str, order: str) -> Callable[[Builder], None]:
    def build(b: Builder) -> None:
        value = b.load(b.read("S", I64, 0), ty, order, endian)
        b.write(b.zext(b.bitcast(value, Bits(ty.total)), 128), "V", 7)
        b.next()

    return build


def _value(b: Builder, ty: Bits | Vec, index: int) -> object:
    return b.bitcast(b.trunc(b.read("V", Bits(128), index), ty.total), ty)


def _store(ty: Bits | Vec, endian: str, order: str) -> Callable[[Builder], None]:
    def build(b: Builder) -> None:
        b.store(b.read("S", I64, 0), _value(b, ty, 1), order, endian)  # type: ignore[arg-type]
        b.op("fence", order="seqcst")
        b.next()

    return build


def _cas(ty: Bits, endian: str) -> Callable[[Builder], None]:
    def build(b: Builder) -> None:
        args = b.read("S", I64, 0), _value(b, ty, 1), _value(b, ty, 2)
        b.write(b.zext(b.value("cas", *args, endian=endian), 128), "V", 7)  # type: ignore[arg-type]
        b.next()

    return build


def _rmw(ty: Bits, endian: str, kind: str) -> Callable[[Builder], None]:
    def build(b: Builder) -> None:
        args = b.read("S", I64, 0), _value(b, ty, 1)
        b.write(b.zext(b.value("rmw", *args, op=kind, endian=endian), 128), "V", 7)  # type: ignore[arg-type]
        b.next()

    return build


@pytest.mark.parametrize("level", LEVELS)
def test_memory(level: str) -> None:
    functions = memory_functions()
    rng = Random(11)
    raw = ctypes.create_string_buffer(MEMORY_BYTES + 16)
    base = (ctypes.addressof(raw) + 15) // 16 * 16
    for function, runnable in zip(functions, Code(level).compile(functions), strict=True):
        assert runnable.compiled.stencil.attributes & Attribute.FAULTS
        atomic = function.name.startswith(("cas", "rmw"))
        for _ in range(12):
            contents = rng.randbytes(MEMORY_BYTES)
            ctypes.memmove(base, contents, MEMORY_BYTES)
            address = rng.randrange(0, MEMORY_BYTES - 16, 16 if atomic else 1)
            guest = 0x5000 + address
            state = random_state(rng)
            state.registers["S"][0] = guest
            if rng.random() < 0.6:  # so that a comparison succeeds
                state.registers["V"][1] = _expected(function.name, contents, address)
            memory = SparseMemory({0x5000: contents})
            want, _ = interpreted(function, state, Environment(memory=memory))
            got = runnable.run(state, membase=base - 0x5000)
            assert got.registers == want.registers, function.name
            assert ctypes.string_at(base, MEMORY_BYTES) == memory.load(0x5000, MEMORY_BYTES), function.name


def _expected(name: str, contents: bytes, address: int) -> int:
    order = "big" if ".be" in name else "little"
    size = int(name.split(".")[1].lstrip("i")) // 8 if name.split(".")[1].startswith("i") else 8
    return int.from_bytes(contents[address : address + size], order)


# --- ends ----------------------------------------------------------------------------------------


def compiled(build: Callable[[Builder], None], level: str = "v3", fields: tuple[str, ...] = FIELDS) -> Runnable:
    (runnable,) = Code(level).compile([made("f", build)], fields)
    return runnable


TARGET = apply("add", Here(), apply("mul", Field("a", 5, True), 4))


def _conditional(b: Builder) -> None:
    flag = b.read("Z", I1)
    taken, not_taken = b.block("taken"), b.block("other")
    b.branch(flag, taken, not_taken)
    b.at(taken).goto(TARGET, "call")
    b.at(not_taken).next()


def test_conditional_branch_has_two_exits() -> None:
    runnable = compiled(_conditional)
    stencil = runnable.compiled.stencil
    assert stencil.attributes == Attribute.ENDS_BLOCK | Attribute.FALLS_BY_EXIT
    assert stencil.exit_kinds == (1, 0)
    state = empty_state()
    assert runnable.run(state, fields={"a": -3, "b": 0, "rd": 0, "rn": 0}).reason == EXIT_REASON + 1
    state.registers["Z"] = [1]
    assert runnable.run(state, fields={"a": -3, "b": 0, "rd": 0, "rn": 0}).reason == EXIT_REASON


def _indirect(b: Builder) -> None:
    b.op("goto_indirect", b.read("S", I64, 3), kind="return")


def test_indirect_exit_looks_into_the_jump_cache() -> None:
    runnable = compiled(_indirect)
    assert runnable.compiled.stencil.attributes == Attribute.ENDS_BLOCK | Attribute.INDIRECT
    state = empty_state()
    state.registers["S"][3] = 0x12345678
    missed = runnable.run(state)
    assert (missed.reason, missed.pc) == (ExitReason.LOOKUP, 0x12345678)
    entry = runnable.arena.cpu + JUMP_CACHE_OFFSET + 16 * (0x12345678 >> 2 & 4095)
    code = b"\x41\xc7\x45\x04\x4d\x00\x00\x00\xc3"  # mov dword [r13+4], 77; ret
    place = runnable.arena.free + 4096
    runnable.arena.memory[place : place + len(code)] = code
    ctypes.c_uint64.from_address(entry).value = 0x12345678
    ctypes.c_uint64.from_address(entry + 8).value = runnable.arena.base + place
    assert runnable.run(state).reason == 77


def _raise(b: Builder) -> None:
    x = b.read("S", I64, 1)
    bad, good = b.block("bad"), b.block("good")
    b.branch(b.value("eq", x, b.const(0, I64)), bad, good)
    b.at(bad).op("raise", b.hole(A5, Bits(16)), b.read("S", I64, 2), exception="trap")
    b.at(good).write(b.const(9, I64), "S", 1)
    b.next()


def test_raise_leaves_state_alone() -> None:
    runnable = compiled(_raise)
    assert runnable.compiled.stencil.attributes == Attribute.FAULTS | Attribute.FALLS_THROUGH | Attribute.RAISES
    state = empty_state()
    state.registers["S"][2] = (1 << 64) - 2
    after = runnable.run(state, fields={"a": 21, "b": 0, "rd": 0, "rn": 0}, here=0x4444)
    assert (after.reason, after.pc, after.exception) == (ExitReason.EXCEPTION, 0x4444, 1)
    assert after.exc_args[:2] == (21, (1 << 64) - 2)
    assert after.registers == state.registers
    state.registers["S"][1] = 1
    after = runnable.run(state, fields={"a": 21, "b": 0, "rd": 0, "rn": 0})
    assert after.reason == NEXT_REASON and after.registers["S"][1] == 9


def _sync(b: Builder) -> None:
    b.op("set_ctx", b.const(5, I8), ctx="mode")
    b.op("isync")
    b.next()


def test_context_change_and_isync_leave() -> None:
    runnable = compiled(_sync)
    assert runnable.compiled.stencil.attributes == Attribute.ENDS_BLOCK | Attribute.SYNCS
    after = runnable.run(empty_state(), here=0x1000)
    assert (after.reason, after.pc, after.context) == (ExitReason.SYNC, 0x1004, (0, 5, 0, 0))


def _perhaps_changed(end: Callable[[Builder], None]) -> Callable[[Builder], None]:
    def build(b: Builder) -> None:
        flag = b.read("Z", I1)
        same, changed = b.block("same"), b.block("changed")
        b.branch(flag, same, changed)
        b.at(changed).op("set_ctx", b.const(5, I8), ctx="mode")
        end(b)
        end(b.at(same))

    return build


@pytest.mark.parametrize(
    ("end", "attributes", "otherwise"),
    [
        (_indirect, Attribute.INDIRECT, ExitReason.LOOKUP),
        (Builder.next, Attribute.FALLS_BY_EXIT, EXIT_REASON),
    ],
    ids=["indirect", "next"],
)
def test_only_a_changed_context_leaves(
    end: Callable[[Builder], None], attributes: Attribute, otherwise: int
) -> None:
    runnable = compiled(_perhaps_changed(end))
    assert runnable.compiled.stencil.attributes == attributes | Attribute.ENDS_BLOCK | Attribute.SYNCS
    state = empty_state()
    after = runnable.run(state, here=0x1000)
    assert (after.reason, after.context) == (ExitReason.SYNC, (0, 5, 0, 0))
    state.registers["Z"] = [1]
    after = runnable.run(state, here=0x1000)
    assert (after.reason, after.context) == (otherwise, (0, 0, 0, 0))


def test_outlined_function_with_two_results() -> None:
    helper = Function("helper", results=(Bits(64), I1))
    b = Builder(helper)
    entry = b.block("entry", [I64, Bits(128)])
    b.at(entry)
    total = b.value("add", entry.arguments[0], b.trunc(entry.arguments[1], 64))
    b.write(total, "Q")
    b.op("ret", total, b.value("eq", total, b.const(0, I64)))

    def caller(b: Builder) -> None:
        total, zero = b.call("helper", [b.read("S", I64, 1), b.read("V", Bits(128), 1)], [I64, I1])
        b.write(total, "S", 2)
        b.write(zero, "Z")
        b.next()

    for level in LEVELS:
        function = made("f", caller)
        (runnable,) = Code(level, outlined={"helper": helper}).compile([function])
        for x, y in ((1, 2), (5, (1 << 64) - 5)):
            state = empty_state()
            state.registers["S"][1], state.registers["V"][1] = x, y
            want, _ = interpreted(function, state, Environment(functions={"helper": helper}))
            assert runnable.run(state).registers == want.registers


def test_stack_pointer_is_left_for_signal_handlers() -> None:
    runnable = compiled(lambda b: b.next())
    runnable.run(empty_state())
    stack = ctypes.c_uint64.from_address(runnable.arena.cpu + CPU["runtime"]).value
    assert stack % 16 == 8
