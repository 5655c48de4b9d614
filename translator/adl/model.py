"""The checked model of an architecture: what is declared, by name, and its encodings.

`build` makes it from the syntax tree. It finds names that are declared twice or nowhere, pictures that do not
fit, and conditions that are not known at decode time. What instructions do is looked at by the elaborator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.errors import DescriptionError, combined, nearest
from pyqemu.translator.adl.static_expr import Environment, Globals
from pyqemu.translator.adl.variants import fixed_int
from pyqemu.translator.static import StaticExpr
from pyqemu.translator.target import (
    ContextVariable,
    CpuModel,
    Encoding,
    ExceptionKind,
    FeatureKind,
    Register,
    Unit,
)


@dataclass(frozen=True, slots=True)
class Properties:
    """An architecture's properties, with what holds where nothing is said."""

    data_order: str = "le"
    address_width: int = 64
    coherent_icache: bool = True
    tininess_before: bool = False
    shape_limit: int = 600


@dataclass(frozen=True, slots=True)
class DataOrderIf:
    """The byte order that data accesses have while a condition over context holds."""

    order: str
    condition: StaticExpr


@dataclass(frozen=True, slots=True)
class BoundEncoding:
    """An encoding with where it comes from and what its names stand for.

    `given` are the fields that the encoding gives values; `environment` has fields, given fields and the
    instruction's lets. `undefined` and `unpredictable` are the instruction's conditions for this encoding.
    """

    encoding: Encoding
    declaration: ast.EncodingDecl
    instruction: ast.Instruction
    given: Mapping[str, StaticExpr]
    environment: Environment
    undefined: tuple[StaticExpr, ...]
    unpredictable: tuple[tuple[StaticExpr, str], ...]  # condition, policy


@dataclass(slots=True)
class Model:
    """All declarations by name, in the order of the files."""

    architecture: ast.Architecture
    properties: Properties = field(default_factory=Properties)
    data_order_if: DataOrderIf | None = None
    units: dict[str, Unit] = field(default_factory=dict[str, Unit])
    unit_needs: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])  # features
    unit_conditions: dict[str, ast.Expr] = field(default_factory=dict[str, ast.Expr])
    forms: dict[str, ast.Form] = field(default_factory=dict[str, ast.Form])
    registers: dict[str, Register] = field(default_factory=dict[str, Register])
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    views: dict[str, ast.View] = field(default_factory=dict[str, ast.View])
    contexts: dict[str, ContextVariable] = field(default_factory=dict[str, ContextVariable])
    features: dict[str, ast.Feature] = field(default_factory=dict[str, ast.Feature])
    feature_kinds: dict[str, FeatureKind] = field(default_factory=dict[str, FeatureKind])
    exceptions: dict[str, ast.ExceptionDecl] = field(default_factory=dict[str, ast.ExceptionDecl])
    cpus: dict[str, CpuModel] = field(default_factory=dict[str, CpuModel])
    constants: dict[str, ast.ConstTable] = field(default_factory=dict[str, ast.ConstTable])
    operands: dict[str, ast.OperandTable] = field(default_factory=dict[str, ast.OperandTable])
    functions: dict[str, ast.Function] = field(default_factory=dict[str, ast.Function])
    instructions: dict[str, ast.Instruction] = field(default_factory=dict[str, ast.Instruction])
    prefers: list[ast.Prefer] = field(default_factory=list[ast.Prefer])
    encodings: list[BoundEncoding] = field(default_factory=list[BoundEncoding])
    declared_at: dict[str, ast.Span] = field(default_factory=dict[str, ast.Span])
    _globals: Globals | None = None

    @property
    def name(self) -> str:
        """The architecture's name."""
        return self.architecture.name

    @property
    def globals(self) -> Globals:
        """What static expressions can name."""
        if self._globals is None:
            run_time = frozenset([*self.registers, *self.groups, *self.views])
            widths = {name: variable.width for name, variable in self.contexts.items()}
            self._globals = Globals(
                self.constants, self.operands, self.functions, widths, run_time, self.properties.address_width
            )
        return self._globals

    def exception_kinds(self) -> tuple[ExceptionKind, ...]:
        """The exceptions in the order of their numbers."""
        return tuple(self._exception_kind(declaration) for declaration in self.exceptions.values())

    def _exception_kind(self, declaration: ast.ExceptionDecl) -> ExceptionKind:
        widths: list[int] = []
        for parameter in declaration.parameters:
            width = self.fixed_width(parameter.type, "an exception's argument is up to 64 bits")
            if width > 64:
                raise DescriptionError(
                    parameter.type.span, "an exception's argument is up to 64 bits", "say b16, for instance"
                )
            widths.append(width)
        return ExceptionKind(declaration.name, tuple(widths))

    def fixed_width(self, type_: ast.TypeExpr, wanted: str) -> int:
        """The width of a type of bits that constants decide. Raises DescriptionError, which says what is `wanted`."""
        try:
            width = 0 if type_.width is None or type_.lanes is not None else fixed_int(type_.width, self.constants)
        except DescriptionError:
            width = 0
        if width <= 0:
            raise DescriptionError(type_.span, wanted, "say b16, for instance")
        return width


