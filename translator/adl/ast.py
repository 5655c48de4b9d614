"""Syntax tree of the description language (docs/language.md): plain data, one class a construct.

Every node carries the span of its text for error messages. Nothing here knows what the text means.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pyqemu.translator.adl.ast_expressions import Binary as Binary
from pyqemu.translator.adl.ast_expressions import Call as Call
from pyqemu.translator.adl.ast_expressions import Conditional as Conditional
from pyqemu.translator.adl.ast_expressions import Expr as Expr
from pyqemu.translator.adl.ast_expressions import Index as Index
from pyqemu.translator.adl.ast_expressions import ListExpr as ListExpr
from pyqemu.translator.adl.ast_expressions import Name as Name
from pyqemu.translator.adl.ast_expressions import Number as Number
from pyqemu.translator.adl.ast_expressions import Slice as Slice
from pyqemu.translator.adl.ast_expressions import Span as Span
from pyqemu.translator.adl.ast_expressions import Text as Text
from pyqemu.translator.adl.ast_expressions import Tuple as Tuple
from pyqemu.translator.adl.ast_expressions import TypeExpr as TypeExpr
from pyqemu.translator.adl.ast_expressions import Unary as Unary

# --- statements ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stmt:
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Let(Stmt):
    """`let a = e`, `let (a, b) = e`; `mutable` for `var`."""

    names: tuple[str, ...]
    value: Expr
    mutable: bool = False


@dataclass(frozen=True, slots=True)
class Assign(Stmt):
    """`x = e`: another value for a `var`."""

    name: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Write(Stmt):
    """`target := e`; target is a Name, Index (of a view or `mem`) or Index of a Call (`R(sf)[rd]`)."""

    target: Expr
    value: Expr


@dataclass(frozen=True, slots=True)
class If(Stmt):
    condition: Expr
    then: tuple[Stmt, ...]
    otherwise: tuple[Stmt, ...]


@dataclass(frozen=True, slots=True)
class For(Stmt):
    variable: str
    low: Expr
    high: Expr
    body: tuple[Stmt, ...]


@dataclass(frozen=True, slots=True)
class Goto(Stmt):
    target: Expr
    kind: str = "plain"  # plain call return


@dataclass(frozen=True, slots=True)
class Raise(Stmt):
    exception: str
    arguments: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class ExprStmt(Stmt):
    expr: Expr


@dataclass(frozen=True, slots=True)
class Return(Stmt):
    value: Expr


# --- declarations --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Decl:
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Use(Decl):
    """`use "FILE" [if e]`; `condition` is over a variant's constants."""

    file: str
    condition: Expr | None = None


@dataclass(frozen=True, slots=True)
class Unit(Decl):
    """`unit NAME bN order le|be [of P] [if e] [needs feature, …]`; `piece` is N if nothing is said."""

    name: str
    width: int
    order: str
    piece: int
    condition: Expr | None
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FormRow:
    """`UNIT "picture" [if guard] [with f = e f = e]`: how the encodings of a form begin in that unit."""

    unit: str
    picture: str
    guard: Expr | None
    given: tuple[tuple[str, Expr], ...]
    span: Span = field(compare=False, repr=False)  # of the picture
    unit_span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Form(Decl):
    """`form NAME { rows }`: an encoding of the form is one encoding for each row."""

    name: str
    rows: tuple[FormRow, ...]


@dataclass(frozen=True, slots=True)
class Property(Decl):
    """`data order le`, `icache explicit`, `tininess before`, `limit shapes 600`: key words joined by a blank.

    The value of `address` is a type.
    """

    key: str
    value: str | int | TypeExpr


@dataclass(frozen=True, slots=True)
class DataOrderIf(Decl):
    """`data order le|be if e`: the byte order of data accesses while that holds, over context."""

    order: str
    condition: Expr


@dataclass(frozen=True, slots=True)
class RegisterFile(Decl):
    """`file S[32]: b64`; `count` None for `reg NAME: b64`."""

    name: str
    count: int | None
    type: TypeExpr


@dataclass(frozen=True, slots=True)
class Flags(Decl):
    """`flag N, Z`: group None. `flags NZCV = N, Z, C, V`: group 'NZCV'."""

    names: tuple[str, ...]
    group: str | None = None


#: What a write to a view does to the register's other bits: those above become 0, copies of the sign, or ones (those
#: below 0), or all are kept.
WRITE_POLICIES = ("zext", "sext", "ones", "keep")


