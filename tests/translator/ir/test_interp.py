"""What operations mean, case by case, and how instructions are left."""

from __future__ import annotations

import pytest

from pyqemu.translator.ir.builder import Builder
from pyqemu.translator.ir.function import Function
from pyqemu.translator.ir.interp import Environment, GuestFault, Outcome, SparseMemory, run
from pyqemu.translator.ir.ops import OPS, Effect
from pyqemu.translator.ir.parser import parse_function
from pyqemu.translator.ir.softfloat import FORMATS, FpEnvironment
from pyqemu.translator.ir.types import parse_type

ONE, TWO, NAN = 0x3F800000, 0x40000000, 0x7FC00000

#: (operation, operands `value:type`, type of the result, attributes, expected bits)
CASES = [
    ("const", "", "v2x8", {"value": 7}, 0x0707),
    ("hole", "", "i8", {"expr": -2}, 0xFE),
    ("add", "0xff:i8 2:i8", "", {}, 1),
    ("add", "0x01ff:v2x8 0x0101:v2x8", "", {}, 0x0200),
    ("sub", "1:i8 2:i8", "", {}, 0xFF),
    ("mul", "0x80:i8 3:i8", "", {}, 0x80),
    ("umulh", "0xff:i8 0xff:i8", "", {}, 0xFE),
    ("smulh", "0x80:i8 0x7f:i8", "", {}, 0xC0),
    ("udiv", "0xff:i8 0x10:i8", "", {}, 0x0F),
    ("udiv", "5:i8 0:i8", "", {}, 0),
    ("sdiv", "0xf9:i8 2:i8", "", {}, 0xFD),  # -7 / 2 = -3
    ("sdiv", "0x80:i8 0xff:i8", "", {}, 0x80),
    ("sdiv", "5:i8 0:i8", "", {}, 0),
    ("urem", "0xff:i8 0x10:i8", "", {}, 0x0F),
    ("urem", "5:i8 0:i8", "", {}, 5),
    ("srem", "0xf9:i8 2:i8", "", {}, 0xFF),  # -7 % 2 = -1
    ("srem", "0x80:i8 0xff:i8", "", {}, 0),
    ("srem", "0xf9:i8 0:i8", "", {}, 0xF9),
    ("and", "0x3c:i8 0x0f:i8", "", {}, 0x0C),
    ("or", "0x3c:i8 0x0f:i8", "", {}, 0x3F),
    ("xor", "0x3c:i8 0x0f:i8", "", {}, 0x33),
    ("not", "0x3c:i8", "", {}, 0xC3),
    ("neg", "1:i8", "", {}, 0xFF),
    ("shl", "0x81:i8 1:i8", "", {}, 2),
    ("shl", "0x81:i8 8:i8", "", {}, 0),
    ("lshr", "0x81:i8 7:i8", "", {}, 1),
    ("lshr", "0x81:i8 200:i8", "", {}, 0),
    ("ashr", "0x81:i8 3:i8", "", {}, 0xF0),
    ("ashr", "0x81:i8 200:i8", "", {}, 0xFF),
    ("rotr", "0x81:i8 9:i8", "", {}, 0xC0),
    ("umin", "0x80:i8 1:i8", "", {}, 1),
    ("umax", "0x80:i8 1:i8", "", {}, 0x80),
    ("smin", "0x80:i8 1:i8", "", {}, 0x80),
    ("smax", "0x80:i8 1:i8", "", {}, 1),
    ("uadd_sat", "0xf0:i8 0x20:i8", "", {}, 0xFF),
    ("sadd_sat", "0x70:i8 0x20:i8", "", {}, 0x7F),
    ("usub_sat", "0x10:i8 0x20:i8", "", {}, 0),
    ("ssub_sat", "0x90:i8 0x20:i8", "", {}, 0x80),
    ("abs", "0xff:i8", "", {}, 1),
    ("abs", "0x80:i8", "", {}, 0x80),
    ("clz", "1:i8", "", {}, 7),
    ("clz", "0:i8", "", {}, 8),
    ("ctz", "0x50:i8", "", {}, 4),
    ("ctz", "0:i8", "", {}, 8),
    ("popcount", "0xf1:i8", "", {}, 5),
    ("bitrev", "0x01:i8", "", {}, 0x80),
    ("bswap", "0x1234:i16", "", {}, 0x3412),
    ("clmul", "0xff:i8 0xff:i8", "i16", {}, 0x5555),
    ("eq", "0x0102:v2x8 0x0103:v2x8", "", {}, 0b10),
    ("ne", "1:i8 1:i8", "", {}, 0),
    ("ult", "0x80:i8 1:i8", "", {}, 0),
    ("ule", "1:i8 1:i8", "", {}, 1),
    ("slt", "0x80:i8 1:i8", "", {}, 1),
    ("sle", "2:i8 1:i8", "", {}, 0),
    ("add_carry", "0xff:i8 0:i8 1:i1", "", {}, 1),
    ("add_overflow", "0x7f:i8 0:i8 1:i1", "", {}, 1),
    ("add_overflow", "0xff:i8 0:i8 1:i1", "", {}, 0),
    ("select", "0b10:v2x1 0x1122:v2x8 0x3344:v2x8", "", {}, 0x1144),
    ("select", "0:i1 0x1122:v2x8 0x3344:v2x8", "", {}, 0x3344),
    ("zext", "0x80ff:v2x8", "v2x16", {}, 0x008000FF),
    ("sext", "0x80:i8", "i16", {}, 0xFF80),
    ("trunc", "0x12345678:v2x16", "v2x8", {}, 0x3478),
    ("bitcast", "0x12345678:v2x16", "v4x8", {}, 0x12345678),
    ("concat", "0x12:i8 0x3:i4", "i12", {}, 0x123),
    ("extract", "0x1234:i16", "i8", {"lo": 4}, 0x23),
    ("insert", "0x1234:i16 0xf:i4", "i16", {"lo": 8}, 0x1F34),
    ("splat", "0x12:i8", "v3x8", {}, 0x121212),
    ("lane", "0x332211:v3x8", "", {"index": 2}, 0x33),
    ("with_lane", "0x332211:v3x8 0xff:i8", "", {"index": 1}, 0x33FF11),
    ("shuffle", "0x2211:v2x8 0x4433:v2x8", "v3x8", {"mask": (3, 0, 2)}, 0x331144),
    ("vtable", "0x2211:v2x8 0x020001:v3x8", "v3x8", {}, 0x001122),
    ("lookup", "2:i8", "i8", {"table": (1, 2, 0x103)}, 3),
    ("lookup", "3:i8", "i8", {"table": (1, 2, 3)}, 0),
    ("fadd", f"{ONE}:i32 {ONE}:i32", "", {}, TWO),
    ("fadd", f"{ONE << 32 | TWO}:v2x32 {ONE << 32 | NAN}:v2x32", "", {}, TWO << 32 | FORMATS[32].nan),
    ("fsub", f"{TWO}:i32 {ONE}:i32", "", {}, ONE),
    ("fmul", f"{TWO}:i32 {ONE}:i32", "", {}, TWO),
    ("fdiv", f"{TWO}:i32 {TWO}:i32", "", {}, ONE),
    ("fsqrt", f"{0x40800000}:i32", "", {}, TWO),
    ("fma", f"{ONE}:i32 {ONE}:i32 {ONE}:i32", "", {}, TWO),
    ("fcvt", f"{ONE}:i32", "i64", {}, 0x3FF0000000000000),
    ("ftosi", "0xc0200000:i32", "i8", {"rm": "ne"}, 0xFE),  # -2.5
    ("ftosi", "0xc0200000:i32", "i8", {"rm": "na"}, 0xFD),
    ("ftoui", "0xc0200000:i32", "i8", {"rm": "z"}, 0),
    ("sitof", "0xff:i8", "i32", {}, 0xBF800000),
    ("uitof", "1:i8", "i32", {}, ONE),
    ("frint", "0x3fc00000:i32", "", {"rm": "pi"}, TWO),
    ("feq", f"{ONE}:i32 {ONE}:i32", "", {}, 1),
    ("flt", f"{ONE}:i32 {NAN}:i32", "", {}, 0),
    ("fle", f"{ONE}:i32 {ONE}:i32", "", {}, 1),
    ("funord", f"{ONE}:i32 {NAN}:i32", "", {}, 1),
]


