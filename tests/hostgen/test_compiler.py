"""LLVM's own mistakes do not end the process."""

from __future__ import annotations

import pytest

from pyqemu.hostgen.compiler import Compilation, Effort, compile_module

TRIPLE, CPU = "x86_64-unknown-linux-gnu", "x86-64-v3"
#: An integer that LLVM takes apart at the ends of the blocks it comes from: behind a `callbr` there is no such place.
BROKEN = """
target triple = "x86_64-unknown-linux-gnu"
define i8 @f(i1 %c, ptr %p, i128 %o) {
  br i1 %c, label %load, label %join
load:
  %x = callbr i128 asm sideeffect "movq $1, %rax", "=A,*m,!i"(ptr elementtype(i64) %p) to label %join [label %fault]
join:
  %v = phi i128 [ %x, %load ], [ %o, %0 ]
  %a = trunc i128 %v to i8
  %s = lshr i128 %v, 64
  %b = trunc i128 %s to i8
  %r = add i8 %a, %b
  ret i8 %r
fault:
  ret i8 0
}
"""


@pytest.mark.parametrize("effort", [Effort.FULL, Effort.STRAIGHT])
def test_module_that_passes_break(effort: Effort) -> None:
    """It is noticed, and compiled with less."""
    with pytest.raises(RuntimeError, match="dominate"):
        Compilation(BROKEN, TRIPLE, CPU, "").optimise(effort)
    assert compile_module(BROKEN, TRIPLE, CPU, "", effort).startswith(b"\x7fELF")
