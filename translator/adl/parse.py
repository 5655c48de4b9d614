"""Reads a description's files into its syntax tree.

Lark's basic lexer makes the tokens. Here lines are joined (docs/language.md says where a newline does not end
a statement), tokens are cut into top-level declarations by their braces, and each declaration is parsed on
its own: so a mistake costs one declaration, and several mistakes are reported at once.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lark import Lark, Token
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.ast import Span
from pyqemu.translator.adl.errors import DescriptionError, combined, remember_source
from pyqemu.translator.adl.syntax_advice import advice_for, describe
from pyqemu.translator.adl.transform_declarations import InstructionTransform
from pyqemu.translator.adl.variants import Chosen, choose

_OPENING = {"LPAR": "RPAR", "LSQB": "RSQB"}


def _grammar() -> str:
    return Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8")


@functools.cache
def _lark() -> tuple[Lark, InstructionTransform, frozenset[str]]:
    """The parser, its transformer, and the names of terminals that are key words."""
    transform = InstructionTransform()
    lark = Lark(
        _grammar(),
        parser="lalr",
        lexer="basic",
        start=["declaration", "expr"],
        transformer=transform,
        maybe_placeholders=True,
    )
    words = {
        t.name for t in lark.terminals if t.name != "NAME" and t.pattern.value.replace("_", "a").isalpha()
    }
    return lark, transform, frozenset(words)


@functools.cache
def _continuing() -> frozenset[str]:
    """Terminals after which a newline does not end a statement."""
    texts = {",", "=", ":=", "?", ":", "->", "..", "{"}
    named = {t.name for t in _lark()[0].terminals if t.pattern.value.replace("\\", "") in texts}
    return frozenset(named | {"BINOP", "MINUS", "PIPE", "UNOP", "_SEP"})


@functools.cache
def _lexer() -> Any:
    """Lark without a parser: it keeps its lexer, where one with a parser makes a new one for each text."""
    return Lark(_grammar(), parser=None, lexer="basic", start=["declaration", "expr"])


def _lex(text: str) -> Iterator[Token]:
    return _lexer().lex(text)


def _new_parser(start: str) -> Any:
    lark: Any = _lark()[0]
    return lark.parse_interactive(start=start)


@dataclass(slots=True)
class _Source:
    """One file's tokens and what was wrong with them so far."""

    file: Path
    errors: list[DescriptionError]

    def fail(self, token: Token, message: str, advice: str = "") -> None:
        line, column = token.line or 1, token.column or 1
        end = (token.end_line or line, token.end_column or column)
        self.errors.append(DescriptionError(Span(self.file, line, column, *end), message, advice))


def _tokens(source: _Source, text: str) -> list[Token]:
    """All tokens; stops at the first character that starts none."""
    result: list[Token] = []
    try:
        for token in _lex(text):
            result.append(token)
    except UnexpectedCharacters as error:
        char = str(error.char)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        bad = Token("BAD", char, 0, error.line, error.column, error.line, error.column + 1)
        if char == '"':
            source.fail(bad, "this text is never closed", "a text ends on the line where it begins")
        else:
            source.fail(bad, f"{char!r} begins nothing of the language")
    return result


def _joined(source: _Source, tokens: list[Token]) -> list[Token]:
    """Without the newlines that end nothing: inside () and [], after an operator, before `}`, `else`
    and `with`.
    """
    result: list[Token] = []
    open_brackets: list[Token] = []
    going_on = _continuing()
    for token in tokens:
        kind = token.type
        if kind == "_SEP":
            if (open_brackets and token == "\n") or not result or result[-1].type in going_on:
                continue
        elif kind in _OPENING:
            open_brackets.append(token)
        elif open_brackets and kind == _OPENING[open_brackets[-1].type]:
            open_brackets.pop()
        elif kind in ("LBRACE", "RBRACE") and open_brackets:
            source.fail(open_brackets[-1], f"this {str(open_brackets[-1])!r} is never closed")
            open_brackets.clear()
        if kind in ("RBRACE", "ELSE", "WITH") and result and result[-1].type == "_SEP":
            result.pop()
        result.append(token)
    if open_brackets:
        source.fail(open_brackets[-1], f"this {str(open_brackets[-1])!r} is never closed")
    return result


