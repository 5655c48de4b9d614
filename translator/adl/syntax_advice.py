"""Words for syntax errors: what a token is called, and what could have stood in its place."""

from __future__ import annotations

from collections.abc import Iterable

from lark import Token

_CALLED = {
    "NAME": "a name",
    "NUMBER": "a number",
    "STRING": "a text in quotes",
    "_SEP": "the end of the statement",
    "$END": "the end of the declaration",
    "BINOP": "an operator",
    "UNOP": "`!`",
    "MINUS": "`-`",
    "COMMA": "`,`",
    "COLON": "`:`",
    "SEMICOLON": "`;`",
    "EQUAL": "`=`",
    "QMARK": "`?`",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "UNDERSCORE": "`_`",
}
_OPERATORS = frozenset({"BINOP", "MINUS", "PIPE", "QMARK", "LSQB"})
#: What is said where one of these stands behind an operator.
_DOUBLED = {
    "&": "there is no `&&`; conditions take `&`, as bits do",
    "|": "there is no `||`; conditions take `|`, as bits do",
    ">": "there is no `>>>`; `asr(x, n)` shifts in the sign, `x >> n` zeros",
}


def describe(token: Token) -> str:
    """The token as a reader sees it."""
    if token.type == "_SEP":
        return "the end of the line" if token == "\n" else "`;`"
    return f"`{token}`"


def advice_for(token: Token | None, expected: Iterable[str]) -> str:
    """What could stand there, if that is little enough to be of help; for common slips, what to write."""
    names = set(expected)
    if token is not None and token == "=" and "NAME" not in names and names & _OPERATORS:
        return "equality is `==`; state is written with `:=`, and `x = e` gives a `var` another value"
    if token is not None and token == "/":
        return "a comment begins with `#`"
    if token is not None and str(token) in _DOUBLED and "MINUS" in names:  # where an operand is wanted
        return _DOUBLED[str(token)]
    if token is not None and token == "," and names == {"EQUAL"}:
        return "expected `=`; `flag A, B` declares flags, `flags G = A, B` gives a group of them a name"
    if token is not None and token.type == "BAD":
        return ""
    if names >= _OPERATORS:
        names -= _OPERATORS
    called = sorted(
        {_CALLED.get(name, f"`{name.lower()}`") for name in names if not name.startswith("__ANON")}
    )
    if not called or len(called) > 14:
        return ""
    return "expected " + (called[0] if len(called) == 1 else ", ".join(called[:-1]) + " or " + called[-1])