# --- declarations --------------------------------------------------------------------------------


class _Builder:
    """Collects mistakes, so that all are reported at once."""

    def __init__(self, architecture: ast.Architecture) -> None:
        self.model = Model(architecture)
        self.errors: list[DescriptionError] = []
        self._taken: dict[tuple[str, str], ast.Span] = {}

    def fail(self, span: ast.Span, message: str, advice: str = "") -> None:
        self.errors.append(DescriptionError(span, message, advice))

    def take(self, space: str, name: str, span: ast.Span) -> bool:
        """Whether `name` was still free among names of that kind; a mistake if not."""
        earlier = self._taken.get((space, name))
        if earlier is not None:
            where = f"it is declared in {earlier.file.name}, line {earlier.line}"
            self.fail(span, f"{name} is declared twice", where)
            return False
        self._taken[space, name] = span
        self.model.declared_at.setdefault(name, span)
        return True

    def add(self, declaration: ast.Decl) -> None:
        model = self.model
        match declaration:
            case ast.Unit(span, name, width, order, piece, condition, needs):
                if self.take("unit", name, span):
                    model.units[name] = Unit(name, width, order, piece)
                    model.unit_needs[name] = needs
                    if condition is not None:
                        model.unit_conditions[name] = condition
            case ast.Form(span, name):
                if self.take("unit", name, span):
                    model.forms[name] = declaration
            case ast.RegisterFile(span, name, count, type_):
                if self.take("value", name, span):
                    width = self._storage_width(type_)
                    model.registers[name] = Register(name, width, count or 1, count is not None, False, False)
            case ast.Flags():
                self._add_flags(declaration)
            case ast.ContextVariable(span, name, width):
                if self.take("value", name, span):
                    model.contexts[name] = ContextVariable(name, width)  # what follows: see model_checks
            case ast.Feature(span, names, _, _):
                model.features |= {name: declaration for name in names if self.take("feature", name, span)}
            case ast.Prefer():
                model.prefers.append(declaration)
            case ast.Property() | ast.DataOrderIf() | ast.CpuModel():
                pass  # looked at when all names are known
            case _:
                self._add_by_name(declaration)

    def _storage_width(self, type_: ast.TypeExpr) -> int:
        try:
            return self.model.fixed_width(type_, "storage has a fixed number of bits")
        except DescriptionError as error:
            self.errors.append(error)
            return 1

    def _add_flags(self, declaration: ast.Flags) -> None:
        """`flag` declares; `flags G = …` names a group, and declares those of its flags that are not yet."""
        model = self.model
        for name in declaration.names:
            if declaration.group is not None and name in model.registers and model.registers[name].is_flag:
                continue
            if self.take("value", name, declaration.span):
                model.registers[name] = Register(name, 1, 1, False, True, False)
        if declaration.group is not None and self.take("value", declaration.group, declaration.span):
            model.groups[declaration.group] = declaration.names

    def _add_by_name(self, declaration: ast.Decl) -> None:
        model = self.model
        match declaration:
            case ast.View():
                table, space = model.views, "value"
            case ast.ConstTable():
                table, space = model.constants, "value"
            case ast.ExceptionDecl():
                table, space = model.exceptions, "exception"
            case ast.OperandTable():
                table, space = model.operands, "callable"
            case ast.Function():
                table, space = model.functions, "callable"
            case ast.Instruction():
                table, space = model.instructions, "instruction"
            case _:
                raise AssertionError(declaration)
        if self.take(space, declaration.name, declaration.span):
            table[declaration.name] = declaration  # type: ignore[index]


def build(architecture: ast.Architecture) -> Model:
    """The checked model of an architecture. Raises DescriptionError with all mistakes found."""
    from pyqemu.translator.adl.model_checks import check_declarations
    from pyqemu.translator.adl.model_encodings import bind_encodings

    builder = _Builder(architecture)
    declarations = architecture.declarations
    for declaration in sorted(declarations, key=lambda d: not isinstance(d, ast.ConstTable)):  # widths are made of them
        builder.add(declaration)
    builder.errors += check_declarations(builder.model)
    if not builder.errors:
        builder.errors += bind_encodings(builder.model)
    if builder.errors:
        raise combined(builder.errors)
    return builder.model


def unknown(what: str, name: str, span: ast.Span, known: Mapping[str, object]) -> DescriptionError:
    """The error for a name that is not declared, with names that look like it."""
    advice = nearest(name, known) or (
        f"known: {', '.join(list(known)[:12])}" if known else f"no {what} is declared"
    )
    return DescriptionError(span, f"unknown {what} {name}", advice)
