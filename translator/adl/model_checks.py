"""Checks and conclusions of the model that need all names: properties, CPU models, views, tables,
features.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.errors import DescriptionError
from pyqemu.translator.adl.knowledge import Knowledge
from pyqemu.translator.adl.model import DataOrderIf, Model, Properties, unknown
from pyqemu.translator.adl.static_expr import Environment
from pyqemu.translator.adl.table_rows import features_of
from pyqemu.translator.cpu_models import closure
from pyqemu.translator.static import Here, StaticExpr, leaves_of
from pyqemu.translator.target import CpuModel, FeatureKind, Reset

_CHOICES = {
    "data order": ("le", "be"),
    "icache": ("explicit", "coherent"),
    "tininess": ("before", "after"),
}


def check_declarations(model: Model) -> list[DescriptionError]:
    """Fills in properties, CPU models and registers' zero views; the mistakes found."""
    errors: list[DescriptionError] = []
    declarations = model.architecture.declarations
    start = (
        declarations[0].span
        if declarations
        else ast.Span(model.architecture.folder / "main.arch", 1, 1, 1, 1)
    )
    if not model.units:
        errors.append(DescriptionError(start, "no code unit is declared", "say `unit NAME b32 order le`"))
    if "undefined" not in model.exceptions:
        advice = "words that are no instruction raise it; say `exception undefined()`"
        errors.append(DescriptionError(start, "no exception `undefined` is declared", advice))
    properties = (_properties,)  # first: what the others look at is made with the width of addresses
    others = (
        _data_order_if, _feature, _cpu, _unit, _form, _view, _constant, _context, _operand, _function,
        _names_of_instruction, _prefer
    )  # fmt: skip
    for checks in (properties, others):
        for declaration in declarations:
            for check in checks:
                try:
                    errors += check(model, declaration)
                except DescriptionError as error:
                    errors.append(error)
    try:
        model.exception_kinds()
    except DescriptionError as error:
        errors.append(error)
    return errors


Found = Iterator[DescriptionError]


def _properties(model: Model, declaration: ast.Decl) -> Found:
    if not isinstance(declaration, ast.Property):
        return
    key, value = declaration.key, declaration.value
    choices = _CHOICES.get(key)
    if choices and value not in choices:
        yield DescriptionError(declaration.span, f"{key} cannot be {value}", f"it is {' or '.join(choices)}")
        return
    properties: Properties = model.properties
    match key, value:
        case "data order", str(order):
            properties = replace(properties, data_order=order)
        case "address", ast.TypeExpr() as type_:
            width = model.fixed_width(type_, "addresses have a fixed number of bits")
            if width not in (16, 32, 64):
                yield DescriptionError(
                    declaration.span, f"addresses cannot be b{width}", "they are b16, b32 or b64"
                )
                return
            properties = replace(properties, address_width=width)
        case "icache", _:
            properties = replace(properties, coherent_icache=value == "coherent")
        case "tininess", _:
            properties = replace(properties, tininess_before=value == "before")
        case _, int(limit):
            properties = replace(properties, shape_limit=limit)
        case _:
            raise AssertionError(key)
    model.properties = properties


def _data_order_if(model: Model, declaration: ast.Decl) -> Found:
    if not isinstance(declaration, ast.DataOrderIf):
        return
    if model.data_order_if is not None:
        yield DescriptionError(declaration.span, "another byte order is declared twice", "one condition is wanted")
    condition = Environment(model.globals).condition(declaration.condition)
    if any(isinstance(leaf, Here) for leaf in leaves_of(condition)):
        raise DescriptionError(declaration.condition.span, "this cannot depend on the instruction's address")
    model.data_order_if = DataOrderIf(declaration.order, condition)


def _cpu(model: Model, declaration: ast.Decl) -> Found:
    if not isinstance(declaration, ast.CpuModel):
        return
    key = declaration.name if declaration.separator is None else f"{declaration.name}…"
    if key in model.cpus:
        yield DescriptionError(declaration.span, f"CPU model {declaration.name} is declared twice")
    yield from _known_features(model, declaration.features, declaration.span)
    resets: list[Reset] = []
    for target, expr in declaration.resets:
        yield from _reset(model, target, expr, resets)
    features = frozenset(closure(declaration.features, lambda name: _implied_by(model, name)))
    model.cpus[key] = CpuModel(declaration.name, features, tuple(resets), declaration.separator)


