"""Forms: how encodings begin in several units, so that a picture that these share is drawn once.

An encoding of a form is one encoding for each row of it: the row's picture with the encoding's behind it, both guards,
the values that both give. A field that the row draws and the encoding gives a number is fixed to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.errors import DescriptionError
from pyqemu.translator.adl.model import Model
from pyqemu.translator.adl.pictures import Picture, parse_picture, widths_drawn
from pyqemu.translator.adl.static_expr import Environment


def in_units(model: Model, declaration: ast.EncodingDecl) -> Iterator[ast.EncodingDecl]:
    """The encoding as it is, or what it is in each unit if it is a form's."""
    form = model.forms.get(declaration.unit or "")
    if form is None:
        yield declaration
        return
    for row in form.rows:
        yield ast.EncodingDecl(
            row.unit,
            f"{row.picture} {declaration.picture}",
            declaration.guard,
            declaration.given,
            declaration.needs,
            declaration.span,
            row,
        )


def picture_of(model: Model, declaration: ast.EncodingDecl) -> Picture:
    """The encoding's picture. Raises DescriptionError."""
    row = declaration.row
    if row is None:
        return parse_picture([(declaration.picture, declaration.span)])
    own = declaration.picture[len(row.picture) + 1 :]
    return parse_picture([(row.picture, row.span), (own, declaration.span)], _fixed(model, declaration, row))


def _fixed(model: Model, declaration: ast.EncodingDecl, row: ast.FormRow) -> Mapping[str, int]:
    """The numbers that the encoding gives fields of the form."""
    drawn = widths_drawn(row.picture)
    fixed: dict[str, int] = {}
    for name, expr in declaration.given:
        if name in drawn:
            value = Environment(model.globals, {}).static(expr)
            if not isinstance(value, int):
                raise DescriptionError(expr.span, f"{name} is drawn in the form", "only a number can be given to it")
            if not 0 <= value < 1 << drawn[name]:
                raise DescriptionError(expr.span, f"{value} does not fit the {drawn[name]} bits of {name}")
            fixed[name] = value
    return fixed
