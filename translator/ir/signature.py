"""Types of operations, worked out from the operation table.

`result_types` checks an operation's operands and gives its results' types; builder and verifier share it.
What a signature cannot say (widths that add up, lane numbers in range) is in the second half.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pyqemu.translator.errors import VerifyError
from pyqemu.translator.ir.ops import OPS, Effect, OpSpec
from pyqemu.translator.ir.types import I1, Bits, Type, Vec, parse_type, with_width

Stated = Type | Sequence[Type] | None

_FLOAT_OPERANDS = frozenset(
    name for name, spec in OPS.items() if Effect.FP in spec.effects and spec.operands.startswith("T")
) - {"sitof", "uitof"}
_FLOAT_RESULTS = frozenset({"fcvt", "sitof", "uitof"})
_OPERANDS: Mapping[str, tuple[str, ...]] = {name: tuple(spec.operands.split()) for name, spec in OPS.items()}
_FIXED: Mapping[str, Type] = {name: parse_type(name) for name in ("i1", "i8", "i64")}


def result_types(
    name: str, operands: Sequence[Type], attrs: Mapping[str, Any], stated: Stated
) -> tuple[Type, ...]:
    """Types of the results of operation `name`; `stated` is the type for a result of kind X (or a call's).

    Raises VerifyError if operands or the stated type do not fit.
    """
    spec = OPS[name]
    if spec.operands == "...":
        return _listed(name, stated) if spec.result == "..." else ()
    binding = _bind(spec, operands)
    if name in _FLOAT_OPERANDS and _element(operands[0]) not in (16, 32, 64):
        raise VerifyError(f"{name}: {operands[0]} is not a floating-point format")
    match spec.result:
        case "":
            result: tuple[Type, ...] = ()
        case "X":
            result = (_stated(name, stated),)
        case "E" | "S" | "T" as variable:
            result = (_variable(name, variable, binding),)
        case fixed:
            result = (_FIXED[fixed],)
    if name in _RULES and not _RULES[name](operands, attrs, result):
        shown = ", ".join(str(ty) for ty in (*operands, *result))
        raise VerifyError(f"{name}: {shown} with {dict(attrs)} do not fit together: {spec.meaning}")
    return result


def _listed(name: str, stated: Stated) -> tuple[Type, ...]:
    if isinstance(stated, Bits | Vec):
        return (stated,)
    return tuple(stated or ())


def _stated(name: str, stated: Stated) -> Type:
    if isinstance(stated, Bits | Vec):
        return stated
    if stated is not None and len(stated) == 1:
        return stated[0]
    raise VerifyError(f"{name}: the type of its result has to be stated")


def _bind(spec: OpSpec, operands: Sequence[Type]) -> dict[str, Type]:
    """Types of the signature's variables; VerifyError if an operand does not match."""
    wanted = _OPERANDS[spec.name]
    if len(wanted) != len(operands):
        raise VerifyError(f"{spec.name}: takes {len(wanted)} operands, not {len(operands)}")
    binding: dict[str, Type] = {}
    for want, ty in zip(wanted, operands, strict=True):
        if want == "T" and binding.setdefault("T", ty) != ty:
            raise VerifyError(f"{spec.name}: operands of types {binding['T']} and {ty}")
    for place, (want, ty) in enumerate(zip(wanted, operands, strict=True)):
        match want:
            case "T":
                fits = True
            case "T2":
                fits = isinstance(ty, Vec)
            case "iN" | "iM":
                fits = isinstance(ty, Bits)
            case "E|i1":
                fits = ty in (I1, _variable(spec.name, "E", binding))
            case "E" | "S":
                fits = ty == _variable(spec.name, want, binding)
            case _:
                fits = ty == _FIXED[want]
        if not fits:
            raise VerifyError(f"{spec.name}: operand {place} is {ty}, the signature says {want}")
    return binding


def _variable(name: str, variable: str, binding: Mapping[str, Type]) -> Type:
    base = binding["T"]
    if variable == "T":
        return base
    if variable == "E":
        return with_width(base, 1)
    if not isinstance(base, Vec):
        raise VerifyError(f"{name}: {base} has no lanes")
    return Bits(base.width)


# --- what signatures do not say ------------------------------------------------------------------

Rule = Callable[[Sequence[Type], Mapping[str, Any], Sequence[Type]], bool]


def _element(ty: Type) -> int:
    return ty.width


def _lanes(ty: Type) -> int:
    return ty.lanes if isinstance(ty, Vec) else 0


def _same_shape(a: Type, b: Type) -> bool:
    return _lanes(a) == _lanes(b)


def _bytes(ty: Type) -> bool:
    return ty.total % 8 == 0


def _insert(operands: Sequence[Type], attrs: Mapping[str, Any], results: Sequence[Type]) -> bool:
    return 0 <= attrs["lo"] <= operands[0].width - operands[1].width and results[0] == operands[0]


def _shuffle(operands: Sequence[Type], attrs: Mapping[str, Any], results: Sequence[Type]) -> bool:
    mask: tuple[int, ...] = attrs["mask"]
    source = operands[0]
    if not isinstance(source, Vec) or not all(0 <= lane < 2 * source.lanes for lane in mask):
        return False
    return results[0] == Vec(len(mask), source.width)


def _vtable(operands: Sequence[Type], attrs: Mapping[str, Any], results: Sequence[Type]) -> bool:
    return (
        isinstance(operands[0], Vec) and operands[0].width == operands[1].width and results[0] == operands[1]
    )


def _lane_index(operands: Sequence[Type], attrs: Mapping[str, Any], results: Sequence[Type]) -> bool:
    index = attrs["index"]
    return type(index) is int and 0 <= index < _lanes(operands[0])


def _to_float(operands: Sequence[Type], attrs: Mapping[str, Any], results: Sequence[Type]) -> bool:
    return _same_shape(operands[0], results[0]) and results[0].width in (16, 32, 64)


def _compare_total(operands: Sequence[Type], attrs: Mapping[str, Any], results: Sequence[Type]) -> bool:
    return operands[0].total == results[0].total


def _fits_const(operands: Sequence[Type], attrs: Mapping[str, Any], results: Sequence[Type]) -> bool:
    return type(attrs["value"]) is int and 0 <= attrs["value"] < 1 << results[0].width


_RULES: Mapping[str, Rule] = {
    "const": _fits_const,
    "hole": lambda o, a, r: isinstance(r[0], Bits),
    "bswap": lambda o, a, r: o[0].width % 8 == 0,
    "clmul": lambda o, a, r: r[0] == with_width(o[0], 2 * o[0].width),
    "zext": lambda o, a, r: _same_shape(o[0], r[0]) and r[0].width > o[0].width,
    "sext": lambda o, a, r: _same_shape(o[0], r[0]) and r[0].width > o[0].width,
    "trunc": lambda o, a, r: _same_shape(o[0], r[0]) and r[0].width < o[0].width,
    "bitcast": _compare_total,
    "concat": lambda o, a, r: r[0] == Bits(o[0].width + o[1].width),
    "extract": lambda o, a, r: isinstance(r[0], Bits) and 0 <= a["lo"] <= o[0].width - r[0].width,
    "insert": _insert,
    "splat": lambda o, a, r: isinstance(r[0], Vec) and r[0].width == o[0].width,
    "lane": _lane_index,
    "with_lane": _lane_index,
    "shuffle": _shuffle,
    "vtable": _vtable,
    "lookup": lambda o, a, r: isinstance(r[0], Bits),
    "fcvt": _to_float,
    "sitof": _to_float,
    "uitof": _to_float,
    "ftosi": lambda o, a, r: _same_shape(o[0], r[0]),
    "ftoui": lambda o, a, r: _same_shape(o[0], r[0]),
    "load": lambda o, a, r: _bytes(r[0]),
    "store": lambda o, a, r: _bytes(o[1]),
    "cas": lambda o, a, r: _bytes(o[1]),
    "rmw": lambda o, a, r: _bytes(o[1]),
}
