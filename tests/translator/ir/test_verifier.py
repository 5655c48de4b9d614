"""What the verifier refuses. Each case is one wrong function; the builder is not asked."""

from __future__ import annotations

import pytest

from pyqemu.translator.errors import VerifyError
from pyqemu.translator.ir.parser import parse_function, parse_functions
from pyqemu.translator.ir.verifier import verify

GOOD = """func @f {
^entry:
  %c:i1 = read<Z>
  %x:i64 = read<S[$rn:5]>
  branch %c ^a ^b(%x)
^a:
  %y:i64 = add %x %x
  jump ^b(%y)
^b(%z:i64):
  write<S[$rd:5]> %z
  next
}
"""

BAD = [
    ("result type", "%y:i64 = add", "%y:i32 = add", "gives i64"),
    ("too many results", "%y:i64 = add", "%y:i64, %w:i64 = add", "gives i64"),
    ("result missing", "%y:i64 = add %x %x\n  jump ^b(%y)", "add %x %x\n  jump ^b(%x)", "gives i64"),
    ("operands", "add %x %x", "add %x %c", "operands of types"),
    ("dominance", "write<S[$rd:5]> %z", "write<S[$rd:5]> %y", "not defined on every way"),
    ("order", "%y:i64 = add %x %x", "%w:i64 = add %x %y\n  %y:i64 = add %x %x", "not defined on every way"),
    ("argument count", "^b(%x)", "^b", "do not fit block b"),
    ("argument type", "^b(%x)", "^b(%c)", "do not fit block b"),
    ("no terminator", "  next\n", "", "stands last"),
    ("two terminators", "  next\n", "  next\n  next\n", "stands last"),
    ("empty block", "  %y:i64 = add %x %x\n  jump ^b(%y)\n", "", "no operations"),
    ("back to the entry", "jump ^b(%y)", "jump ^entry", "back to the entry"),
    ("successors", "jump ^b(%y)", "jump ^b(%y) ^b(%y)", "2 successors"),
    ("successors of no branch", "  next\n", "  next ^a\n", "1 successors"),
    ("attribute", "read<Z>", "read<Z> %x", "takes 0 operands"),
    ("return", "  next\n", "  ret %z\n", "the function gives nothing"),
    ("mixed", "  jump ^b(%y)\n", "  ret\n", "leaves by `ret` alone"),
]


def test_good() -> None:
    verify(parse_function(GOOD))


@pytest.mark.parametrize(("old", "new", "message"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_bad(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(VerifyError, match=message.replace("(", r"\(")):
        verify(parse_function(GOOD.replace(old, new)))


def test_shared_value() -> None:
    function, other = parse_function(GOOD), parse_function(GOOD)
    function.blocks[1].ops[0].operands[0] = other.blocks[0].ops[1].results[0]
    with pytest.raises(VerifyError, match="another function"):
        verify(function)


def test_defined_twice_and_labels() -> None:
    function = parse_function(GOOD)
    function.blocks[1].label = "b"
    with pytest.raises(VerifyError, match="one label"):
        verify(function)
    function = parse_function(GOOD)
    function.blocks[1].ops[0].results = function.blocks[0].ops[1].results
    with pytest.raises(VerifyError, match="defined twice"):
        verify(function)


def test_calls() -> None:
    text = """
func @caller {{
^entry:
  %x:i64 = read<S[0]>
  %y:i64 = call<@{name}> {arguments}
  next
}}
func @callee(%a:i64) -> (i64) {{
^entry:
  ret %a
}}"""
    for name, arguments, good in (("callee", "%x", True), ("callee", "", False), ("nobody", "%x", False)):
        caller, callee = parse_functions(text.format(name=name, arguments=arguments))
        verify(callee)
        verify(caller)
        if good:
            verify(caller, {"callee": callee})
        else:
            with pytest.raises(VerifyError):
                verify(caller, {"callee": callee})
