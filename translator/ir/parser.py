"""Reads the IR's text form. It checks syntax and names; types are the verifier's business."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

from pyqemu.translator.errors import IrSyntaxError
from pyqemu.translator.ir.attributes import DEFAULTS, KINDS, Kind
from pyqemu.translator.ir.function import Block, Function, Op, Successor, Value
from pyqemu.translator.ir.lexer import Token, tokenize
from pyqemu.translator.ir.ops import OPS
from pyqemu.translator.ir.printer import BARE
from pyqemu.translator.ir.types import Type, parse_type
from pyqemu.translator.static import OPERATIONS, Apply, Ctx, Element, Field, Here, StaticExpr


def parse_functions(text: str) -> list[Function]:
    """All functions in `text`; raises IrSyntaxError, whose message starts with line and column."""
    reader = _Reader(text)
    functions: list[Function] = []
    reader.skip_newlines()
    while reader.token.kind != "end":
        functions.append(_FunctionParser(reader).function())
        reader.skip_newlines()
    return functions


def parse_function(text: str) -> Function:
    """The one function in `text`; raises IrSyntaxError."""
    functions = parse_functions(text)
    if len(functions) != 1:
        raise IrSyntaxError(f"1:1: one function expected, there are {len(functions)}")
    return functions[0]


def parse_static(text: str) -> StaticExpr:
    """A decode-time expression by itself; raises IrSyntaxError."""
    reader = _Reader(text)
    expr = reader.static()
    reader.skip_newlines()
    if reader.token.kind != "end":
        reader.fail("the end of the expression")
    return expr


class _Reader:
    """The tokens, and the pieces of syntax that need no knowledge of a function."""

    def __init__(self, text: str) -> None:
        self._tokens = tokenize(text)
        self._place = 0

    @property
    def token(self) -> Token:
        return self._tokens[self._place]

    @property
    def following(self) -> Token:
        return self._tokens[min(self._place + 1, len(self._tokens) - 1)]

    def advance(self) -> Token:
        token = self.token
        if token.kind != "end":
            self._place += 1
        return token

    def fail(self, wanted: str, token: Token | None = None) -> NoReturn:
        at = token or self.token
        found = {"newline": "the end of the line", "end": "the end of the text"}.get(at.kind, repr(at.text))
        raise IrSyntaxError(f"{at.line}:{at.column}: {wanted} expected, not {found}")

    def skip_newlines(self) -> None:
        while self.token.kind == "newline":
            self.advance()

    def at(self, mark: str) -> bool:
        return self.token.kind in ("mark", "arrow") and self.token.text == mark

    def accept(self, mark: str) -> bool:
        if self.at(mark):
            self.advance()
            return True
        return False

    def expect(self, mark: str) -> None:
        if not self.accept(mark):
            self.fail(repr(mark))

    def kind(self, kind: str, wanted: str) -> Token:
        if self.token.kind != kind:
            self.fail(wanted)
        return self.advance()

    def word(self) -> str:
        if self.token.kind not in ("word", "string"):
            self.fail("a name")
        return self.advance().name

    def int(self) -> int:
        return int(self.kind("int", "a number").text, 0)

    def ints(self) -> tuple[int, ...]:
        self.expect("[")
        values: list[int] = []
        while not self.accept("]"):
            values.append(self.int())
        return tuple(values)

    def places(self) -> tuple[tuple[str, int | None], ...]:
        """`[GPR[3] NF]`"""
        self.expect("[")
        places: list[tuple[str, int | None]] = []
        while not self.accept("]"):
            name, index = self.word(), None
            if self.accept("["):
                index = self.int()
                self.expect("]")
            places.append((name, index))
        return tuple(places)

    def type(self) -> Type:
        token = self.kind("word", "a type")
        try:
            return parse_type(token.text)
        except ValueError:
            self.fail("a type", token)

    def static(self) -> StaticExpr:
        """`5`, `$rn:5`, `here`, `(ctx fz 1)`, `(table [1 2] e)`, `(op e …)`."""
        token = self.token
        if token.kind == "int":
            return self.int()
        if token.kind == "field":
            name, _, width = self.advance().text[1:].rpartition(":")
            return Field(name, int(width.lstrip("s")), width.startswith("s"))
        if token.kind == "word" and token.text == "here":
            self.advance()
            return Here()
        if not self.accept("("):
            self.fail("a decode-time expression")
        expr = self._form(self.kind("word", "an operation"))
        self.expect(")")
        return expr

    def _form(self, head: Token) -> StaticExpr:
        match head.text:
            case "ctx":
                return Ctx(self.word(), self.int())
            case "here":
                return Here(self.int())
            case "table":
                return Element(self.ints(), self.static())
            case op if op in OPERATIONS:
                args: list[StaticExpr] = []
                while not self.at(")"):
                    args.append(self.static())
                return Apply(op, tuple(args))
            case _:
                self.fail("an operation on decode-time integers", head)


@dataclass(slots=True)
class _Uses:
    """Where the parser has to put values and blocks once all are known."""

    values: list[tuple[list[Value], Token]]
    edges: list[tuple[Successor, Token]]


class _FunctionParser:
    def __init__(self, reader: _Reader) -> None:
        self._reader = reader
        self._values: dict[str, Value] = {}
        self._blocks: dict[str, Block] = {}
        self._uses = _Uses([], [])

    def function(self) -> Function:
        reader = self._reader
        if reader.token.text != "func":
            reader.fail("'func'")
        reader.advance()
        function = Function(reader.kind("function", "a function's name (@…)").name)
        parameters = self._definitions(")") if reader.accept("(") else []
        if reader.accept("->"):
            function.results = self._result_types()
        if reader.token.kind == "string":
            function.label = reader.advance().name
        reader.expect("{")
        reader.skip_newlines()
        while not reader.accept("}"):
            function.blocks.append(self._block())
        if parameters and (not function.blocks or function.blocks[0].arguments):
            reader.fail("a first block without arguments of its own (the parameters are its arguments)")
        if parameters:
            function.blocks[0].arguments = parameters
        self._resolve()
        return function

    def _result_types(self) -> tuple[Type, ...]:
        self._reader.expect("(")
        types: list[Type] = []
        while not self._reader.accept(")"):
            types.append(self._reader.type())
        return tuple(types)

    def _resolve(self) -> None:
        for values, token in self._uses.values:
            if token.name not in self._values:
                self._reader.fail("a value that is defined somewhere", token)
            values.append(self._values[token.name])
        for edge, token in self._uses.edges:
            if token.name not in self._blocks:
                self._reader.fail("a block of this function", token)
            edge.block = self._blocks[token.name]

    def _definitions(self, end: str) -> list[Value]:
        """`%a:i64 %b:i1` up to `end`, which is read."""
        values: list[Value] = []
        while not self._reader.accept(end):
            token = self._reader.kind("value", "a value")
            if token.name in self._values:
                self._reader.fail("a value that is not defined yet", token)
            self._reader.expect(":")
            value = Value(self._reader.type(), "" if token.name.isdigit() else token.name)
            self._values[token.name] = value
            values.append(value)
        return values

    def _block(self) -> Block:
        reader = self._reader
        token = reader.kind("block", "a block (^label:)")
        if token.name in self._blocks:
            reader.fail("a label that is not used yet", token)
        block = Block(token.name)
        self._blocks[token.name] = block
        if reader.accept("("):
            block.arguments = self._definitions(")")
        reader.expect(":")
        reader.skip_newlines()
        while reader.token.kind != "block" and not reader.at("}"):
            block.ops.append(self._op())
            reader.skip_newlines()
        return block

    def _op(self) -> Op:
        reader = self._reader
        results = self._definitions("=") if reader.token.kind == "value" else []
        token = reader.kind("word", "an operation")
        if token.text not in OPS:
            reader.fail("an operation of the table", token)
        op = Op(token.text, [], results, self._attributes(token.text))
        while reader.token.kind == "value":
            self._uses.values.append((op.operands, reader.advance()))
        while reader.token.kind == "block":
            op.successors.append(self._successor())
        if reader.token.kind != "newline" and not reader.at("}"):
            reader.fail("the end of the operation")
        return op

    def _successor(self) -> Successor:
        token = self._reader.advance()
        edge = Successor(Block(token.name))
        self._uses.edges.append((edge, token))
        if self._reader.accept("("):
            while not self._reader.accept(")"):
                self._uses.values.append((edge.arguments, self._reader.kind("value", "a value")))
        return edge

    def _attributes(self, name: str) -> dict[str, Any]:
        expected = OPS[name].attrs
        given: dict[str, Any] = {}
        start = self._reader.token
        if self._reader.accept("<"):
            while not self._reader.accept(">"):
                self._attribute(name, given)
        for key in expected:
            if key not in given:
                if key not in DEFAULTS:
                    self._reader.fail(f"attribute {key} of {name}", start)
                given[key] = DEFAULTS[key]
        return {key: given[key] for key in expected}

    def _attribute(self, name: str, given: dict[str, Any]) -> None:
        reader = self._reader
        token = reader.token
        named = token.kind == "word" and reader.following.text == "="
        key = token.text if named else BARE.get(name, "")
        if key not in OPS[name].attrs or key in given:
            reader.fail(f"an attribute of {name}")
        if named:
            reader.advance()
            reader.expect("=")
        given[key] = self._attribute_value(key)
        if key == "reg" and reader.accept("["):
            given["index"] = reader.static()
            reader.expect("]")

    def _attribute_value(self, key: str) -> Any:
        reader = self._reader
        kind = KINDS[key]
        if kind in (Kind.INT_OR_NONE, Kind.STATIC_OR_NONE) and reader.token.text == "none":
            reader.advance()
            return None
        if key == "fn":
            return reader.kind("function", "a function's name (@…)").name
        match kind:
            case Kind.INT | Kind.INT_OR_NONE:
                return reader.int()
            case Kind.NAME:
                return reader.word()
            case Kind.INTS:
                return reader.ints()
            case Kind.PLACES:
                return reader.places()
            case Kind.STATIC | Kind.STATIC_OR_NONE:
                return reader.static()
