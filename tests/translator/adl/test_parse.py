"""The parser: what ends a statement, how strongly operators bind, key words as names, places."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.errors import DescriptionError
from pyqemu.translator.adl.parse import parse_expression, parse_folder, parse_text

SPAN = ast.Span(Path("<text>"), 1, 1, 1, 1)


def show(expr: ast.Expr) -> str:
    """An expression with all its parentheses."""
    match expr:
        case ast.Number():
            return str(expr.value)
        case ast.Name():
            return expr.name
        case ast.Unary():
            return f"{expr.op}{show(expr.operand)}"
        case ast.Binary():
            return f"({show(expr.left)} {expr.op} {show(expr.right)})"
        case ast.Conditional():
            return f"({show(expr.condition)} ? {show(expr.then)} : {show(expr.otherwise)})"
        case ast.Index():
            return f"{show(expr.base)}[{', '.join(map(show, expr.arguments))}]"
        case ast.Slice():
            return f"{show(expr.base)}[{show(expr.high)}:{show(expr.low)}]"
        case ast.Call():
            return f"{expr.name}({', '.join(map(show, expr.arguments))})"
        case _:
            return repr(expr)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a + b * c - d", "((a + (b * c)) - d)"),
        ("a - b - c", "((a - b) - c)"),
        ("a | b ^ c & d == e << f + g", "(a | (b ^ (c & (d == (e << (f + g))))))"),
        ("!a & b <u c", "(!a & (b <u c))"),
        ("a <u", None),
        ("-x[i + 1][7:0]", "-x[(i + 1)][7:0]"),
        ("a ? b : c ? d : e", "(a ? b : (c ? d : e))"),
        ("x[s ? 7 : 3:0]", "x[(s ? 7 : 3):0]"),
        ("f(a, g())[2]", "f(a, g())[2]"),
        ("0xff_ff + 0b101 + 1_000", "((65535 + 5) + 1000)"),
        ("a - -b", "(a - -b)"),
        ("~a >=s b % 3", "(~a >=s (b % 3))"),
        ("order + file + write", "((order + file) + write)"),
    ],
)
def test_expressions(text: str, shown: str | None) -> None:
    if shown is None:
        with pytest.raises(DescriptionError):
            parse_expression(text, SPAN)
    else:
        assert show(parse_expression(text, SPAN)) == shown


def body(text: str) -> tuple[ast.Stmt, ...]:
    (function,) = parse_text("fn f() {\n" + text + "\n}\n").declarations
    assert isinstance(function, ast.Function)
    return function.body


def test_a_newline_ends_a_statement_but_not_after_an_operator_or_in_brackets() -> None:
    first, second, third = body("let a = 1 +\n 2\n b := f(3,\n\n # comment\n 4\n)\n x[\n1] := a")
    assert isinstance(first, ast.Let) and show(first.value) == "(1 + 2)"
    assert isinstance(second, ast.Write) and show(second.value) == "f(3, 4)"
    assert isinstance(third, ast.Write) and show(third.target) == "x[1]"


def test_statements() -> None:
    let, var, assign, choice, loop, goto, call, raising, effect = body(
        "let (a, b) = f(); var c = a\nc = b\n"
        "if a { N := 1 }\nelse if b { }\nelse { Z := 1; C := 0 }\n"
        'for i in 0..n { c = i }\ngoto a\ngoto call b; raise svc(1, 2)\nfence("acquire")'
    )
    assert isinstance(let, ast.Let) and let.names == ("a", "b") and not let.mutable
    assert isinstance(var, ast.Let) and var.mutable
    assert isinstance(assign, ast.Assign) and assign.name == "c"
    assert isinstance(choice, ast.If) and isinstance(choice.otherwise[0], ast.If)
    assert len(choice.otherwise[0].otherwise) == 2
    assert isinstance(loop, ast.For) and loop.variable == "i" and show(loop.high) == "n"
    assert isinstance(goto, ast.Goto) and goto.kind == "plain"
    assert isinstance(call, ast.Goto) and call.kind == "call"
    assert isinstance(raising, ast.Raise) and len(raising.arguments) == 2
    assert isinstance(effect, ast.ExprStmt)


def test_an_instruction() -> None:
    text = """
insn ADD {                       # a comment with "quotes" and { braces }
  ref "C6.2.4"
  enc A "sf 0 imm:3" if imm != 0 with S = 0 op = 1 + 1
  enc "1 . (0) f[1:0]"
    with S = 1
  needs a, b
  undef if sf; unpred if imm == 3 -> ignore
  let n = sf ? 64 : 32
  asm { "x #{n:h}" if sf; "y" }
  do { X[1] := n }
}
"""
    (insn,) = parse_text(text).declarations
    assert isinstance(insn, ast.Instruction)
    first, second = insn.encodings
    assert (first.unit, first.picture) == ("A", "sf 0 imm:3")
    assert [(name, show(e)) for name, e in first.given] == [("S", "0"), ("op", "(1 + 1)")]
    assert first.guard is not None and show(first.guard) == "(imm != 0)"
    assert second.guard is None and second.given[0][0] == "S"
    assert (insn.ref, insn.needs[0].features, insn.unpredictable[0].policy) == ("C6.2.4", ("a", "b"), "ignore")
    assert [row.template for row in insn.asm] == ["x #{n:h}", "y"]
    assert (insn.span.line, insn.span.column) == (2, 6)


def test_operand_rows() -> None:
    text = 'operand o(a, b) -> b1 {\n 0,_ "x" = Z; 1|4..6,-1 "y" = !Z if a == b\n _,_ = 1\n}'
    (table,) = parse_text(text).declarations
    assert isinstance(table, ast.OperandTable)
    first, second, third = table.rows
    assert first.patterns == (ast.Pattern(((0, 0),)), ast.Pattern(()))
    assert second.patterns == (ast.Pattern(((1, 1), (4, 6))), ast.Pattern(((-1, -1),)))
    assert second.condition is not None and first.text == "x" and third.text is None


def test_names_of_cpu_models() -> None:
    one, two = parse_text('cpu core-a7b { features a, b; reset R[3] = 5 }\ncpu "486" { }').declarations
    assert isinstance(one, ast.CpuModel) and isinstance(two, ast.CpuModel)
    assert (one.name, one.features, one.resets[0][0], two.name) == ("core-a7b", ("a", "b"), "R[3]", "486")


def test_used_files_stand_where_they_are_named(tmp_path: Path) -> None:
    (tmp_path / "main.arch").write_text('arch t {\n reg A: b8\n use "b.arch"\n}\nreg C: b8\n')
    (tmp_path / "b.arch").write_text("reg B: b8\n")
    architecture = parse_folder(tmp_path)
    assert architecture.name == "t"
    assert [d.name for d in architecture.declarations if isinstance(d, ast.RegisterFile)] == ["A", "B", "C"]
    (tmp_path / "b.arch").write_text('use "c.arch"\nuse "main.arch"\n')
    with pytest.raises(DescriptionError) as caught:
        parse_folder(tmp_path)
    assert [e.message for e in caught.value.all()] == ["c.arch does not exist", "main.arch is used twice"]


def test_a_folder_without_main(tmp_path: Path) -> None:
    with pytest.raises(DescriptionError, match="no such file"):
        parse_folder(tmp_path)
    (tmp_path / "main.arch").write_text("reg A: b8\n")
    with pytest.raises(DescriptionError, match="begins with"):
        parse_folder(tmp_path)