@pytest.mark.parametrize(("name", "operands", "result", "attrs", "expected"), CASES)
def test_operation(name: str, operands: str, result: str, attrs: dict, expected: int) -> None:
    builder, state = Builder(Function("case")), {"R": [0]}
    values = []
    for place, operand in enumerate(operands.split()):
        bits, _, ty = operand.partition(":")
        state[f"A{place}"] = [int(bits, 0)]
        values.append(builder.read(f"A{place}", parse_type(ty)))
    builder.write(builder.value(name, *values, type=parse_type(result) if result else None, **attrs), "R")
    builder.next()
    assert run(builder.function, state, Environment()) == Outcome("next")
    assert state["R"] == [expected]


def test_there_is_a_case_for_each_operation_with_a_result() -> None:
    wanted = {name for name, spec in OPS.items() if spec.effects in (Effect.PURE, Effect.FP)} - {"fp_flags"}
    assert wanted == {case[0] for case in CASES}


def execute(body: str, state=None, **environment) -> tuple[Outcome, dict, Environment]:
    """Runs an instruction given as the text of its blocks."""
    state = {"S": [0] * 32, "Z": [0]} if state is None else state
    env = Environment(**environment)
    return run(parse_function(f"func @f {{\n^entry:\n{body}\n}}"), state, env), state, env


