"""Which values a region only copies."""

from __future__ import annotations

from pyqemu.hostgen.only_copied import only_copied
from pyqemu.translator.ir.function import Function, Value
from pyqemu.translator.ir.parser import parse_function

#: A loop that stores `pairs` values and loads the next ones; `more` is done in each round.
_LOOP = """func @copy {{
^entry:
  dispatch<[0]> ^enter
^enter:
  %p:i64 = read<G[30]>
{reads}
  jump ^head({passed})
^head({arguments}):
  %q:i1 = poll
  branch %q ^leave ^go
^go:
  at<here state=[{state}]> {passed_on}
{body}
{more}
  jump ^head({next})
^leave:
{writes}
  leave<here>
}}
"""


def loop(count: int, more: str = "", load: str = "load") -> Function:
    """With `count` values on their way; `more` uses %a0 … and %b0 …"""
    numbers = range(count)
    return parse_function(_LOOP.format(
        reads="\n".join(f"  %i{n}:i64 = read<G[{n}]>" for n in numbers),
        passed=", ".join(f"%i{n}" for n in numbers),
        arguments=", ".join(f"%a{n}:i64" for n in numbers),
        state=" ".join(f"G[{n}]" for n in numbers),
        passed_on=" ".join(f"%a{n}" for n in numbers),
        body="\n".join(f"  store %p %a{n}\n  %b{n}:i64 = {load} %p" for n in numbers),
        more=more,
        next=", ".join(f"%b{n}" for n in numbers),
        writes="\n".join(f"  write<G[{n}]> %a{n}" for n in numbers),
    ))  # fmt: skip


def copied(function: Function) -> int:
    return len(only_copied(function))


def test_copying_loop() -> None:
    """What is loaded and the head's arguments, not the pointer."""
    function = loop(8)
    head, go = function.blocks[2], function.blocks[3]
    loaded: list[Value] = [value for op in go.ops if op.name == "load" for value in op.results]
    assert only_copied(function) == {*head.arguments, *loaded}


def test_few_values() -> None:
    """They have room in general registers."""
    assert copied(loop(6)) == 12
    assert copied(loop(5)) == 0


def test_what_is_computed_with() -> None:
    """It is left out, with what it is handed on as."""
    assert copied(loop(8, "  %x:i64 = add %b0 %b1")) == 12
    assert copied(loop(8, "  %x:i64 = add %a0 %p")) == 14
    assert copied(loop(8, "  store %b2 %b3")) == 14


def test_order() -> None:
    """Only plain loads."""
    assert copied(loop(8, load="load<order=acquire>")) == 0
