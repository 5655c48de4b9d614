"""Registers, flags and views: what a place in guest state is, how it is read, and how a write is noted.

A view is expanded until a register (file) is reached: `W[rd]` is bits 31:0 of `S[rd]` with a zero index and
a write policy. Writes wait in `Path.writes` until the end of the instruction (see writes.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pyqemu.translator.adl import ast
from pyqemu.translator.adl.body import Body, PendingWrite
from pyqemu.translator.adl.errors import nearest
from pyqemu.translator.adl.knowledge import truth
from pyqemu.translator.adl.types_of import evaluate_type
from pyqemu.translator.adl.values import Scope, Val, as_static
from pyqemu.translator.ir.function import Value
from pyqemu.translator.ir.types import Bits, Type
from pyqemu.translator.static import StaticExpr
from pyqemu.translator.target import Register

#: What the value written is called where it is gone to; nothing in a description can have that name.
_VALUE = "the value"


@dataclass(frozen=True, slots=True)
class Place:
    """Bits low … low+type.total-1 of a register. `policy` says what a write does to the other bits:
    one of ast.WRITE_POLICIES, slice (an explicit slice: keep), or None (such a write is an error).

    `special`: it is the element of a view that is no register, though it has the type of one.
    """

    register: Register
    index: StaticExpr | None
    zero: int | None
    low: int
    type: Type
    policy: str | None
    special: _Special | None = None


@dataclass(frozen=True, slots=True)
class _Special:
    """A view's element that is no register, and the names that its value can be made of."""

    element: ast.SpecialElement
    view: str
    scope: Scope


def is_place(body: Body, expr: ast.Expr, scope: Scope) -> bool:
    """Whether `expr` names guest state (and no local hides it)."""
    match expr:
        case ast.Name(_, name):
            known = body.declarations
            return scope.find(name) is None and (name in known.registers or name in known.views)
        case ast.Index(_, base, _) | ast.Slice(_, base, _, _):
            return is_place(body, base, scope)
        case ast.Call(_, name, _):
            return name in body.declarations.views
        case _:
            return False


def resolve(body: Body, expr: ast.Expr, scope: Scope) -> Place:
    """The place that `expr` (a register, view, or slice or choice of them) means."""
    match expr:
        case ast.Name(span, name):
            return _resolve_name(body, name, span)
        case ast.Conditional(_, condition, then, otherwise):
            chosen = _static_condition(body, condition, scope)
            return resolve(body, then if chosen else otherwise, scope)
        case ast.Slice(span, base, high, low):
            top = body.constant(body.evaluate(body, high, scope), high.span, "the slice's top bit")
            bottom = body.constant(body.evaluate(body, low, scope), low.span, "the slice's bottom bit")
            return _narrow(body, resolve(body, base, scope), bottom, top - bottom + 1, span)
        case ast.Index(span, base, arguments):
            if len(arguments) != 1:
                raise body.error(span, f"one index is wanted here, not {len(arguments)}")
            index = body.evaluate(body, arguments[0], scope)
            return _resolve_index(body, expr, base, index, scope)
        case _:
            raise body.error(
                expr.span,
                "this is not a place that can be read or written",
                "name a register, flag, view or mem[…]",
            )


def _static_condition(body: Body, condition: ast.Expr, scope: Scope) -> int:
    value = body.evaluate(body, condition, scope)
    expr = as_static(value)
    return body.constant(truth(expr) if expr is not None else value, condition.span, "the choice of a view")


def _resolve_name(body: Body, name: str, span: ast.Span) -> Place:
    known = body.declarations
    register = known.registers.get(name)
    if register is not None:
        if register.is_file:
            raise body.error(span, f"{name} is a register file and wants an index", f"say {name}[i]")
        return Place(register, None, None, 0, Bits(register.width), None)
    view = known.views.get(name)
    if view is not None:
        if view.index or view.parameters:
            raise body.error(span, f"view {name} wants an index", f"say {name}[i]")
        return _through_view(body, view, resolve(body, view.target, Scope()), None)
    raise body.error(span, f"there is no register, flag or view {name}", nearest(name, known.names()))