def test_registers_and_zero_index() -> None:
    body = "%0:i64 = read<S[$rn:5] zero=31>\nwrite<S[$rd:5] zero=31> %0\nnext"
    state = {"S": [*range(100, 132)]}
    execute(body, state, fields={"rn": 3, "rd": 31})
    assert state["S"][31] == 131
    execute(body, state, fields={"rn": 31, "rd": 4})
    assert (state["S"][4], state["S"][3]) == (0, 103)


def test_ways_out() -> None:
    here = 0xFFFFFFFFFFFFFFFC
    assert execute("next")[0] == Outcome("next")
    assert execute("goto<(add here $off:s8) kind=call>", here=here, fields={"off": 8})[0] == Outcome(
        "goto", 4, "call"
    )
    indirect = "%0:i64 = const<4096>\ngoto_indirect<kind=return> %0"
    assert execute(indirect)[0] == Outcome("goto", 4096, "return")
    raising = "%0:i16 = const<7>\nraise<svc> %0"
    assert execute(raising)[0] == Outcome("raise", 0, exception="svc", values=(7,))
    assert execute("isync\nnext")[0] == Outcome("next", sync=True)
    outcome, _, env = execute("%0:i1 = const<1>\nset_ctx<fz> %0\nnext", ctx={"fz": 0})
    assert (outcome.sync, env.ctx) == (True, {"fz": 1})


def test_branches_and_loops() -> None:
    body = """  %0:i64 = const<0>
  %1:i64 = const<1>
  %n:i64 = const<10>
  jump ^loop(%0, %1)
^loop(%sum:i64, %i:i64):
  %2:i64 = add %sum %i
  %3:i64 = add %i %1
  %4:i1 = ule %3 %n
  branch %4 ^loop(%2, %3) ^out
^out:
  write<S[0]> %2
  next"""
    assert execute(body)[1]["S"][0] == 55
    with pytest.raises(RuntimeError):
        execute(body, step_limit=20)


def test_arguments_swap_at_once() -> None:
    body = """  %0:i64 = const<1>
  %1:i64 = const<2>
  %t:i1 = const<1>
  jump ^a(%0, %1, %t)
^a(%x:i64, %y:i64, %c:i1):
  %f:i1 = const<0>
  branch %c ^a(%y, %x, %f) ^out
^out:
  write<S[0]> %x
  write<S[1]> %y
  next"""
    assert execute(body)[1]["S"][:2] == [2, 1]