def _feature(model: Model, declaration: ast.Decl) -> Found:
    if not isinstance(declaration, ast.Feature):
        return
    yield from _known_features(model, declaration.implies, declaration.span)
    resets: list[Reset] = []
    for target, expr in declaration.resets:
        yield from _reset(model, target, expr, resets)
    for name in declaration.names:
        implied = closure(declaration.implies, lambda name: _implied_by(model, name))
        model.feature_kinds[name] = FeatureKind(name, frozenset(implied), tuple(resets))


def _implied_by(model: Model, feature: str) -> tuple[str, ...]:
    return model.features[feature].implies if feature in model.features else ()


def _known_features(model: Model, features: Iterable[str], span: ast.Span) -> Found:
    for feature in features:
        if feature not in model.features:
            yield unknown("feature", feature, span, model.features)


def _reset(model: Model, target: str, expr: ast.Expr, resets: list[Reset]) -> Found:
    """Adds what a register starts with to `resets`."""
    name, _, index = target.partition("[")
    register = model.registers.get(name)
    if register is None:
        yield unknown("register", name, expr.span, model.registers)
        return
    place = int(index[:-1]) if index else None
    if (place is not None) != register.is_file or (place or 0) >= register.count:
        advice = f"it is a file of {register.count}" if register.is_file else "it is one register"
        yield DescriptionError(expr.span, f"{target} is not a register", advice)
        return
    value = Environment(model.globals).static(expr)
    if not isinstance(value, int) or not -(1 << register.width >> 1) <= value < 1 << register.width:
        yield DescriptionError(expr.span, f"{target} has {register.width} bits; this value does not fit")
        return
    resets.append((name, place, value & ((1 << register.width) - 1)))


def _unit(model: Model, declaration: ast.Decl) -> Found:
    if isinstance(declaration, ast.Unit):
        yield from _known_features(model, declaration.needs, declaration.span)


def _form(model: Model, declaration: ast.Decl) -> Found:
    if not isinstance(declaration, ast.Form):
        return
    if not declaration.rows:
        yield DescriptionError(declaration.span, f"form {declaration.name} has no rows", 'say `UNIT "picture"`')
    for row in declaration.rows:
        if row.unit not in model.units:
            yield unknown("unit", row.unit, row.unit_span, model.units)


def _view(model: Model, declaration: ast.Decl) -> Found:
    if not isinstance(declaration, ast.View):
        return
    bases = list(_storage_names(declaration.target))
    for base in bases:
        if base.name not in model.registers and base.name not in model.views:
            yield unknown("register or view", base.name, base.span, {**model.registers, **model.views})
    special = declaration.special
    if special is not None and special.writes != "goto" and special.writes not in model.functions:
        yield unknown("function", special.writes, special.span, model.functions)
    if declaration.zero is None:
        return
    for name in {base.name for base in bases}:
        for register in _files_behind(model, name, frozenset()):
            if declaration.zero >= model.registers[register].count:
                count = model.registers[register].count
                yield DescriptionError(
                    declaration.span, f"{register} has no element {declaration.zero}; it has {count}"
                )
            model.registers[register] = replace(model.registers[register], has_zero=True)


def _storage_names(target: ast.Expr) -> Iterator[ast.Name]:
    """The registers and views that a view is made of."""
    match target:
        case ast.Conditional(_, _, then, otherwise):
            yield from _storage_names(then)
            yield from _storage_names(otherwise)
        case ast.Index(_, ast.Call(span, name), _):
            yield ast.Name(span, name)
        case ast.Index(_, base, _) | ast.Slice(_, base, _, _):
            yield from _storage_names(base)
        case ast.Name():
            yield target
        case ast.Call(_, "cat", arguments):
            for argument in arguments:
                yield from _storage_names(argument)
        case _:
            raise DescriptionError(
                target.span,
                "a view is a register, a view, bits of one, or a choice of such",
                "as in `X[i][31:0]`",
            )


def _files_behind(model: Model, name: str, seen: frozenset[str]) -> Iterator[str]:
    if name in model.registers:
        yield name
    elif name in model.views and name not in seen:
        for base in _storage_names(model.views[name].target):
            yield from _files_behind(model, base.name, seen | {name})


