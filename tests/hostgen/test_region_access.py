"""What is left to the landings of guest accesses."""

from __future__ import annotations

import pytest

from pyqemu.hostgen.emit import MEM
from pyqemu.hostgen.region_access import Accesses
from pyqemu.translator.ir.parser import parse_function
from pyqemu.translator.lift.region import Region

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
