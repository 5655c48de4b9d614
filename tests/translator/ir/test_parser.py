"""Syntax: what reads back as what, and errors with line and column."""

from __future__ import annotations

import pytest

from pyqemu.translator.errors import IrSyntaxError
from pyqemu.translator.ir.equality import equal
from pyqemu.translator.ir.parser import parse_function, parse_functions, parse_static
from pyqemu.translator.ir.printer import print_function, print_functions, print_static
from pyqemu.translator.ir.verifier import verify
from pyqemu.translator.static import Apply, Ctx, Element, Field, Here

EVERYTHING = """func @"odd name" "sf=1,\\"S\\"=0" {
^entry:
  %0:i64 = read<S[$rn:5] zero=31>
  %1:i128 = read<"odd reg">
  %2:v4x32 = const<0xdeadbeef>
  %c:i1 = read<Z>
  %sum.lo:i32 = lane<3> %2
  %3:v2x32 = shuffle<[0 7]> %2 %2
  %4:i8 = lookup<[1 2 0x1000]> %sum.lo
  %5:i32 = load<order=acquire endian=be> %0
  store %0 %5
  %6:i32 = rmw<umin> %0 %5
  fence<seqcst>
  set_ctx<fz> %c
  %7:i32 = ftosi<na> %0
  %8:i64 = frint<dyn exact=1> %0
  %9:i1 = feq<signal=1> %0 %8
  %10:i64, %11:i1 = call<@f.64> %0
  branch %c ^"odd label"(%0, %0) ^b0
^"odd label"(%12:i64, %13:i64):
  goto_indirect<kind=return> %13
^b0:
  goto<(add here (sbits (ctx fz 1) $imm:s19)) kind=call>
}
"""


def test_everything_reads_back() -> None:
    function = parse_function(EVERYTHING)
    verify(function)
    assert print_function(function) == EVERYTHING
    assert equal(function, parse_function(EVERYTHING))


def test_layout_does_not_matter() -> None:
    loose = """
    ; a comment
    func @f(%a:i64 %b:i64)->(i64 i1){ ; another
    ^entry:

      %0 : i1 = eq %b,%a
      ret %a %0 }
    """
    tight = "func @f(%a:i64, %b:i64) -> (i64, i1) {\n^entry:\n  %0:i1 = eq %b %a\n  ret %a %0\n}\n"
    assert print_function(parse_function(loose)) == tight
    assert print_functions(parse_functions(tight + "\n" + tight)) == tight + "\n" + tight


@pytest.mark.parametrize(
    "expr",
    [
        5,
        -5,
        1 << 70,
        Field("imm", 19, True),
        Field("rn", 5),
        Here(),
        Here(32),
        Ctx("it", 8),
        Element((1, -2, 1 << 64), Field("i", 2)),
        Apply("select", (Field("a", 1), Apply("neg", (Here(),)), 3)),
    ],
)
def test_decode_time_expressions(expr) -> None:
    assert parse_static(print_static(expr)) == expr


BAD = [
    (
        "func @f {\n^entry:\n  %0:i64 = nonsense\n}",
        "3:12: an operation of the table expected, not 'nonsense'",
    ),
    ("func @f {\n^entry:\n  write<S> %0\n  next\n}", "3:12: a value that is defined somewhere"),
    ("func @f {\n^entry:\n  jump ^x\n}", "3:8: a block of this function"),
    (
        "func @f {\n^entry:\n  %0:i64 = const<1>\n  %0:i64 = const<1>\n}",
        "4:3: a value that is not defined yet",
    ),
    ("func @f {\n^entry:\n  next\n^entry:\n  next\n}", "4:1: a label that is not used yet"),
    ("func @f {\n^entry:\n  %0:q = const<1>\n}", "3:6: a type"),
    ("func @f {\n^entry:\n  %0:i64 = const\n}", "3:17: attribute value of const"),
    ("func @f {\n^entry:\n  %0:i64 = const<1 2>\n}", "3:20: an attribute of const"),
    ("func @f {\n^entry:\n  %0:i64 = const<hue=2>\n}", "3:18: an attribute of const"),
    ("func @f {\n^entry:\n  %0:i64 = hole<(twice 1)>\n}", "3:18: an operation on decode-time integers"),
    ("func @f {\n^entry:\n  next next\n}", "3:8: the end of the operation"),
    ("func @f {\n^entry:\n  next\n", "4:1: an operation expected, not the end of the text"),
    ("func @f {\n^entry:\n  next ?\n}", "3:8: unexpected character '?'"),
    ("func f {\n}", "1:6: a function's name"),
    ("", "1:1: one function expected, there are 0"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_errors_have_line_and_column(text: str, message: str) -> None:
    with pytest.raises(IrSyntaxError) as error:
        parse_function(text)
    assert str(error.value).startswith(message)