def _constant(model: Model, declaration: ast.Decl) -> Found:
    if not isinstance(declaration, ast.ConstTable):
        return
    value = model.globals.constant(declaration.name)
    items = value if isinstance(value, tuple) else (value,)
    if declaration.count is not None and len(items) != declaration.count:
        yield DescriptionError(
            declaration.value.span,
            f"{declaration.name} has {declaration.count} elements; here are {len(items)}",
        )
    for item in items:
        if not isinstance(item, int):
            yield DescriptionError(declaration.value.span, f"{declaration.name} is not made of constants")
            return
        if (
            declaration.width is not None
            and not -(1 << declaration.width >> 1) <= item < 1 << declaration.width
        ):
            yield DescriptionError(declaration.value.span, f"{item:#x} does not fit {declaration.width} bits")
            return


def _context(model: Model, declaration: ast.Decl) -> Found:
    if not isinstance(declaration, ast.ContextVariable) or declaration.follows is None:
        return
    value = context_value(declaration.name, declaration.width, declaration.follows, Environment(model.globals))
    model.contexts[declaration.name] = replace(model.contexts[declaration.name], follows=value)
    yield from ()


def context_value(name: str, width: int, expr: ast.Expr, environment: Environment) -> StaticExpr:
    """A context variable's value for the next instruction. Raises DescriptionError."""
    value = environment.static(expr)
    if any(isinstance(leaf, Here) for leaf in leaves_of(value)):
        raise DescriptionError(expr.span, "this cannot depend on the instruction's address")
    low, high = Knowledge({}).bounds(value)
    if low < 0 or high >= 1 << width:
        raise DescriptionError(expr.span, f"{name} has {width} bits; this may not fit", f"cut it with bits(…, {width})")
    return value


def _operand(model: Model, declaration: ast.Decl) -> Found:
    if not isinstance(declaration, ast.OperandTable):
        return
    if not declaration.rows:
        yield DescriptionError(declaration.span, f"operand table {declaration.name} has no rows")
    for row in declaration.rows:
        if len(row.patterns) != len(declaration.parameters):
            wanted, found = len(declaration.parameters), len(row.patterns)
            yield DescriptionError(
                row.span, f"this row has {found} patterns; {declaration.name} has {wanted} parameters",
                "one pattern a parameter, `_` for any value",
            )  # fmt: skip
        if declaration.results and row.value is None:
            yield DescriptionError(
                row.span, f"this row of {declaration.name} has no value", "every row needs `= e`"
            )
        if not declaration.results and row.value is not None:
            advice = f"say `operand {declaration.name}({', '.join(declaration.parameters)}) -> type {{`"
            yield DescriptionError(row.value.span, f"{declaration.name} has no type for its values", advice)
        for pattern in row.patterns:
            if any(low > high for low, high in pattern.ranges):
                yield DescriptionError(row.span, "this range is empty", "the lower number comes first: a..b")


def _function(model: Model, declaration: ast.Decl) -> Found:
    if not isinstance(declaration, ast.Function):
        return
    names = [p.name for p in declaration.parameters]
    for position, parameter in enumerate(declaration.parameters):
        if parameter.name in names[:position]:
            yield DescriptionError(parameter.span, f"parameter {parameter.name} is there twice")


def _names_of_instruction(model: Model, declaration: ast.Decl) -> Found:
    if not isinstance(declaration, ast.Instruction):
        return
    of_encodings = [(feature, encoding.span) for encoding in declaration.encodings for feature in encoding.needs]
    for one in declaration.next:
        if one.name not in model.contexts:
            yield unknown("context variable", one.name, one.span, model.contexts)
    of_instruction = [(feature, declaration.span) for needs in declaration.needs for feature in needs.features]
    for call in (needs.table for needs in declaration.needs if needs.table is not None):
        table = model.operands.get(call.name)
        if table is None:
            yield unknown("operand table", call.name, call.span, model.operands)
            continue
        if len(call.arguments) != len(table.parameters):
            wanted = f"takes {len(table.parameters)} arguments, not {len(call.arguments)}"
            yield DescriptionError(call.span, f"{table.name} {wanted}")
        of_instruction += [(feature, row.span) for row in table.rows for feature in features_of(row)]
    for feature, span in [*of_instruction, *of_encodings]:
        yield from _known_features(model, (feature,), span)
    if not declaration.encodings:
        yield DescriptionError(declaration.span, f"{declaration.name} has no encoding", 'say `enc "…"`')


def _prefer(model: Model, declaration: ast.Decl) -> Found:
    if not isinstance(declaration, ast.Prefer):
        return
    for name in (declaration.first, *declaration.others):
        if name not in model.instructions:
            yield unknown("instruction", name, declaration.span, model.instructions)