def test_memory() -> None:
    memory = SparseMemory({0x1000: bytes(range(16))})
    body = """  %a:i64 = const<0x1004>
  %0:i32 = load %a
  %1:i32 = load<endian=be> %a
  %2:i64 = zext %0
  %3:i64 = zext %1
  write<S[0]> %2
  write<S[1]> %3
  store<endian=be> %a %0
  %4:v2x16 = load %a
  %5:i16 = lane<1> %4
  %6:i64 = zext %5
  write<S[2]> %6
  next"""
    _, state, _ = execute(body, memory=memory)
    assert state["S"][:3] == [0x07060504, 0x04050607, 0x0405]
    assert memory.load(0x1004, 4) == bytes([7, 6, 5, 4])


def test_faults() -> None:
    memory = SparseMemory({0x1000: bytes(4)})
    body = "%a:i64 = const<0x1002>\n%0:i32 = const<5>\nstore %a %0\nnext"
    with pytest.raises(GuestFault) as fault:
        execute(body, memory=memory)
    assert (fault.value.address, fault.value.access) == (0x1004, "write")
    assert memory.load(0x1000, 4) == bytes(4)
    with pytest.raises(GuestFault):
        execute("%a:i64 = const<0>\n%0:i8 = load %a\nnext")


@pytest.mark.parametrize(
    ("op", "after"),
    [
        ("add", 9),
        ("and", 4),
        ("or", 5),
        ("xor", 1),
        ("swap", 4),
        ("umin", 4),
        ("umax", 5),
        ("smin", 4),
        ("smax", 5),
    ],
)
def test_rmw(op: str, after: int) -> None:
    memory = SparseMemory({8: b"\x05"})
    body = f"%a:i64 = const<8>\n%x:i8 = const<4>\n%0:i8 = rmw<{op}> %a %x\n"
    body += "%1:i64 = zext %0\nwrite<S[0]> %1\nnext"
    assert execute(body, memory=memory)[1]["S"][0] == 5
    assert memory.load(8, 1)[0] == after


def test_cas() -> None:
    body = "%a:i64 = const<8>\n%x:i8 = const<5>\n%y:i8 = const<9>\n%0:i8 = cas %a %x %y\nfence<seqcst>\nnext"
    for before, after in ((5, 9), (6, 6)):
        memory = SparseMemory({8: bytes([before])})
        execute(body, memory=memory)
        assert memory.load(8, 1)[0] == after


def test_floating_point_environment() -> None:
    fp = FpEnvironment(flags=2)
    body = f"""  %1:i32 = const<{ONE}>
  %3:i32 = const<0x40400000>
  %up:i8 = const<1>
  %f:i8 = const<32>
  fp_set_mode %up
  fp_raise %f
  %0:i32 = fdiv %1 %3
  %4:i8 = fp_flags
  %5:i64 = zext %4
  %6:i64 = zext %0
  write<S[0]> %5
  write<S[1]> %6
  fp_set_flags %up
  next"""
    _, state, _ = execute(body, fp=fp)
    assert state["S"][:2] == [2 | 16 | 32, 0x3EAAAAAB]
    assert (fp.rounding, fp.flags) == (1, 1)


def test_calls() -> None:
    slow = parse_function(
        "func @slow(%a:i64) -> (i64, i1) {\n^entry:\n%z:i1 = read<Z>\nwrite<S[5]> %a\nret %a %z\n}"
    )
    body = "%0:i64 = const<7>\n%1:i64, %2:i1 = call<@slow> %0\nwrite<S[0]> %1\nwrite<Z> %2\nnext"
    state = {"S": [0] * 32, "Z": [1]}
    execute(body, state, functions={"slow": slow})
    assert (state["S"][0], state["S"][5], state["Z"]) == (7, 7, [1])
    assert run(slow, state, Environment(), [3]) == Outcome("ret", values=(3, 1))