def _resolve_index(body: Body, expr: ast.Index, base: ast.Expr, index: Val, scope: Scope) -> Place:
    known = body.declarations
    match base:
        case ast.Name(_, name) if name in known.registers and known.registers[name].is_file:
            return _element(body, known.registers[name], index, expr)
        case ast.Name(_, name) if name in known.views and known.views[name].index:
            return _element_of_view(body, known.views[name], (), index, expr)
        case ast.Call(_, name, arguments) if name in known.views:
            what = f"an argument of view {name}"
            values = tuple(body.static(body.evaluate(body, one, scope), one.span, what) for one in arguments)
            return _element_of_view(body, known.views[name], values, index, expr)
        case ast.Call(span, name, _):
            raise body.error(span, f"there is no view {name}", nearest(name, known.views))
        case _:
            place = resolve(body, base, scope)
            bit = body.constant(index, expr.arguments[0].span, "the bit's number")
            return _narrow(body, place, bit, 1, expr.span)


def _element(body: Body, file: Register, index: Val, expr: ast.Index) -> Place:
    span = body.index_span or expr.arguments[0].span
    number = body.static(index, span, f"the index of {file.name}")
    number = body.knowledge.known(number)
    size = max(file.count - 1, 1).bit_length()
    body.check_range(
        number, 0, file.count - 1, span, f"the index of {file.name}", f"cut it with bits(…, {size})"
    )
    return Place(file, number, None, 0, Bits(file.width), None)


def _element_of_view(
    body: Body, view: ast.View, arguments: tuple[Val, ...], index: Val, expr: ast.Index
) -> Place:
    if len(arguments) != len(view.parameters):
        raise body.error(
            expr.span, f"view {view.name} takes {len(view.parameters)} arguments, not {len(arguments)}"
        )
    span = expr.arguments[0].span
    number = body.knowledge.known(body.static(index, span, f"the index of {view.name}"))
    names = dict(zip(view.parameters, arguments, strict=True))
    scope = Scope(None, {**names, view.index: number})
    outer, body.index_span = body.index_span, body.index_span or span
    body.calls.append(expr.span)
    place = _through_view(body, view, resolve(body, view.target, scope), number)
    if view.special is not None and _is_special(body, view.special, number, span):
        place = replace(place, special=_Special(view.special, view.name, scope))
    body.calls.pop()
    body.index_span = outer
    return place


def _is_special(body: Body, special: ast.SpecialElement, index: StaticExpr, span: ast.Span) -> bool:
    """Whether `index` is that element's; the shape is split on it."""
    return bool(body.constant(body.apply("eq", index, special.index), span, "whether the index is the exception"))


def _through_view(body: Body, view: ast.View, place: Place, index: StaticExpr | None) -> Place:
    """`place` with the view's zero index, write policy and type."""
    if view.zero is not None and index is not None:
        is_zero = body.apply("eq", index, view.zero)
        if isinstance(is_zero, int):
            zero = view.zero if is_zero else None
            place = replace(
                place, index=view.zero if is_zero and place.index == index else place.index, zero=zero
            )
        elif place.index == index:
            place = replace(place, zero=view.zero)
        else:
            raise body.error(
                view.span, f"the zero index of {view.name} is not an index of {place.register.name}"
            )
    if view.policy is not None or place.policy == "slice":
        place = replace(place, policy=view.policy)
    if view.type is not None:
        declared = _declared_type(body, view)
        if declared.total != place.type.total:
            raise body.error(
                view.type.span,
                f"view {view.name} is to have {declared.total} bits, but shows {place.type.total}",
            )
        place = replace(place, type=declared)
    return place


def _declared_type(body: Body, view: ast.View) -> Type:
    assert view.type is not None
    found = evaluate_type(body, view.type, Scope())
    assert found is not None
    return found


def _narrow(body: Body, place: Place, low: int, width: int, span: ast.Span) -> Place:
    if width < 1 or low < 0 or low + width > place.type.total:
        raise body.error(
            span,
            f"bits {low + width - 1}:{low} are not within {place.register.name}'s {place.type.total}",
            "a slice is [high:low], bit 0 is the lowest",
        )
    policy = place.policy if width == place.type.total else "slice"
    return replace(place, low=place.low + low, type=Bits(width), policy=policy)


