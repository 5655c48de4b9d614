"""Every operation of the IR, compiled at both host levels, against the interpreter on random operands."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from pyqemu.hostgen.lower import Lowering, rules
from pyqemu.translator.ir.builder import Builder, make_op
from pyqemu.translator.ir.function import Function
from pyqemu.translator.ir.interp import Environment, run
from pyqemu.translator.ir.ops import OPS, Effect
from pyqemu.translator.ir.softfloat import FpEnvironment
from pyqemu.translator.ir.types import I1, Bits, Type, Vec, with_width
from tests.hostgen.machine_code import NEXT_REASON, Code, Runnable, State, empty_state
from tests.hostgen.values import operand

LEVELS = ("v1", "v3")
ROUNDS = 60
_SCALARS: tuple[Type, ...] = (Bits(8), Bits(16), Bits(32), Bits(64))
_VECTORS: tuple[Type, ...] = (
    Vec(16, 8),
    Vec(8, 8),
    Vec(4, 16),
    Vec(4, 32),
    Vec(2, 64),
    Vec(1, 64),
    Vec(2, 32),
)
_ALL = (*_SCALARS, Bits(1), Bits(5), Bits(128), *_VECTORS)
_FLOATS: tuple[Type, ...] = (
    Bits(32),
    Bits(64),
    Vec(4, 32),
    Vec(2, 64),
    Vec(2, 32),
    Vec(1, 64),
    Bits(16),
    Vec(4, 16),
)


@dataclass(frozen=True)
class Case:
    """An operation with the types of its operands and of its result."""

    name: str
    operands: tuple[Type, ...]
    result: Type
    attrs: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        types = "_".join(map(str, (*self.operands, self.result)))
        return f"{self.name}-{types}-{'_'.join(f'{k}{v}' for k, v in self.attrs.items())}"[:90]


def _same(names: str, types: tuple[Type, ...], count: int) -> list[Case]:
    return [Case(name, (ty,) * count, ty) for name in names.split() for ty in types]


def _divided(ty: Type) -> bool:
    return ty.width <= 64


def _integer_cases() -> list[Case]:
    cases = _same("add sub mul and or xor umin umax smin smax shl lshr ashr rotr", _ALL, 2)
    cases += _same("umulh smulh", (*_SCALARS, *_VECTORS), 2)
    cases += _same("uadd_sat sadd_sat usub_sat ssub_sat", (*_SCALARS, *_VECTORS), 2)
    cases += _same("udiv sdiv urem srem", tuple(ty for ty in _ALL if _divided(ty)), 2)
    cases += _same("not neg abs clz ctz popcount bitrev", _ALL, 1)
    cases += _same("bswap", tuple(ty for ty in _ALL if ty.width % 8 == 0), 1)
    for ty in _ALL:
        for name in ["eq", "ne", "ult", "ule", "slt", "sle"]:
            cases.append(Case(name, (ty, ty), with_width(ty, 1)))
        bit = with_width(ty, 1)
        cases += [Case(name, (ty, ty, bit), bit) for name in ("add_carry", "add_overflow")]
        cases.append(Case("select", (bit, ty, ty), ty))
        cases.append(Case("select", (I1, ty, ty), ty))
    for ty in (Bits(8), Bits(16), Bits(32), Bits(64), Vec(8, 8), Vec(1, 64)):
        cases.append(Case("clmul", (ty, ty), with_width(ty, 2 * ty.width)))
    return cases


def _bit_cases() -> list[Case]:
    cases: list[Case] = []
    for small, large in (
        (Bits(8), Bits(32)),
        (Bits(1), Bits(64)),
        (Bits(33), Bits(128)),
        (Vec(4, 16), Vec(4, 32)),
    ):
        cases += [
            Case("zext", (small,), large),
            Case("sext", (small,), large),
            Case("trunc", (large,), small),
        ]
    same = ((Bits(128), Vec(4, 32)), (Bits(16), Vec(16, 1)), (Vec(2, 64), Vec(16, 8)), (Bits(64), Vec(1, 64)))
    for a, b in same:
        cases += [Case("bitcast", (a,), b), Case("bitcast", (b,), a)]
    for high, low in ((64, 64), (8, 24), (1, 63), (3, 2), (32, 96)):
        cases.append(Case("concat", (Bits(high), Bits(low)), Bits(high + low)))
    for width, part, lo in (
        (64, 32, 32),
        (64, 5, 7),
        (128, 64, 64),
        (128, 8, 24),
        (128, 17, 60),
        (32, 1, 31),
    ):
        cases.append(Case("extract", (Bits(width),), Bits(part), {"lo": lo}))
        cases.append(Case("insert", (Bits(width), Bits(part)), Bits(width), {"lo": lo}))
    for ty in _VECTORS:
        assert isinstance(ty, Vec)
        one = Bits(ty.width)
        cases.append(Case("splat", (one,), ty))
        cases.append(Case("lane", (ty,), one, {"index": ty.lanes - 1}))
        cases.append(Case("with_lane", (ty, one), ty, {"index": ty.lanes // 2}))
        mask = tuple((5 * i + 1) % (2 * ty.lanes) for i in range(ty.lanes))
        cases.append(Case("shuffle", (ty, ty), ty, {"mask": mask}))
        cases.append(Case("vtable", (ty, ty), ty))
        half = mask[: max(ty.lanes // 2, 1)]
        cases.append(Case("shuffle", (ty, ty), Vec(len(half), ty.width), {"mask": half}))
    cases.append(Case("vtable", (Vec(16, 8), Vec(8, 8)), Vec(8, 8)))
    cases.append(Case("vtable", (Vec(8, 8), Vec(16, 8)), Vec(16, 8)))
    table = tuple((i * 37 + 11) & 0xFF for i in range(200))
    cases += [
        Case("lookup", (Bits(8),), Bits(8), {"table": table}),
        Case("lookup", (Bits(64),), Bits(32), {"table": table}),
    ]
    cases.append(Case("lookup", (Bits(4),), Bits(64), {"table": table[:16]}))
    cases.append(Case("const", (), Vec(4, 32), {"value": 0x80000001}))
    cases.append(Case("const", (), Bits(128), {"value": (1 << 127) + 12345678901234567890}))
    return cases


def _float_cases() -> list[Case]:
    cases = _same("fadd fsub fmul fdiv", _FLOATS, 2) + _same("fsqrt", _FLOATS, 1) + _same("fma", _FLOATS, 3)
    for ty in _FLOATS:
        for name in ("feq", "flt", "fle", "funord"):
            cases += [Case(name, (ty, ty), with_width(ty, 1), {"signal": signal}) for signal in (0, 1)]
        for rm in ("ne", "pi", "mi", "z", "na", "dyn"):
            cases += [Case("frint", (ty,), ty, {"rm": rm, "exact": exact}) for exact in (0, 1)]
        for to in (16, 32, 64):
            if ty.total // ty.width * to <= 128:
                cases.append(Case("fcvt", (ty,), with_width(ty, to)))
    for ty in (Bits(16), Bits(32), Bits(64), Vec(2, 32), Vec(2, 64)):
        for rm in ("ne", "pi", "mi", "z", "na", "dyn"):
            for to in (8, 32, 64) if isinstance(ty, Bits) else (ty.width,):
                cases += [Case(name, (ty,), with_width(ty, to), {"rm": rm}) for name in ("ftosi", "ftoui")]
    for source in (Bits(8), Bits(32), Bits(64), Vec(2, 32), Vec(2, 64), Vec(4, 32)):
        for to in (16, 32, 64):
            if source.total // source.width * to <= 128:
                cases += [Case(name, (source,), with_width(source, to)) for name in ("sitof", "uitof")]
    return cases


def function_of(case: Case, name: str) -> Function:
    """Operands from V[0], V[1], …, the result to V[7]."""
    function = Function(name)
    b = Builder(function)
    args = [b.bitcast(b.trunc(b.read("V", Bits(128), i), ty.total), ty) for i, ty in enumerate(case.operands)]
    result = b.append(make_op(case.name, args, case.result, dict(case.attrs))).results[0]
    b.write(b.zext(b.bitcast(result, Bits(case.result.total)), 128), "V", 7)
    b.next()
    return function


def _same_float(case: Case, got: int, want: int) -> bool:
    """Equal element by element; all NaNs are one."""
    width = case.result.width
    fraction = {16: 10, 32: 23, 64: 52}[width]
    infinity = ((1 << (width - 1 - fraction)) - 1) << fraction
    for lane in range(case.result.total // width):
        a, b = ((value >> lane * width) & ((1 << width) - 1) for value in (got, want))
        nans = [value & ((1 << (width - 1)) - 1) > infinity for value in (a, b)]
        if nans[0] != nans[1] or (a != b and not nans[0]):
            return False
    return True


def _check(case: Case, runnable: Runnable, function: Function, rng: Random, rounds: int, before: bool) -> None:
    is_float = bool(OPS[case.name].effects & Effect.FP)
    float_input = is_float and case.name not in ("sitof", "uitof")
    float_result = is_float and case.name not in ("ftosi", "ftoui", "feq", "flt", "fle", "funord")
    for _ in range(rounds):
        state = empty_state()
        near = None
        if float_input and rng.random() < 0.3:
            near = rng.choice((3, {16: 8, 32: 64, 64: 512}[case.operands[0].width]))
        for i, ty in enumerate(case.operands):
            state.registers["V"][i] = operand(rng, ty, is_float=float_input, near=near)
        state.fp_mode = rng.randrange(4) if is_float else 0
        state.fp_flags = rng.choice((0, 0, rng.getrandbits(6)))
        want = State({name: list(values) for name, values in state.registers.items()})
        fp = FpEnvironment(state.fp_mode, state.fp_flags, before)
        outcome = run(function, want.registers, Environment(fp=fp))
        assert outcome.way == "next"
        after = runnable.run(state)
        shown = f"{case.id} on {[hex(v) for v in state.registers['V'][:3]]} mode {state.fp_mode}"
        got, expected = after.registers["V"][7], want.registers["V"][7]
        equal = _same_float(case, got, expected) if float_result else got == expected
        assert equal, f"{shown}: {got:#x}, should be {expected:#x}"
        assert after.fp_flags == fp.flags, f"{shown}: flags {after.fp_flags:#x}, should be {fp.flags:#x}"
        assert after.reason == NEXT_REASON


GROUPS = {"integer": _integer_cases, "bits": _bit_cases, "float": _float_cases}


@pytest.mark.parametrize("before", (False, True), ids=("after", "before"))
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("group", GROUPS)
def test_operations_agree_with_the_interpreter(group: str, level: str, before: bool) -> None:
    if before and group != "float":
        pytest.skip("tininess is for floats")
    _agree(group, level, before)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("group", ("bits", "float"))
def test_scalars_may_be_kept_as_floats(group: str, level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As regions keep them: the same results."""
    monkeypatch.setattr(Lowering, "keeps_floats", True)
    _agree(group, level, True)


