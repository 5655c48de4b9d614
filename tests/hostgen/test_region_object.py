"""Regions as LLVM leaves them: all that their code refers to is behind it, or in the table, or in the support code."""

from __future__ import annotations

import struct

import capstone
import pytest

from pyqemu.hostgen.compiler import Effort
from pyqemu.hostgen.hosts.x86_64 import host
from pyqemu.hostgen.layout import lay_out
from pyqemu.hostgen.lower import Machine
from pyqemu.hostgen.module_address import ORIGIN
from pyqemu.hostgen.region_object import compile_regions, effort_for
from pyqemu.hostgen.regions import EXITS, region_text
from pyqemu.translator.ir.parser import parse_function
from pyqemu.translator.lift.region import Region
from tests.hostgen.machine_code import CONTEXT, EXCEPTIONS, REGISTERS

TABLE = (0x1122, 0x3344, 0x5566, 0x7788, 0x99AA, 0xBBCC, 0xDDEE, 0xFF01)
LOOKUP = f"""
func @lookup {{
^entry:
  dispatch<[0]> ^a
^a:
  %0:i64 = read<S[1]>
  %1:i3 = trunc %0
  %2:i16 = lookup<[{" ".join(map(str, TABLE))}]> %1
  %3:i64 = zext %2
  write<S[1]> %3
  goto<(add here 4)>
}}
"""


@pytest.mark.parametrize("level", ["v1", "v3"])
def test_tables_stand_behind_the_code(level: str) -> None:
    """A table has a name of its own, by which nobody could find it in an archive."""
    machine = Machine(host(level), lay_out(REGISTERS), CONTEXT, EXCEPTIONS, 2, False)
    region = Region("lookup", parse_function(LOOKUP), (0,), ((0, 4),), 1, {}, False, ())
    (made,) = compile_regions([region_text(region, machine, zero_membase=True)], machine.host)
    assert {patch.symbol for patch in made.patches} <= {ORIGIN, EXITS}
    assert struct.pack(f"<{len(TABLE)}H", *TABLE) in made.code


@pytest.mark.parametrize(
    ("computation", "loops", "effort"),
    [
        ("%1:i64 = add %0 %0", False, Effort.STRAIGHT),
        ("%1:i64 = fadd %0 %0", False, Effort.STRAIGHT),
        ("%1:i64 = add %0 %0", True, Effort.LOOPS),
        ("%1:i64 = fadd %0 %0", True, Effort.FULL),
        ("%9:v2x32 = bitcast %0\n  %1:i64 = bitcast %9", True, Effort.LOOPS),
        ("%8:v2x32 = bitcast %0\n  %9:v2x32 = add %8 %8\n  %1:i64 = bitcast %9", True, Effort.FULL),
    ],
)
def test_effort(computation: str, *, loops: bool, effort: Effort) -> None:
    """Loops get LLVM's whole list if they compute with floats or vectors, and not for moving them only."""
    text = f"func @f {{\n^entry:\n  %0:i64 = read<A>\n  {computation}\n  write<A> %1\n  next\n}}\n"
    assert effort_for(Region("f", parse_function(text), (0,), ((0, 4),), 1, {}, loops, ())) is effort


FLAGS = """
func @flags {
^entry:
  dispatch<[0]> ^a
^a:
  %0:i64 = read<S[0]>
  %1:i8 = fp_flags
  %2:i1 = feq %0 %0
  %3:i8 = fp_flags
  %4:i8 = const<3>
  fp_set_flags %4
  %5:i1 = feq %0 %0
  %6:i8 = fp_flags
  %7:i8 = xor %1 %3
  %8:i8 = xor %7 %6
  %9:i64 = zext %8
  write<S[1]> %9
  goto<(add here 4)>
}
"""


@pytest.mark.parametrize("loops", [False, True])
def test_each_read_of_sticky_flags_is_made(*, loops: bool) -> None:
    """With all of LLVM's passes as with few: operations between the reads may raise flags."""
    machine = Machine(host("v3"), lay_out(REGISTERS), CONTEXT, EXCEPTIONS, 2, False)
    region = Region("flags", parse_function(FLAGS), (0,), ((0, 4),), 1, {}, loops, ())
    assert effort_for(region) is (Effort.FULL if loops else Effort.STRAIGHT)
    (made,) = compile_regions([region_text(region, machine, zero_membase=True)], machine.host)
    mnemonics = [i.mnemonic for i in capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64).disasm(made.code, 0)]
    assert sum(m.endswith("stmxcsr") for m in mnemonics) == 4  # one to keep the modes
    assert sum("comis" in m for m in mnemonics) == 2
