"""What is left to the landings of guest accesses."""

from __future__ import annotations

import pytest

from pyqemu.hostgen.emit import MEM
from pyqemu.hostgen.hosts.x86_64 import host
from pyqemu.hostgen.layout import lay_out
from pyqemu.hostgen.lower import Machine
from pyqemu.hostgen.region_access import Accesses
from pyqemu.hostgen.regions import region_text
from pyqemu.translator.ir.parser import parse_function
from pyqemu.translator.lift.region import Region
from tests.hostgen.machine_code import CONTEXT, EXCEPTIONS, REGISTERS

TEXT = """
func @late {{
^entry:
  dispatch<[0]> ^a
^a:
  %0:i64 = read<S[1]>
  %1:i64 = const<5>
  {before}
  at<(add here 4) state=[S[2]]> %0
  %2:i64 = load %1
  {after}
  goto<(add here 8)>
}}
"""
WRITE = "write<S[1]> %1"


@pytest.mark.parametrize(("before", "after", "late"), [("", "", True), ("", WRITE, True), (WRITE, "", False)])
def test_reads_wait_only_for_what_stays(before: str, after: str, late: bool) -> None:
    """A landing may read a register for itself unless it has been written before the access."""
    function = parse_function(TEXT.format(before=before, after=after))
    accesses = Accesses(Region("late", function, (0,), ((0, 8),), 2, {}, False, ()), MEM)
    assert accesses.is_deferred(function.blocks[1].ops[0]) is late


SWAPPED = """
func @swapped {{
^entry:
  dispatch<[0]> ^a
^a:
  %0:i64 = read<S[1]>
  %1:i64 = read<S[2]>
  %2:i64 = const<5>
  at<(add here 4) state=[S[1] S[2]]> %1 %0
  %3:i64 = load %2
  {more}
  goto<(add here 8)>
}}
"""
MORE = """
  at<(add here 8) state=[S[1] S[2] S[0]]> %1 %0 %3
  %4:i64 = load %2
"""


@pytest.mark.parametrize("more", ["", MORE])
def test_landings_read_before_they_write(more: str) -> None:
    """What is shown may be made of what has been there."""
    function = parse_function(SWAPPED.format(more=more))
    region = Region("swapped", function, (0,), ((0, 12),), 3, {}, False, ())
    machine = Machine(host("v3"), lay_out(REGISTERS), CONTEXT, EXCEPTIONS, 2, False)
    lines = region_text(region, machine, zero_membase=True).body.splitlines()
    landings = lines[next(n for n, line in enumerate(lines) if line.startswith("landing0:")) :]
    loads = [n for n, line in enumerate(landings) if "load i64, ptr %early" in line]
    assert loads and max(loads) < next(n for n, line in enumerate(landings) if line.lstrip().startswith("store"))