def _agree(group: str, level: str, before: bool) -> None:
    cases = GROUPS[group]()
    functions = [function_of(case, f"f{i}") for i, case in enumerate(cases)]
    runnables = Code(level, before).compile(functions)
    rng = Random(20240)
    wrong: list[str] = []
    for case, function, runnable in zip(cases, functions, runnables, strict=True):
        try:
            _check(case, runnable, function, rng, ROUNDS, before)
        except AssertionError as error:
            wrong.append(str(error).splitlines()[0])
    assert not wrong, f"{len(wrong)} of {len(cases)}:\n" + "\n".join(wrong[:40])


@pytest.mark.parametrize("level", LEVELS)
def test_underflow_is_a_matter_of_its_lane(level: str) -> None:
    """A lane that is exactly the least normal number does not make its neighbour, an exact zero, tiny."""
    ty = Vec(2, 64)
    function = function_of(Case("fmul", (ty, ty), ty), "f")
    (runnable,) = Code(level, True).compile([function])
    state = empty_state()
    power_of_52 = (1023 + 52) << 52
    state.registers["V"][0] = 1 << 64 | 1 << 63  # the least denormal number, -0
    state.registers["V"][1] = power_of_52 << 64 | power_of_52
    after = runnable.run(state)
    assert after.registers["V"][7] == 1 << (64 + 52) | 1 << 63
    assert after.fp_flags == 0


def test_every_operation_has_a_lowering() -> None:
    """But for ends of blocks, and what only regions have (hostgen.regions lowers it)."""
    structural = {name for name, spec in OPS.items() if spec.effects & (Effect.ENDS_BLOCK | Effect.MARKS)}
    assert set(rules()) == set(OPS) - structural