@dataclass(frozen=True, slots=True)
class SpecialElement:
    """`except INDEX reads e writes f`: a view's element that is no register. `writes` is `goto` or a function."""

    index: int
    reads: Expr
    writes: str
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class View(Decl):
    """`view NAME(params)[index]: bN = target [except K zero | except K reads e writes f] [write POLICY]`."""

    name: str
    parameters: tuple[str, ...]
    index: str
    type: TypeExpr | None
    target: Expr
    zero: int | None
    policy: str | None  # one of WRITE_POLICIES
    special: SpecialElement | None = None


@dataclass(frozen=True, slots=True)
class ContextVariable(Decl):
    """`ctx NAME: w [follows e]`."""

    name: str
    width: int
    follows: Expr | None = None


@dataclass(frozen=True, slots=True)
class Feature(Decl):
    """`feature a, b implies c { reset R += e }`: a CPU with them has c too, and a register that starts with more."""

    names: tuple[str, ...]
    implies: tuple[str, ...]
    resets: tuple[tuple[str, Expr], ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    type: TypeExpr
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ExceptionDecl(Decl):
    name: str
    parameters: tuple[Parameter, ...]


@dataclass(frozen=True, slots=True)
class CpuModel(Decl):
    """`cpu NAME { features a, b; reset R = e }`; `isa NAME joined "_" { … }` if there is a `separator`."""

    name: str
    features: tuple[str, ...]
    resets: tuple[tuple[str, Expr], ...]
    separator: str | None = None


@dataclass(frozen=True, slots=True)
class ConstTable(Decl):
    """`const T: b8[256] = [ … ]`, or `const X = e` (count and width None)."""

    name: str
    width: int | None
    count: int | None
    value: Expr


@dataclass(frozen=True, slots=True)
class Variant(Decl):
    """`variant NAME { const X = e; … }`: one of the architectures that the files describe."""

    name: str
    constants: tuple[ConstTable, ...]


@dataclass(frozen=True, slots=True)
class Pattern:
    """One argument's pattern: ranges (low, high included); none at all for `_`."""

    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class OperandRow:
    patterns: tuple[Pattern, ...]
    text: str | None
    value: Expr | None
    condition: Expr | None
    span: Span = field(compare=False, repr=False)
    text_span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class OperandTable(Decl):
    """`operand NAME(a, b) -> type { rows }`; a table for text has no results, `-> (type, type)` are two."""

    name: str
    parameters: tuple[str, ...]
    results: tuple[TypeExpr, ...]
    rows: tuple[OperandRow, ...]


@dataclass(frozen=True, slots=True)
class Function(Decl):
    name: str
    parameters: tuple[Parameter, ...]
    results: tuple[TypeExpr, ...]
    body: tuple[Stmt, ...]  # the short form is one Return
    outline: bool


@dataclass(frozen=True, slots=True)
class EncodingDecl:
    """`enc [UNIT or FORM] "picture" [if guard] [with f = e f = e] [needs feature, …]`.

    `row`: it is what a form's encoding is in one unit, and the row's picture is not in its own.
    """

    unit: str | None
    picture: str
    guard: Expr | None
    given: tuple[tuple[str, Expr], ...]
    needs: tuple[str, ...]
    span: Span = field(compare=False, repr=False)
    row: FormRow | None = None


@dataclass(frozen=True, slots=True)
class Needs:
    """`needs a, b [if condition]`, or `needs TABLE(e, …)`: what the row's text names."""

    features: tuple[str, ...]
    condition: Expr | None
    table: Call | None = None


@dataclass(frozen=True, slots=True)
class Unpredictable:
    condition: Expr
    policy: str  # undef ignore
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class NextContext:
    """`next NAME = e`: a context variable's value for the instruction that follows."""

    name: str
    value: Expr
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class AsmRow:
    template: str
    condition: Expr | None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Instruction(Decl):
    name: str
    ref: str | None
    encodings: tuple[EncodingDecl, ...]
    needs: tuple[Needs, ...]
    undefined: tuple[Expr, ...]
    unpredictable: tuple[Unpredictable, ...]
    guard: Expr | None
    next: tuple[NextContext, ...]
    lets: tuple[Let, ...]
    asm: tuple[AsmRow, ...]
    body: tuple[Stmt, ...]


@dataclass(frozen=True, slots=True)
class Prefer(Decl):
    """`prefer FIRST over SECOND, …`."""

    first: str
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Architecture:
    """All declarations of one architecture's files, in order; of a variant, its constants among them.

    `is_variant`: there are others, in which other encodings may have words.
    """

    name: str
    folder: Path
    declarations: tuple[Decl, ...]
    is_variant: bool = False
