"""The part of the transformer that makes declarations (see transform.py)."""

from __future__ import annotations

from typing import Any

from lark import Token

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.errors import DescriptionError
from pyqemu.translator.adl.transform import Children, StatementTransform


def _absent_removed(children: Children) -> Children:
    return [c for c in children if c is not None]


class DeclarationTransform(StatementTransform):
    """Declarations; every method gives one `ast.Decl` or a part of one."""

    def names(self, c: Children) -> tuple[str, ...]:
        return tuple(str(t) for t in c)

    def use(self, c: Children) -> ast.Decl:
        return ast.Use(self.token_span(c[0]), c[0][1:-1], c[1])

    def unit(self, c: Children) -> ast.Decl:
        name, width, order, piece, condition, needs = c
        span = self.token_span(name)
        if not (width[0] == "b" and width[1:].isdigit()):
            raise DescriptionError(self.token_span(width), f"{str(width)!r} is not a width", "say b16 or b32")
        bits = int(width[1:])
        piece_bits = bits if piece is None else self.integer(piece)
        if piece is not None and (piece_bits % 8 or not piece_bits or bits % piece_bits):
            raise DescriptionError(self.span(piece), f"{width} is not made of {piece}", "say 16, for instance")
        return ast.Unit(span, str(name), bits, self._byte_order(order), piece_bits, condition, needs or ())

    def form(self, c: Children) -> ast.Decl:
        name, *rows = c
        return ast.Form(self.token_span(name), str(name), tuple(_absent_removed(rows)))

    def form_row(self, c: Children) -> ast.FormRow:
        unit, picture, guard, given = c
        span, unit_span = self.token_span(picture), self.token_span(unit)
        return ast.FormRow(str(unit), picture[1:-1], guard, given or (), span, unit_span)

    def _byte_order(self, token: object) -> str:
        if str(token) not in ("le", "be"):
            raise DescriptionError(self.span(token), f"{str(token)!r} is not a byte order", "it is le or be")
        return str(token)

    def property_(self, c: Children) -> ast.Decl:
        key = " ".join(str(t) for t in c[:-1])
        value = c[-1]
        if isinstance(value, Token):
            value = self.integer(value) if value.type == "NUMBER" else str(value)
        return ast.Property(self.span(c[0], c[-1]), key, value)

    def data_order_if(self, c: Children) -> ast.Decl:
        order, condition = c
        return ast.DataOrderIf(self.token_span(order), self._byte_order(order), condition)

    def file_(self, c: Children) -> ast.Decl:
        return ast.RegisterFile(self.token_span(c[0]), str(c[0]), self.integer(c[1]), c[2])

    def reg(self, c: Children) -> ast.Decl:
        return ast.RegisterFile(self.token_span(c[0]), str(c[0]), None, c[1])

    def _width(self, type_: ast.TypeExpr) -> int:
        if not isinstance(type_.width, ast.Number) or type_.lanes is not None:
            raise DescriptionError(type_.span, "elements have a fixed number of bits", "say b32, for instance")
        return type_.width.value

    def flag(self, c: Children) -> ast.Decl:
        return ast.Flags(self.token_span(c[0]), c[1])

    def flags(self, c: Children) -> ast.Decl:
        return ast.Flags(self.token_span(c[0]), c[1], str(c[0]))

    def view(self, c: Children) -> ast.Decl:
        name, parameters, index, type_, target, exception, policy = c
        if policy is not None and str(policy) not in ast.WRITE_POLICIES:
            known = ", ".join(ast.WRITE_POLICIES)
            raise DescriptionError(
                self.token_span(policy), f"{str(policy)!r} is not a write policy", f"it is one of {known}"
            )
        span = self.token_span(name)
        zero = exception if isinstance(exception, int) else None
        special = exception if isinstance(exception, ast.SpecialElement) else None
        return ast.View(span, str(name), parameters, index, type_, target, zero, policy and str(policy), special)

    def view_parameters(self, c: Children) -> tuple[str, ...]:
        return c[0] or ()

    def view_index(self, c: Children) -> str:
        return "" if c[0] is None else str(c[0])

    def except_zero(self, c: Children) -> int:
        return self.integer(c[0])

    def except_special(self, c: Children) -> ast.SpecialElement:
        number, reads, writes = c
        return ast.SpecialElement(self.integer(number), reads, str(writes), self.token_span(writes))

    def ctx(self, c: Children) -> ast.Decl:
        return ast.ContextVariable(self.token_span(c[0]), str(c[0]), self.integer(c[1]), c[2])

    def feature(self, c: Children) -> ast.Decl:
        key_word, names, implied, *resets = c
        return ast.Feature(self.token_span(key_word), names, implied or (), tuple(_absent_removed(resets)))

    def feature_reset(self, c: Children) -> tuple[str, ast.Expr]:
        return str(c[0]), c[1]

    def exception(self, c: Children) -> ast.Decl:
        return ast.ExceptionDecl(self.token_span(c[0]), str(c[0]), c[1] or ())

    def cpu(self, c: Children) -> ast.Decl:
        key_word, name, *items = _absent_removed(c)
        return self._cpu_model(key_word, name, items)

    def isa(self, c: Children) -> ast.Decl:
        key_word, name, separator, *items = _absent_removed(c)
        return self._cpu_model(key_word, name, items, separator[1:-1])

    def _cpu_model(self, key_word: Token, name: str, items: Children, separator: str | None = None) -> ast.Decl:
        features = tuple(f for kind, item in items if kind == "features" for f in item)
        resets = tuple(item for kind, item in items if kind == "reset")
        return ast.CpuModel(self.token_span(key_word), name, features, resets, separator)

    def cpu_name(self, c: Children) -> str:
        return "".join(str(t) for t in c).strip('"')

    def cpu_features(self, c: Children) -> tuple[str, tuple[str, ...]]:
        return "features", c[0]

    def feature_list(self, c: Children) -> tuple[str, ...]:
        return tuple(str(t) for t in c)

    def cpu_reset(self, c: Children) -> tuple[str, tuple[str, ast.Expr]]:
        name, index, value = c
        return "reset", (str(name) if index is None else f"{name}[{self.integer(index)}]", value)

    def const(self, c: Children) -> ast.Decl:
        name, type_, count, value = c
        width = None if type_ is None or type_.width is None else self._width(type_)
        elements = None if count is None else self.integer(count)
        return ast.ConstTable(self.token_span(name), str(name), width, elements, value)

    def variant(self, c: Children) -> ast.Decl:
        name, *constants = _absent_removed(c)
        return ast.Variant(self.token_span(name), str(name), tuple(constants))

    def operand(self, c: Children) -> ast.Decl:
        name, parameters, results, *rows = c
        span = self.token_span(name)
        return ast.OperandTable(span, str(name), parameters, results or (), tuple(_absent_removed(rows)))

    def row(self, c: Children) -> ast.OperandRow:
        *patterns, (text, value, condition) = c
        span = self.token_span(patterns[0][1])
        text_span = None if text is None else self.token_span(text)
        plain = None if text is None else text[1:-1]
        return ast.OperandRow(tuple(p for p, _ in patterns), plain, value, condition, span, text_span)

    def row_tail(self, c: Children) -> tuple[Token | None, ast.Expr | None, ast.Expr | None]:
        text, value, condition = c
        return text, value, condition

    def pattern(self, c: Children) -> tuple[ast.Pattern, Token]:
        """A pattern and its first token."""
        if isinstance(c[0], Token):
            return ast.Pattern(()), c[0]
        ranges: list[tuple[int, int, Token]] = [part for part in c if not isinstance(part, Token)]
        return ast.Pattern(tuple((low, high) for low, high, _ in ranges)), ranges[0][2]

    def range_(self, c: Children) -> tuple[int, int, Token]:
        (low, token), high = c
        return low, low if high is None else high[0], token

    def signed(self, c: Children) -> tuple[int, Token]:
        minus, number = c
        value = self.integer(number)
        return (value, number) if minus is None else (-value, minus)

    def function(self, c: Children) -> ast.Decl:
        outline, name, parameters, results, body = c
        statements: tuple[ast.Stmt, ...] = (
            (ast.Return(body.span, body),) if isinstance(body, ast.Expr) else body
        )
        span = self.token_span(name)
        return ast.Function(span, str(name), parameters or (), results or (), statements, outline is not None)

    def parameters(self, c: Children) -> tuple[ast.Parameter, ...]:
        return tuple(c)

    def parameter(self, c: Children) -> ast.Parameter:
        return ast.Parameter(str(c[0]), c[1], self.token_span(c[0]))

    def results(self, c: Children) -> tuple[ast.TypeExpr, ...]:
        return tuple(c)

    def prefer(self, c: Children) -> ast.Decl:
        return ast.Prefer(self.token_span(c[0]), str(c[0]), c[1])


