"""Which values of a region are floats."""

from __future__ import annotations

import pytest

from pyqemu.hostgen.hosts.x86_64 import host
from pyqemu.hostgen.layout import lay_out
from pyqemu.hostgen.lower import Machine
from pyqemu.hostgen.region_floats import float_values
from pyqemu.hostgen.region_object import compile_regions
from pyqemu.hostgen.regions import region_text
from pyqemu.translator.ir.function import Function
from pyqemu.translator.ir.parser import parse_function
from pyqemu.translator.lift.region import Region
from tests.hostgen.machine_code import CONTEXT, EXCEPTIONS, REGISTERS

#: A loop over S[1], with a load of each round and what is done with it.
_LOOP = """func @loop {{
^entry:
  dispatch<[0]> ^enter
^enter:
  %p:i64 = read<S[0]>
  %first:i64 = read<S[1]>
  jump ^head(%first)
^head(%a:i64):
  %q:i1 = poll
  branch %q ^leave ^go
^go:
  at<here state=[S[1]]> %a
  %b:i64 = load %p
{body}
  jump ^head(%c)
^leave:
  write<S[1]> %a
  leave<here>
}}
"""
_PRODUCT = "  %c:i64 = fmul %a %b"
_VECTORS = """
  %v:v1x64 = bitcast %a
  %w:v1x64 = bitcast %b
  %x:v1x64 = fadd %v %w
  %c:i64 = bitcast %x
"""
_CHOICE = """
  %s:i64 = fadd %b %b
  %t:i1 = funord %s %s
  %c:i64 = select %t %a %s
"""
_SIGN = """
  %m:i64 = const<0x7fffffffffffffff>
  %n:i64 = and %a %m
  %c:i64 = fadd %n %b
"""
_HASH = """
  %s:i64 = fadd %b %b
  %t:i64 = add %a %s
  %u:i64 = mul %t %a
  %c:i64 = sub %u %a
"""
_COUNT = """
  %c:i64 = add %a %b
  %s:i64 = sitof %c
  %t:i1 = feq %s %s
"""


def loop(body: str) -> Function:
    return parse_function(_LOOP.format(body=body))


def names(function: Function) -> set[str]:
    """Of the head's argument and of what is loaded, those that are floats, as `a` and `b`."""
    head, go = function.blocks[2], function.blocks[3]
    (loaded,) = (value for op in go.ops if op.name == "load" for value in op.results)
    found = float_values(function)
    return {name for name, value in (("a", head.arguments[0]), ("b", loaded)) if value in found}


@pytest.mark.parametrize(
    ("body", "floats"),
    [(_PRODUCT, "ab"), (_VECTORS, "ab"), (_CHOICE, "ab"), (_SIGN, "ab"), (_HASH, "b"), (_COUNT, ""),
     ("  %c:i64 = add %a %b", "")],
)  # fmt: skip
def test_what_is_done_with_them(body: str, floats: str) -> None:
    """Arithmetic says what they are, through copies and choices; changes of sign do not."""
    assert names(loop(body)) == set(floats)


def test_loop_of_floats_stays_in_vector_registers() -> None:
    """What is multiplied is neither loaded by a general register nor moved from one."""
    function = loop(_PRODUCT)
    region = Region("loop", function, (0,), ((0, 4),), 1, {}, True, ())
    machine = Machine(host("v3"), lay_out(REGISTERS), CONTEXT, EXCEPTIONS, 2, False)
    (made,) = compile_regions([region_text(region, machine, zero_membase=True)], machine.host)
    lines: list[str] = []
    offset = 0
    while (instruction := machine.host.disassemble(made.code, offset)) is not None:
        lines.append(instruction.text)
        offset += instruction.size
    assert sum("vmulsd" in line for line in lines) == 1
    assert not any("vmovq" in line for line in lines)