def _declarations(source: _Source, tokens: list[Token]) -> Iterator[list[Token]]:
    """Runs of tokens, one a declaration. A key word of a declaration in column 1 closes what was left
    open.
    """
    starts = frozenset[str](_new_parser("declaration").choices())
    current: list[Token] = []
    braces: list[Token] = []
    for token in tokens:
        kind = token.type
        if braces and token.column == 1 and kind in starts and kind != "NAME":
            source.fail(braces[-1], "this '{' is never closed", f"line {token.line} begins a new declaration")
            current, braces = [], []
        if kind == "_SEP" and not braces:
            if current:
                yield current
            current = []
            continue
        if kind == "RBRACE" and not braces:
            source.fail(token, "this '}' closes nothing")
            continue
        current.append(token)
        if kind == "LBRACE":
            braces.append(token)
        elif kind == "RBRACE":
            braces.pop()
    if braces:
        source.fail(braces[0], "this '{' is never closed")
    elif current:
        yield current


def _parse(tokens: list[Token], start: str, file: Path) -> Any:
    """Feeds tokens to the parser; key words are names where the key word cannot stand."""
    _, transform, words = _lark()
    transform.file = file
    parser = _new_parser(start)
    feed, choices = parser.feed_token, parser.choices
    for token in tokens:
        kind = token.type
        if kind in words and kind not in choices():
            token = Token.new_borrow_pos("NAME", token.value, token)
        feed(token)
    return feed(Token.new_borrow_pos("$END", "", tokens[-1]))


def _syntax_error(error: UnexpectedToken, tokens: list[Token], file: Path) -> DescriptionError:
    token: Token = error.token  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if token.type == "$END":
        token = tokens[-1]
        where = Span(
            file, token.end_line or 1, token.end_column or 1, token.end_line or 1, token.end_column or 1
        )
        return DescriptionError(
            where, "something is missing here", advice_for(None, error.accepts or error.expected)
        )
    line, column = token.line or 1, token.column or 1
    span = Span(file, line, column, token.end_line or line, token.end_column or column)
    return DescriptionError(span, f"{describe(token)} cannot stand here", advice_for(token, error.expected))


def _parse_declarations(source: _Source, tokens: list[Token]) -> list[ast.Decl]:
    result: list[ast.Decl] = []
    broken = {(error.span.line, error.span.column) for error in source.errors}  # brackets without a partner
    for run in _declarations(source, tokens):
        if broken and any((token.line, token.column) in broken for token in run):
            continue
        try:
            result.append(_parse(run, "declaration", source.file))
        except UnexpectedToken as error:
            source.errors.append(_syntax_error(error, run, source.file))
        except DescriptionError as error:
            source.errors.append(error)
    return result


def _without_arch(source: _Source, tokens: list[Token]) -> tuple[str | None, list[Token]]:
    """Takes `arch NAME {` and its `}` away, so that the declarations within stand like all others."""
    if len(tokens) < 3 or tokens[0] != "arch":
        return None, tokens
    if tokens[2].type != "LBRACE":
        source.fail(tokens[2], f"{describe(tokens[2])} cannot stand here", "say `arch NAME { … }`")
        return str(tokens[1]), []
    depth = 1
    for position in range(3, len(tokens)):
        kind = tokens[position].type
        depth += (kind == "LBRACE") - (kind == "RBRACE")
        if not depth:
            separator = Token("_SEP", "\n")
            return str(tokens[1]), [*tokens[3:position], separator, *tokens[position + 1 :]]
    source.fail(tokens[2], "this '{' is never closed")
    return str(tokens[1]), []


def _parse_file(source: _Source, text: str) -> tuple[str | None, list[ast.Decl]]:
    remember_source(source.file, text)
    before = len(source.errors)
    tokens = _tokens(source, text)
    if len(source.errors) > before:
        return None, []
    name, rest = _without_arch(source, _joined(source, tokens))
    return name, _parse_declarations(source, rest)