class InstructionTransform(DeclarationTransform):
    """`insn` and what stands in it. Items are collected by kind; their order among each other does not
    matter.
    """

    def insn(self, c: Children) -> ast.Decl:
        name, *items = _absent_removed(c)
        parts: dict[str, list[Any]] = {}
        for item in items:
            kind, value = ("let", item) if isinstance(item, ast.Let) else item
            parts.setdefault(kind, []).append(value)
        for kind in ("ref", "guard", "do", "asm"):
            if len(parts.get(kind, ())) > 1:
                raise DescriptionError(
                    self.token_span(name),
                    f"instruction {name} has more than one `{kind}`",
                    "keep one of them",
                )
        one = {kind: values[0] for kind, values in parts.items()}
        return ast.Instruction(
            self.token_span(name),
            str(name),
            one.get("ref"),
            tuple(parts.get("enc", ())),
            tuple(parts.get("needs", ())),
            tuple(parts.get("undef", ())),
            tuple(parts.get("unpred", ())),
            one.get("guard"),
            tuple(parts.get("next", ())),
            tuple(parts.get("let", ())),
            one.get("asm", ()),
            one.get("do", ()),
        )

    def ref(self, c: Children) -> tuple[str, str]:
        return "ref", c[1][1:-1]

    def enc(self, c: Children) -> tuple[str, ast.EncodingDecl]:
        unit, picture, guard, given, needs = c
        unit_name = None if unit is None else str(unit)
        span = self.token_span(picture)
        return "enc", ast.EncodingDecl(unit_name, picture[1:-1], guard, given or (), needs or (), span)

    def given(self, c: Children) -> tuple[tuple[str, ast.Expr], ...]:
        return tuple((str(c[i]), c[i + 1]) for i in range(0, len(c), 2))

    def needs(self, c: Children) -> tuple[str, ast.Needs]:
        return "needs", ast.Needs(c[0], c[1])

    def needs_of_table(self, c: Children) -> tuple[str, ast.Needs]:
        return "needs", ast.Needs((), None, ast.Call(self.token_span(c[0]), str(c[0]), c[1]))

    def undef(self, c: Children) -> tuple[str, ast.Expr]:
        return "undef", c[2]

    def unpred(self, c: Children) -> tuple[str, ast.Unpredictable]:
        policy = str(c[4])
        if policy not in ("undef", "ignore"):
            raise DescriptionError(
                self.token_span(c[4]),
                f"{policy!r} is not a policy for UNPREDICTABLE",
                "it is undef or ignore",
            )
        return "unpred", ast.Unpredictable(c[2], policy, self.span(c[0], c[2]))

    def guard(self, c: Children) -> tuple[str, ast.Expr]:
        return "guard", c[0]

    def next(self, c: Children) -> tuple[str, ast.NextContext]:
        return "next", ast.NextContext(str(c[0]), c[1], self.token_span(c[0]))

    def asm_line(self, c: Children) -> tuple[str, tuple[ast.AsmRow, ...]]:
        return "asm", (ast.AsmRow(c[0][1:-1], None, self.token_span(c[0])),)

    def asm_rows(self, c: Children) -> tuple[str, tuple[ast.AsmRow, ...]]:
        return "asm", tuple(c)

    def asm_row(self, c: Children) -> ast.AsmRow:
        return ast.AsmRow(c[0][1:-1], c[1], self.token_span(c[0]))

    def do(self, c: Children) -> tuple[str, tuple[ast.Stmt, ...]]:
        return "do", c[1]
