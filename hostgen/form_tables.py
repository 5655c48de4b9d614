"""The tables of a pack that hold decode-time values (`value_form`), equal ones once."""

from __future__ import annotations

from collections.abc import Sequence

from pyqemu.hostgen import pack_format as rec
from pyqemu.hostgen.pack_format import FormKind, ProgOpCode
from pyqemu.hostgen.pool import Pool
from pyqemu.hostgen.program import Program
from pyqemu.hostgen.value_form import Choice, Computed, Entry, Fields, Form, Sum, Term, form_of, low64
from pyqemu.translator.errors import UnsupportedError
from pyqemu.translator.static import Apply, Ctx, Element, Field, StaticExpr, fields_of, interval

_MASK64 = (1 << 64) - 1
#: The runtime has room for the results of as many operations.
_MAX_OPERATIONS = 256


def _term(term: Term) -> dict[str, int]:
    sign = 1 << (term.width - 1) if term.signed else 0
    return {"mask": (1 << term.width) - 1, "sign": sign, "factor": term.factor, "from": term.source}


#: An expression, and where its fields lie.
_FormKey = tuple[StaticExpr, tuple[object, ...]]


class FormTables:
    """Forms by number, with the terms, tables and byte code that they refer to."""

    def __init__(self, context: Sequence[str]) -> None:
        self._context = tuple(context)
        self._form, self._terms, self._programs, self._tables = Pool(), Pool(), Pool(), Pool()
        self._known: dict[_FormKey, int] = {}
        self._forms: dict[_FormKey, Form] = {}

    def sections(self) -> dict[str, bytes]:
        """Bytes by section name."""
        return {
            ".pq.form": self._form.data,
            ".pq.term": self._terms.data,
            ".pq.prog": self._programs.data,
            ".pq.table": self._tables.data or bytes(8),  # the runtime reads the first one where none is meant
        }

    def form(self, expr: StaticExpr, fields: Fields) -> int:
        """Number of the form of `expr`."""
        key = _key(expr, fields)
        number = self._known.get(key)
        if number is None:
            number = self._known[key] = self._form.add([self._record(self.form_of(expr, fields), fields)])
        return number

    def form_of(self, expr: StaticExpr, fields: Fields) -> Form:
        """The form itself, which may do without a number."""
        key = _key(expr, fields)
        form = self._forms.get(key)
        if form is None:
            form = self._forms[key] = form_of(expr, fields)
        return form

    def _record(self, form: Form, fields: Fields) -> bytes:
        match form:
            case Sum(add=add, here_mask=mask):
                return rec.FormRec.pack(kind=FormKind.SUM, add=add, here_mask=mask, **self._sum(form))
            case Entry(table, index):
                return rec.FormRec.pack(
                    kind=FormKind.SUM, first=self.table(table), count=len(table), add=index.add, **self._sum(index)
                )
            case Choice(condition, then, otherwise):
                pair = self._form.add([self._record(then, fields), self._record(otherwise, fields)])
                decides = self._form.add([self._record(condition, fields)])
                return rec.FormRec.pack(kind=FormKind.CHOICE, first=pair, more=decides)
            case Computed(expr):
                operations = self._operations(expr, fields)
                return rec.FormRec.pack(
                    kind=FormKind.PROGRAM, first=self._programs.add(operations), count=len(operations)
                )

    def _sum(self, form: Sum) -> dict[str, int]:
        """The members of FormRec that say which terms."""
        if not form.terms:
            return {}
        more = [rec.TermRec.pack(**_term(term)) for term in form.terms[1:]]
        first = {f"term.{name}": value for name, value in _term(form.terms[0]).items()}
        return {"more_count": len(more), "more": self._terms.add(more), **first}

    def table(self, values: Sequence[int]) -> int:
        """Index of a run of 64-bit values."""
        return self._tables.add([(value & _MASK64).to_bytes(8, "little") for value in values])

    def _operations(self, expr: StaticExpr, fields: Fields) -> list[bytes]:
        """Byte code: first the simpler forms that it is made of and the context, then the steps."""
        parts = _Parts(fields)
        try:
            return self._compile(parts.divided(expr), parts)
        except UnsupportedError:  # the ranges of parts are known less well than those of what they are made of
            parts = _Parts(fields)
            return self._compile(parts.leaves(expr), parts)

    def _compile(self, expr: StaticExpr, parts: _Parts) -> list[bytes]:
        program = Program(list(parts.exprs), self._context)
        needed = program.needed(program.value(expr))
        if len(needed) > _MAX_OPERATIONS:
            raise UnsupportedError(f"a decode-time value that takes {len(needed)} operations")
        places = {number: place for place, number in enumerate(needed)}
        return [self._operation(program, number, places, parts) for number in needed]

    def _operation(self, program: Program, number: int, places: dict[int, int], parts: _Parts) -> bytes:
        if number < len(parts.exprs):
            part = parts.exprs[program.fields[number]]
            return rec.ProgOp.pack(op=ProgOpCode.FORM, imm=self.form(part, parts.fields))
        if number < program.inputs:
            return rec.ProgOp.pack(op=ProgOpCode.CONTEXT, imm=number - len(parts.exprs) - 1)
        step = program.steps[number - program.inputs]
        a, b, c = (*(places[arg] for arg in step.args), 0, 0, 0)[:3]
        imm = self.table([low64(value) for value in step.table]) if step.table else step.imm
        return rec.ProgOp.pack(op=step.code, a=a, b=b, c=c, imm=imm)


def _key(expr: StaticExpr, fields: Fields) -> _FormKey:
    return expr, tuple(fields[field.name] for field in sorted(fields_of(expr), key=lambda field: field.name))


class _Parts:
    """Sub-expressions that have simple forms, each of them in the place of a field of its own name."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields
        self.exprs: dict[str, StaticExpr] = {}
        self._names: dict[StaticExpr, Field] = {}

    def divided(self, expr: StaticExpr) -> StaticExpr:
        """`expr` with its largest parts replaced."""
        match expr:
            case int() | Ctx():
                return expr
            case _ if not isinstance(form_of(expr, self.fields), Choice | Computed):
                return self._part(expr)
            case Apply(op, args):
                return Apply(op, tuple(self.divided(arg) for arg in args))
            case Element(table, index):
                return Element(table, self.divided(index))
            case _:
                raise AssertionError(f"{expr} has a simple form")

    def leaves(self, expr: StaticExpr) -> StaticExpr:
        """`expr` with only its fields and the address replaced."""
        match expr:
            case int() | Ctx():
                return expr
            case Apply(op, args):
                return Apply(op, tuple(self.leaves(arg) for arg in args))
            case Element(table, index):
                return Element(table, self.leaves(index))
            case _:
                return self._part(expr)

    def _part(self, expr: StaticExpr) -> Field:
        known = self._names.get(expr)
        if known is None:
            low, high = interval(expr)
            width = max(low.bit_length(), high.bit_length()) + (low < 0)
            known = self._names[expr] = Field(f"part{len(self._names)}", max(width, 1), low < 0)
            self.exprs[known.name] = expr
        return known
