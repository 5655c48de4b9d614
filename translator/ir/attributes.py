"""The attributes of operations: what kind of value each name of the operation table takes, and its default.

The builder fills in defaults and the verifier checks kinds; the text form prints and reads by kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, cast

from pyqemu.translator.errors import VerifyError
from pyqemu.translator.ir.ops import OPS
from pyqemu.translator.static import Apply, Ctx, Element, Field, Here


class Kind(Enum):
    """What an attribute holds."""

    INT = auto()
    NAME = auto()  # a string
    INTS = auto()  # a tuple of ints
    STATIC = auto()  # a StaticExpr
    STATIC_OR_NONE = auto()
    INT_OR_NONE = auto()
    PLACES = auto()  # a tuple of (register, index or None)


KINDS: Mapping[str, Kind] = {
    "value": Kind.INT,
    "expr": Kind.STATIC,
    "lo": Kind.INT,
    "mask": Kind.INTS,
    "table": Kind.INTS,
    "rm": Kind.NAME,
    "exact": Kind.INT,
    "signal": Kind.INT,
    "reg": Kind.NAME,
    "index": Kind.STATIC_OR_NONE,
    "zero": Kind.INT_OR_NONE,
    "ctx": Kind.NAME,
    "order": Kind.NAME,
    "endian": Kind.NAME,
    "op": Kind.NAME,
    "fn": Kind.NAME,
    "target": Kind.STATIC,
    "kind": Kind.NAME,
    "exception": Kind.NAME,
    "pc": Kind.STATIC,
    "state": Kind.PLACES,
    "entries": Kind.INTS,
}

#: What an attribute is when the builder or the text form does not say.
DEFAULTS: Mapping[str, Any] = {
    "rm": "dyn",
    "exact": 0,
    "signal": 0,
    "index": None,
    "zero": None,
    "order": "plain",
    "endian": "le",
    "kind": "plain",
    "pc": Here(),
    "state": (),
}

ROUNDING_NAMES = ("ne", "pi", "mi", "z", "na", "dyn")
RMW_NAMES = ("add", "and", "or", "xor", "swap", "umin", "umax", "smin", "smax")
_ORDERS = {
    "load": ("plain", "acquire", "seqcst"),
    "store": ("plain", "release", "seqcst"),
    "fence": ("acquire", "release", "seqcst"),
}
_CHOICES = {
    "rm": ROUNDING_NAMES,
    "op": RMW_NAMES,
    "endian": ("le", "be"),
    "kind": ("plain", "call", "return"),
}


def is_kind(value: object, kind: Kind) -> bool:
    """Whether `value` is of that kind; booleans do not pass for ints, for they print differently."""
    match kind:
        case Kind.INT:
            return type(value) is int
        case Kind.INT_OR_NONE:
            return value is None or type(value) is int
        case Kind.NAME:
            return isinstance(value, str)
        case Kind.INTS:
            return isinstance(value, tuple) and all(
                type(item) is int for item in cast(tuple[object, ...], value)
            )
        case Kind.PLACES:
            return isinstance(value, tuple) and all(map(_is_place, cast(tuple[object, ...], value)))
        case Kind.STATIC | Kind.STATIC_OR_NONE:
            if value is None:
                return kind is Kind.STATIC_OR_NONE
            return type(value) is int or isinstance(value, Field | Here | Ctx | Apply | Element)


def _is_place(value: object) -> bool:
    match value:
        case (str(), None | int()):
            return True
        case _:
            return False


def with_defaults(name: str, attrs: Mapping[str, Any]) -> dict[str, Any]:
    """`attrs` in the table's order, with what may be left out filled in."""
    spec = OPS[name]
    filled = {key: attrs.get(key, DEFAULTS.get(key)) for key in spec.attrs}
    filled.update((key, value) for key, value in attrs.items() if key not in filled)
    return filled


def check_attributes(name: str, attrs: Mapping[str, Any]) -> None:
    """Raises VerifyError unless `attrs` are just what the table asks of operation `name`."""
    expected = OPS[name].attrs
    if tuple(attrs) != expected:
        missing, extra = set(expected) - set(attrs), set(attrs) - set(expected)
        if missing or extra:
            raise VerifyError(f"{name}: attributes missing {sorted(missing)}, unknown {sorted(extra)}")
    for key in expected:
        value = attrs[key]
        if not is_kind(value, KINDS[key]):
            raise VerifyError(f"{name}: {key} = {value!r} is not of kind {KINDS[key].name}")
        choices = _ORDERS[name] if key == "order" else _CHOICES.get(key)
        if choices and value not in choices:
            raise VerifyError(f"{name}: {key} = {value!r} is none of {', '.join(choices)}")
