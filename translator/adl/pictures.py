"""Bit pictures of encodings: `sf op S 100010 sh imm:12 rn:5 rd:5`, most significant bit first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pyqemu.translator.adl.ast import Span
from pyqemu.translator.adl.errors import DescriptionError
from pyqemu.translator.target import EncodingField, FieldSlice

_BITS = re.compile(r"(?:[01.]|\([01]\))+")
_FIELD = re.compile(
    r"(?P<name>[A-Za-z_]\w*)"
    r"(?:\[(?P<high>\d+)(?::(?P<low>\d+))?\](?P<top>:s)?|:(?P<sign>s)?(?P<width>\d+))?"
)
_WRONG = "a picture is made of 0, 1, ., (0), (1), name, name:n, name:sn, name[hi:lo] and name[i]"


@dataclass(frozen=True, slots=True)
class Picture:
    """What a picture says: fixed bits, should-be bits, fields; `width` bits in all."""

    width: int
    mask: int
    value: int
    should_mask: int
    should_value: int
    fields: tuple[EncodingField, ...]


@dataclass(slots=True)
class _Piece:
    """A stretch of the word that belongs to a field; `source` counts from the picture's left end until
    it is known.
    """

    span: Span
    left: int
    width: int
    target: int


@dataclass(slots=True)
class _FieldParts:
    whole: bool
    signed: bool = False
    pieces: list[_Piece] = field(default_factory=list["_Piece"])


@dataclass(slots=True)
class _Reader:
    fixed: Mapping[str, int]
    span: Span  # of the literal that is read, quotes included
    bits: list[str] = field(default_factory=list[str])  # per bit: 0 1 . or (0) (1) or '' for a field's
    parts: dict[str, _FieldParts] = field(default_factory=dict[str, _FieldParts])

    def place(self, start: int, end: int) -> Span:
        """Where characters start..end of the picture stand in the file."""
        column = self.span.column + 1
        return Span(self.span.file, self.span.line, column + start, self.span.line, column + end)


def parse_picture(texts: Iterable[tuple[str, Span]], fixed: Mapping[str, int] | None = None) -> Picture:
    """Reads a picture that is drawn in one text or more, each with the span of its literal.

    Bits of fields that are `fixed` are those of their values. Raises DescriptionError.
    """
    reader: _Reader | None = None
    for text, span in texts:
        reader = reader or _Reader(fixed or {}, span)
        reader.span = span
        _read(reader, text)
    assert reader is not None
    return _finish(reader)


def widths_drawn(text: str) -> Mapping[str, int]:
    """The fields in a picture's text, with the width that each has as far as it is drawn here."""
    widths: dict[str, int] = {}
    for parts in filter(None, map(_FIELD.fullmatch, text.split())):
        width = int(parts["width"] or 1) if parts["high"] is None else int(parts["high"]) + 1
        widths[parts["name"]] = max(width, widths.get(parts["name"], 0))
    return widths


def _read(reader: _Reader, text: str) -> None:
    for match in re.finditer(r"\S+", text):
        word = match.group()
        where = reader.place(match.start(), match.end())
        if _BITS.fullmatch(word):
            reader.bits += re.findall(r"[01.]|\([01]\)", word)
        elif parts := _FIELD.fullmatch(word):
            _add_field(reader, parts, where)
        else:
            raise DescriptionError(where, f"{word!r} has no place in a picture", _WRONG)


def _add_field(reader: _Reader, parts: re.Match[str], where: Span) -> None:
    name, high, width = parts["name"], parts["high"], parts["width"]
    whole = high is None
    if whole:
        size, target = int(width or 1), 0
    else:
        target = int(parts["low"] or high)
        size = int(high) - target + 1
    if size < 1:
        raise DescriptionError(
            where, f"field {name} has no bits here", "the higher bit comes first: name[hi:lo]"
        )
    if name in reader.fixed:
        reader.bits += f"{reader.fixed[name] >> target & (1 << size) - 1:0{size}b}"
        return
    known = reader.parts.get(name)
    if known is None:
        known = reader.parts[name] = _FieldParts(whole, bool(parts["sign"]))
    elif whole or known.whole:
        raise DescriptionError(
            where, f"field {name} is drawn twice", f"name its parts {name}[hi:lo], or give one another name"
        )
    known.pieces.append(_Piece(where, len(reader.bits), size, target))
    known.signed |= bool(parts["top"])
    reader.bits += [""] * size


def _finish(reader: _Reader) -> Picture:
    width = len(reader.bits)
    mask = value = should_mask = should_value = 0
    for place, bit in enumerate(reader.bits):
        weight = 1 << (width - 1 - place)
        if bit in ("0", "1"):
            mask |= weight
            value |= weight * int(bit)
        elif bit.startswith("("):
            should_mask |= weight
            should_value |= weight * int(bit[1])
    fields = tuple(_field(name, parts, width) for name, parts in reader.parts.items())
    return Picture(width, mask, value, should_mask, should_value, fields)


def _field(name: str, parts: _FieldParts, picture_width: int) -> EncodingField:
    expected = 0
    for piece in sorted(parts.pieces, key=lambda p: p.target):
        if piece.target < expected:
            raise DescriptionError(
                piece.span, f"bit {piece.target} of field {name} is drawn twice", "its slices may not overlap"
            )
        if piece.target > expected:
            one = piece.target == expected + 1
            bits = f"bit {expected}" if one else f"bits {piece.target - 1}:{expected}"
            missing = f"{bits} of field {name} {'is' if one else 'are'}"
            advice = f"draw {name}[{piece.target - 1}:{expected}], or number the slices from 0"
            raise DescriptionError(piece.span, f"{missing} nowhere in the picture", advice)
        expected = piece.target + piece.width
    slices = tuple(
        FieldSlice(picture_width - piece.left - piece.width, piece.width, piece.target)
        for piece in parts.pieces
    )
    return EncodingField(name, expected, parts.signed, slices)