def parse_text(text: str, file: Path = Path("<text>")) -> ast.Architecture:
    """Parses one file's text; `use` is not followed. Raises DescriptionError."""
    source = _Source(file, [])
    name, declarations = _parse_file(source, text)
    if source.errors:
        raise combined(source.errors)
    chosen = choose(declarations, None, Span(file, 1, 1, 1, 1))
    return _architecture(name, file.parent, declarations, chosen)


def parse_expression(text: str, span: Span) -> ast.Expr:
    """Parses an expression that stands in a text literal; `span` is where it begins."""
    source = _Source(span.file, [])
    tokens = [_moved(token, span) for token in _tokens(source, text)]
    if source.errors or not tokens:
        raise DescriptionError(span, f"{text!r} is not an expression")
    try:
        return _parse(tokens, "expr", span.file)
    except UnexpectedToken as error:
        raise _syntax_error(error, tokens, span.file) from None


def _moved(token: Token, span: Span) -> Token:
    shift = span.column - 1
    first, last = (token.column or 1) + shift, (token.end_column or 1) + shift
    return Token(token.type, token.value, 0, span.line, first, span.line, last)


def parse_folder(folder: Path | str, variant: str | None = None) -> ast.Architecture:
    """Parses `main.arch` of a folder and the files that it uses, in that order, as one of its variants (the first one).

    Raises DescriptionError.
    """
    folder = Path(folder)
    main = folder / "main.arch"
    errors: list[DescriptionError] = []
    if not main.is_file():
        raise DescriptionError(
            Span(main, 1, 1, 1, 1), "no such file", "an architecture's folder holds main.arch"
        )
    source = _Source(main, errors)
    name, declarations = _parse_file(source, main.read_text(encoding="utf-8"))
    if name is None and not errors:
        errors.append(DescriptionError(Span(main, 1, 1, 1, 1), "main.arch begins with `arch NAME {`"))
    chosen = choose(declarations, variant, Span(main, 1, 1, 1, 1))
    declarations = _with_used(folder, declarations, chosen, errors, {main})
    if errors:
        raise combined(errors)
    return _architecture(name, folder, declarations, chosen)


def variant_names(folder: Path) -> list[str]:
    """The variants that a folder's `main.arch` declares, the first one first; none where it is one architecture."""
    main = folder / "main.arch"
    _, declarations = _parse_file(_Source(main, []), main.read_text(encoding="utf-8"))
    return [d.name for d in declarations if isinstance(d, ast.Variant)]


def _architecture(name: str | None, folder: Path, declarations: list[ast.Decl], chosen: Chosen) -> ast.Architecture:
    """The variant's constants in place of all variants."""
    kept = [d for d in declarations if not isinstance(d, ast.Variant)]
    together = (*chosen.constants.values(), *kept)
    return ast.Architecture(chosen.name or name or "", folder, together, chosen.name is not None)


def _with_used(
    folder: Path, declarations: list[ast.Decl], chosen: Chosen, errors: list[DescriptionError], seen: set[Path]
) -> list[ast.Decl]:
    """Declarations with each `use` replaced by what the file holds, if the variant has it."""
    result: list[ast.Decl] = []
    for declaration in declarations:
        if not isinstance(declaration, ast.Use):
            result.append(declaration)
            continue
        if not chosen.holds(declaration.condition):
            continue
        file = folder / declaration.file
        if file in seen or not file.is_file():
            problem = "is used twice" if file in seen else "does not exist"
            errors.append(DescriptionError(declaration.span, f"{declaration.file} {problem}"))
            continue
        seen.add(file)
        _, used = _parse_file(_Source(file, errors), file.read_text(encoding="utf-8"))
        misplaced = [d for d in used if isinstance(d, ast.Variant)]
        errors += [DescriptionError(d.span, "a variant stands in main.arch") for d in misplaced]
        result += _with_used(folder, used, chosen, errors, seen)
    return result
