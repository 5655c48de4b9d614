"""Encodings of the model: pictures, given fields, guards and conditions, made into `target.Encoding`s.

Where there are variants, an encoding whose guard is never true is another variant's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.conflicts import common_word
from pyqemu.translator.adl.errors import DescriptionError
from pyqemu.translator.adl.forms import in_units, picture_of
from pyqemu.translator.adl.model import BoundEncoding, Model, unknown
from pyqemu.translator.adl.model_checks import context_value
from pyqemu.translator.adl.pictures import Picture
from pyqemu.translator.adl.static_expr import Environment
from pyqemu.translator.adl.table_rows import features_of, row_by_lookup
from pyqemu.translator.static import Field, Here, StaticExpr, apply, leaves_of
from pyqemu.translator.target import Encoding, Unit


def bind_encodings(model: Model) -> list[DescriptionError]:
    """Adds all encodings to the model; the mistakes found, each place once."""
    errors: dict[ast.Span, DescriptionError] = {}
    for instruction in model.instructions.values():
        declared = [one for declaration in instruction.encodings for one in in_units(model, declaration)]
        for position, declaration in enumerate(declared):
            name = instruction.name if len(declared) == 1 else f"{instruction.name}_{position + 1}"
            try:
                bound = _bind(model, instruction, declaration, name)
                if bound.encoding.guard != 0:
                    _add(model, bound)
            except DescriptionError as error:
                errors.setdefault(error.span, error)
    return list(errors.values())


def _bind(
    model: Model, instruction: ast.Instruction, declaration: ast.EncodingDecl, name: str
) -> BoundEncoding:
    picture = picture_of(model, declaration)
    unit = _unit(model, declaration, picture)
    environment, given = _environment(model, instruction, declaration, picture)
    guard = _condition_of(model, unit)
    if declaration.row is not None and declaration.row.guard is not None:
        guard = apply("and", guard, _decode_time(environment, declaration.row.guard))
    if declaration.guard is not None:
        guard = apply("and", guard, _decode_time(environment, declaration.guard))
        if guard == 0 and not model.architecture.is_variant:
            raise DescriptionError(
                declaration.guard.span, "this guard is never true", "so the encoding has no words"
            )
    undefined = tuple(_decode_time(environment, expr) for expr in instruction.undefined)
    unpredictable = tuple(
        (_decode_time(environment, u.condition), u.policy) for u in instruction.unpredictable
    )
    encoding = Encoding(
        len(model.encodings), name, instruction.name, instruction.ref or "", unit,
        picture.mask, picture.value, picture.should_mask, picture.should_value,
        picture.fields, guard, frozenset((*model.unit_needs[unit.name], *declaration.needs)),
        _next(model, instruction, environment), instruction.guard is not None,
    )  # fmt: skip
    return BoundEncoding(encoding, declaration, instruction, given, environment, undefined, unpredictable)


def _condition_of(model: Model, unit: Unit) -> StaticExpr:
    """When the unit's words are read, over context variables; 1 if always."""
    condition = model.unit_conditions.get(unit.name)
    return 1 if condition is None else _decode_time(Environment(model.globals, {}), condition)


def _next(
    model: Model, instruction: ast.Instruction, environment: Environment
) -> tuple[tuple[str, StaticExpr], ...]:
    return tuple(
        (one.name, context_value(one.name, model.contexts[one.name].width, one.value, environment))
        for one in instruction.next
    )


def _add(model: Model, bound: BoundEncoding) -> None:
    """As one encoding, or as several whose words need different features (`needs zfh if fmt == 2`)."""
    cases = [bound.encoding]
    for needs in bound.instruction.needs:
        either = _alternatives(model, bound, needs)
        cases = [_with(case, features, holds) for case in cases for features, holds in either]
        if len(either) > 1:
            cases = [case for case in cases if case.guard == 1 or common_word(case, case) is not None]
    for case in cases:
        number, added = len(model.encodings), sorted(case.features - bound.encoding.features)
        name = "_".join((case.name, *added)) if len(cases) > 1 else case.name
        model.encodings.append(replace(bound, encoding=replace(case, number=number, name=name)))


