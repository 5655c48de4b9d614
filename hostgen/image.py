"""The image: outlined functions, helpers, entry and read-only data, linked so that they run at any address.

Functions are added as symbols ask for them: `fn.NAME` is an outlined function of the guest, `soft.…` a
helper (softfp), `leave.…` the end of exit stubs (fixed), `const.…` and `table.…` constants that came with objects.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

from pyqemu.hostgen import softfp
from pyqemu.hostgen.emit import Emitter, Module, Operand
from pyqemu.hostgen.fixed import LEAVES, define_leave
from pyqemu.hostgen.host import Host
from pyqemu.hostgen.lower import Lowering, Machine, llvm_type, result_type, touches_fp
from pyqemu.hostgen.lower_state import function_symbol
from pyqemu.hostgen.objects import ObjectFile, Piece, compile_batches
from pyqemu.translator.errors import UnsupportedError
from pyqemu.translator.ir.function import Function, Op
from pyqemu.translator.static import StaticExpr

_BATCH = 100


class OutlineFrame:
    """An outlined function: it has no decode-time values and returns."""

    def hole(self, f: Lowering, expr: StaticExpr, ty: str) -> Operand:
        raise UnsupportedError("a decode-time value in an outlined function")

    def leave(self, f: Lowering, op: Op) -> None:
        if op.name != "ret":
            raise UnsupportedError(f"{op.name!r} in an outlined function")
        results = f.args(op)
        if not results:
            f.e.do("ret void")
            return
        value = results[0]
        if len(results) > 1:
            ty = result_type(tuple(v.type for v in op.operands))
            value = Operand(ty, "poison")
            for index, result in enumerate(results):
                value = f.e.let(ty, f"insertvalue {value}, {result}, {index}")
        f.e.do(f"ret {value}")


def define_function(function: Function, symbol: str, machine: Machine, module: Module) -> None:
    """Adds an outlined function to the module."""
    e = Emitter(module)
    parameters = [Operand(llvm_type(v.type), f"%p{i}") for i, v in enumerate(function.entry.arguments)]
    lines = Lowering(e, machine, OutlineFrame()).lower(function, parameters)
    arguments = ", ".join(["ptr %cpu", *map(str, parameters)])
    strict = "strictfp " if touches_fp(function) else ""
    head = f'define hidden {result_type(function.results)} @"{symbol}"({arguments}) nounwind {strict}'
    module.functions.append("\n".join([head + '"no-builtins" "no-jump-tables"="true" {', *lines, "}"]))


class Image:
    """Pieces by symbol, laid out in the order in which they were asked for.

    `made`: pieces that other images had, which need not be compiled again; what this one makes is added.
    """

    def __init__(
        self, machine: Machine, functions: Mapping[str, Function], made: dict[str, Piece] | None = None
    ) -> None:
        self._machine = machine
        self._functions = functions
        self._pieces: dict[str, Piece] = {}
        self._available: dict[str, Piece] = {} if made is None else made
        self._offsets: dict[str, int] = {}
        self._data = bytearray()

    @property
    def host(self) -> Host:
        """The host that it is for."""
        return self._machine.host

    def add_constants(self, objects: Iterable[ObjectFile]) -> None:
        """Makes the constants of stencils' objects known."""
        for obj in objects:
            self._available.update(obj.constants)

    def require(self, symbols: Iterable[str], jobs: int = 1) -> None:
        """Compiles what the symbols name, and what that refers to, until nothing is missing."""
        wanted = [symbol for symbol in dict.fromkeys(symbols) if symbol not in self._pieces]
        while wanted:
            self._compile([symbol for symbol in wanted if symbol not in self._available], jobs)
            for symbol in wanted:
                if symbol in self._available:
                    self._pieces[symbol] = self._available[symbol]
            found = (p.symbol for symbol in wanted for p in self._pieces[symbol].patches)
            wanted = [symbol for symbol in dict.fromkeys(found) if symbol not in self._pieces]

    def _compile(self, symbols: list[str], jobs: int) -> None:
        modules: list[str] = []
        for start in range(0, len(symbols), _BATCH):
            module = Module(self._machine.host.triple)
            batch = symbols[start : start + _BATCH]
            for symbol in batch:
                self._define(symbol, module)
            for symbol in batch:  # defined here, so not declared as well
                module.globals.pop(symbol, None)
            modules.append(module.text())
        for obj in compile_batches(modules, self._machine.host, jobs):
            self._available.update(obj.constants)
            self._available.update({name: piece for name, piece in obj.functions.items() if name in symbols})

    def _define(self, symbol: str, module: Module) -> None:
        host = self._machine.host
        prefix, _, rest = symbol.partition(".")
        if symbol == "enter":
            host.define_entry(module)
        elif symbol in LEAVES:
            define_leave(symbol, module)
        elif prefix == "soft":
            softfp.define(symbol, module, host, tininess_before=self._machine.tininess_before)
        elif prefix == "fn" and rest in self._functions:
            define_function(self._functions[rest], function_symbol(rest), self._machine, module)
        else:
            raise UnsupportedError(f"generated code calls {symbol!r}, which packs do not have")

    def link(self) -> None:
        """Lays the pieces out and resolves their relocations."""
        for symbol, piece in self._pieces.items():
            self._data += bytes(-len(self._data) % max(piece.align, 1))
            self._offsets[symbol] = len(self._data)
            self._data += piece.data
        for symbol, piece in self._pieces.items():
            for patch in piece.patches:
                if self._machine.host.reloc_kind(patch.type) is not None:
                    raise UnsupportedError(f"{symbol} holds an absolute address, of {patch.symbol}")
                place = self._offsets[symbol] + patch.offset
                value = self._offsets[patch.symbol] + patch.addend - place
                struct.pack_into("<i", self._data, place, value)

    def offset(self, symbol: str) -> int:
        """Where a symbol is, once linked."""
        return self._offsets[symbol]

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._offsets

    @property
    def data(self) -> bytes:
        return bytes(self._data)