# --- reads ---------------------------------------------------------------------------------------


def read_place(body: Body, place: Place, span: ast.Span) -> Value:
    """The value before the instruction."""
    if place.special is not None:
        value = body.evaluate(body, place.special.element.reads, place.special.scope)
        width = Bits(place.register.width)
        whole = body.to_type(value, width, place.special.element.reads.span, f"what {place.special.view} reads")
        return body.emitter.bitcast(body.emitter.extract(whole, place.low, place.type.total), place.type)
    if place.register.name in body.path.clobbered:
        raise body.error(
            span,
            f"{place.register.name} is read after a call that writes it",
            "read it into a `let` before the call: reads see the state before the instruction",
        )
    whole = read_register(body, place.register, place.index, place.zero)
    return body.emitter.bitcast(body.emitter.extract(whole, place.low, place.type.total), place.type)


def read_register(body: Body, register: Register, index: StaticExpr | None, zero: int | None) -> Value:
    """The whole of a register; reads of one register are made once."""
    if zero is not None and index == zero:
        return body.emitter.const(0, Bits(register.width))
    body.touched.reads.add(register.name)
    key = ("read", register.name, index, zero)
    found = body.path.cache.get(key)
    if found is None:
        found = body.emitter.emit("read", [], Bits(register.width), reg=register.name, index=index, zero=zero)
        body.path.cache[key] = found
    return found


# --- writes --------------------------------------------------------------------------------------


def write_place(body: Body, place: Place, value: Val, span: ast.Span) -> None:
    """Notes that the place gets `value` at the end of the instruction."""
    register = place.register
    if place.special is not None and place.type == Bits(register.width):
        return _write_special(body, place.special, value, span)
    new = body.to_type(value, place.type, span, "the value written")
    new = body.emitter.bitcast(new, Bits(place.type.total))
    if place.zero is not None and place.index == place.zero:
        return
    partial = place.type.total != register.width
    if partial and place.policy is None:
        raise body.error(
            span,
            f"only bits {place.low + place.type.total - 1}:{place.low} of {register.name} are written, "
            "and the view has no write policy",
            f"add `write zext` to the view, or another policy ({', '.join(ast.WRITE_POLICIES)})",
        )
    low = place.low
    if partial and place.policy in ("zext", "sext", "ones"):
        if low:
            new = body.emitter.concat(new, body.emitter.const(0, Bits(low)))
            low = 0
        new = _extended(body, new, register.width, place.policy)
    if place.special is not None:
        if new.type.width != register.width:
            raise body.error(span, f"only some bits of what {place.special.view} writes are given", "write all of it")
        return _write_special(body, place.special, new, span)
    body.touched.writes.add(register.name)
    write = PendingWrite(register.name, place.index, place.zero, register.width, low, new, None)
    body.path.writes = (*body.path.writes, write)


def _write_special(body: Body, special: _Special, value: Val, span: ast.Span) -> None:
    """Goes to the value, or calls the function with it."""
    name = ast.Name(span, _VALUE)
    scope = Scope(None, {_VALUE: value})
    if special.element.writes == "goto":
        body.execute(body, (ast.Goto(span, name),), scope)
        return
    result = body.evaluate(body, ast.Call(span, special.element.writes, (name,)), scope)
    if result != ():
        raise body.error(special.element.span, f"{special.element.writes} gives a value", "nothing can use it")


def _extended(body: Body, value: Value, width: int, policy: str) -> Value:
    if policy != "ones":
        return body.emitter.resize(policy, value, Bits(width))
    above = width - value.type.width
    return body.emitter.concat(body.emitter.const((1 << above) - 1, Bits(above)), value) if above else value


def write_context(body: Body, name: str, value: Val, span: ast.Span) -> None:
    """Notes that a context variable gets another value."""
    width = body.declarations.contexts[name]
    new = body.to_type(value, Bits(width), span, "the value written")
    body.path.writes = (*body.path.writes, PendingWrite(f"ctx {name}", None, None, width, 0, new, None))
