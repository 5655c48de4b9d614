"""Prints assembly text: each encoding's templates as one Python function, made when it is first used."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pyqemu.translator.adl.asm import Choice, Number, Row, Syntax, Template
from pyqemu.translator.adl.compiled import Source
from pyqemu.translator.static import Ctx, Field, Here
from pyqemu.translator.target import Encoding

Printer = Callable[[Mapping[str, int], int], str]


def in_field_style(value: int) -> str:
    """Decimal below 10 in size, else hexadecimal: `9`, `0x10`, `-0x10`."""
    return str(value) if -10 < value < 10 else hex(value)


def _leaf(item: Field | Ctx | Here) -> str:
    if isinstance(item, Field):
        return f"v_{item.name}"
    if isinstance(item, Here):
        return "here"
    raise ValueError(f"assembly text cannot depend on context variable {item.name}")


class AsmPrinter:
    """Assembly text of an architecture's instructions."""

    def __init__(self, syntax: Syntax) -> None:
        self._syntax = syntax
        self._printers: dict[int, Printer] = {}
        self._tables: dict[str, Callable[..., str]] = {}

    def disassemble(self, encoding: Encoding, fields: Mapping[str, int], here: int) -> str:
        """The text of one instruction at guest address `here`; its name where no row holds."""
        printer = self._printers.get(encoding.number)
        if printer is None:
            printer = self._printers[encoding.number] = self._make_printer(encoding)
        return printer(fields, here)

    def _make_printer(self, encoding: Encoding) -> Printer:
        source = Source(_leaf)
        body = self._rows(source, self._syntax.rows[encoding.number])
        body += f" return {encoding.instruction.lower()!r}"
        known = [f" v_{f.name} = fields[{f.name!r}]\n" for f in encoding.fields if f"v_{f.name}" in body]
        return source.function("fields, here", "".join(known) + body)

    def _rows(self, source: Source, rows: tuple[Row, ...]) -> str:
        lines: list[str] = []
        for row in rows:
            text = self._template(source, row.template)
            lines.append(
                f" return {text}\n"
                if row.condition == 1
                else f" if {source.text(row.condition)}: return {text}\n"
            )
        return "".join(lines)

    def _template(self, source: Source, template: Template) -> str:
        parts: list[str] = []
        for piece in template:
            match piece:
                case str():
                    parts.append(repr(piece))
                case Number(value, "h"):
                    source.namespace["in_field_style"] = in_field_style
                    parts.append(f"in_field_style({source.number(value)})")
                case Number(value, style):
                    parts.append(f"{'hex' if style == 'x' else 'str'}({source.number(value)})")
                case Choice(condition, then, otherwise):
                    a, b = self._template(source, then), self._template(source, otherwise)
                    parts.append(f"({a} if {source.text(condition)} else {b})")
                case _:
                    source.namespace[f"table_{piece.table}"] = self._table(piece.table)
                    arguments = ", ".join(source.number(a) for a in piece.arguments)
                    parts.append(f"table_{piece.table}({arguments})")
        return " + ".join(parts) or "''"

    def _table(self, name: str) -> Callable[..., str]:
        """A function from a table's arguments to its text; '' where no row matches."""
        if name not in self._tables:
            self._tables[name] = lambda *arguments: self._tables[name](
                *arguments
            )  # tables may name each other
            table = self._syntax.tables[name]
            source = Source(_leaf)
            body = self._rows(source, table.rows) + " return ''"
            parameters = ", ".join(f"v_{p}" for p in table.parameters)
            self._tables[name] = source.function(parameters, body)
        return self._tables[name]
