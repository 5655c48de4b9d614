"""Conditions that guests make of flags: one comparison each, and the right one."""

from __future__ import annotations

import itertools

import pytest

from pyqemu.hostgen.emit import Emitter, Module, Operand
from pyqemu.hostgen.hosts import x86_64
from pyqemu.hostgen.layout import lay_out
from pyqemu.hostgen.lower import Lowering, Machine
from pyqemu.translator.ir.function import Function, Op
from pyqemu.translator.ir.interp import Environment, run
from pyqemu.translator.ir.parser import parse_function
from pyqemu.translator.static import StaticExpr
from tests.hostgen.machine_code import CONTEXT, EXCEPTIONS, REGISTERS, Code, State, empty_state

#: By LLVM's predicate: what is asked of sign, zero, carry and overflow of a - y.
CONDITIONS = {
    "ugt": "%p:i1 = not %zero\n  %r:i1 = and %carry %p",
    "ule": "%p:i1 = not %carry\n  %r:i1 = or %p %zero",
    "sge": "%r:i1 = eq %sign %overflow",
    "slt": "%r:i1 = ne %overflow %sign",
    "sgt": "%p:i1 = not %zero\n  %q:i1 = eq %sign %overflow\n  %r:i1 = and %p %q",
    "sle": "%q:i1 = ne %sign %overflow\n  %r:i1 = or %zero %q",
}
#: What no one comparison says.
OTHERS = {
    "lower or same, or negative": "%p:i1 = and %carry %sign\n  %r:i1 = or %p %zero",
    "never": "%p:i1 = not %carry\n  %r:i1 = and %p %zero",
    "mixed": "%q:i1 = ne %sign %overflow\n  %r:i1 = or %carry %q",
}
TEXT = """
func @condition {{
^entry:
  %a:i64 = read<S[0]>
  %y:i64 = read<S[1]>
  %difference:i64 = sub %a %y
  %none:i64 = const<0>
  %sign:i1 = slt %difference %none
  %zero:i1 = eq %a %y
  %carry:i1 = ule %y %a
  %inverted:i64 = not %y
  %one:i1 = const<1>
  %overflow:i1 = add_overflow %a %inverted %one
  {condition}
  %result:i64 = zext %r
  write<S[2]> %result
  next
}}
"""
_VALUES = (0, 1, 2, (1 << 63) - 1, 1 << 63, (1 << 63) + 1, (1 << 64) - 1)


class _NoEnd:
    """A frame for functions that are only looked at."""

    def hole(self, f: Lowering, expr: StaticExpr, ty: str) -> Operand:
        raise AssertionError("no holes here")

    def leave(self, f: Lowering, op: Op) -> None:
        f.e.do("ret void")


def _function(condition: str) -> Function:
    return parse_function(TEXT.format(condition=condition))


@pytest.mark.parametrize("predicate", CONDITIONS)
def test_a_condition_is_one_comparison(predicate: str) -> None:
    """Its result is that of a comparison of the two numbers themselves."""
    machine = Machine(x86_64.host("v3"), lay_out(REGISTERS), CONTEXT, EXCEPTIONS, 2, False)
    lowering = Lowering(Emitter(Module("")), machine, _NoEnd())
    function = _function(CONDITIONS[predicate])
    lines = lowering.lower(function, [])
    a, y, result = (function.entry.ops[place].results[0] for place in (0, 1, -4))
    start = f"  {lowering.of(result).ref} = icmp "
    made = next(line for line in lines if line.startswith(start)).removeprefix(start)
    swapped = predicate.translate(str.maketrans("gl", "lg"))
    assert made in (
        f"{predicate} {lowering.of(a)}, {lowering.of(y).ref}",
        f"{swapped} {lowering.of(y)}, {lowering.of(a).ref}",
    )


@pytest.mark.parametrize("name", [*CONDITIONS, *OTHERS])
def test_conditions_mean_what_they_say(name: str) -> None:
    """On numbers near all borders."""
    function = _function((CONDITIONS | OTHERS)[name])
    (runnable,) = Code("v3").compile([function])
    for a, y in itertools.product(_VALUES, _VALUES):
        state = empty_state()
        state.registers["S"][:2] = [a, y]
        want = State({register: list(values) for register, values in state.registers.items()})
        run(function, want.registers, Environment())
        assert runnable.run(state).registers["S"][2] == want.registers["S"][2], (hex(a), hex(y))