def _alternatives(model: Model, bound: BoundEncoding, needs: ast.Needs) -> list[tuple[tuple[str, ...], StaticExpr]]:
    """Features, and when they are needed; one of the conditions holds."""
    if needs.table is not None:
        table = model.operands[needs.table.name]
        row = row_by_lookup(table, [bound.environment.static(one) for one in needs.table.arguments])
        if row is None:
            raise DescriptionError(needs.table.span, f"{table.name} is no table of features", "patterns have to decide")
        return [
            (features, apply("eq", row, number))
            for number, features in enumerate((*map(features_of, table.rows), ()))
        ]
    if needs.condition is None:
        return [(needs.features, 1)]
    condition = _decode_time(bound.environment, needs.condition)
    return [(needs.features, condition), ((), apply("eq", condition, 0))]


def _with(encoding: Encoding, features: Iterable[str], condition: StaticExpr) -> Encoding:
    guard = encoding.guard
    if condition != 1:
        guard = condition if guard == 1 else apply("and", guard, condition)
    return replace(encoding, features=encoding.features | set(features), guard=guard)


def _unit(model: Model, declaration: ast.EncodingDecl, picture: Picture) -> Unit:
    """The named unit, or the only one of the picture's width."""
    if declaration.unit is not None:
        if declaration.unit not in model.units:
            raise unknown("unit", declaration.unit, declaration.span, {**model.units, **model.forms})
        unit = model.units[declaration.unit]
    else:
        units = list(model.units.values())
        fitting = [unit for unit in units if unit.width == picture.width]
        if not fitting and len(units) > 1:
            widths = sorted({unit.width for unit in units})
            there_are = f"{', '.join(map(str, widths[:-1]))} and {widths[-1]}" if len(widths) > 1 else f"{widths[0]}"
            raise DescriptionError(
                declaration.span, f"this picture has {picture.width} bits; the units have {there_are}"
            )
        fitting = fitting or units
        if len(fitting) > 1:
            advice = f'say `enc {fitting[0].name} "…"`'
            raise DescriptionError(
                declaration.span, "there are several units that this could belong to", advice
            )
        unit = fitting[0]
    if picture.width != unit.width:
        difference = picture.width - unit.width
        advice = f"{abs(difference)} too {'many' if difference > 0 else 'few'}"
        raise DescriptionError(
            declaration.span,
            f"this picture has {picture.width} bits; unit {unit.name} has {unit.width}",
            advice,
        )
    return unit


def _environment(
    model: Model, instruction: ast.Instruction, declaration: ast.EncodingDecl, picture: Picture
) -> tuple[Environment, dict[str, StaticExpr]]:
    names: dict[str, StaticExpr] = {}
    for field in picture.fields:
        if field.name in model.globals.run_time:
            advice = "a field would hide it; give the field another name"
            raise DescriptionError(declaration.span, f"{field.name} is a register or view", advice)
        names[field.name] = Field(field.name, field.width, field.signed)
    environment = Environment(model.globals, names)
    given: dict[str, StaticExpr] = {}
    of_form = () if declaration.row is None else declaration.row.given
    for name, expr in (*of_form, *declaration.given):
        if name in names:
            raise DescriptionError(
                expr.span, f"{name} is drawn in the picture", "it cannot be given a value as well"
            )
        given[name] = environment.static(expr)
        environment.names[name] = given[name]
    for let in instruction.lets:
        environment.add_let(let)
    return environment, given


def _decode_time(environment: Environment, expr: ast.Expr) -> StaticExpr:
    """A guard or condition as 0 or 1: fields and context variables only."""
    value = environment.condition(expr)
    if any(isinstance(leaf, Here) for leaf in leaves_of(value)):
        raise DescriptionError(expr.span, "this cannot depend on the instruction's address")
    return value
