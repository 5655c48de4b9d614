"""One instruction through all stages; what becomes of it is a stencil."""

from __future__ import annotations

from dataclasses import dataclass

from pyqemu.hostgen.library import stencils_text
from pyqemu.hostgen.lower import Machine
from pyqemu.hostgen.stencils import Stencil, make_stencil
from pyqemu.tools.command import Mistake
from pyqemu.tools.pyqemu_ir.asm_stage import add_assembly, add_decoding
from pyqemu.tools.pyqemu_ir.baseline import Baseline, read_stencils
from pyqemu.tools.pyqemu_ir.decoded import Decoded, Decoder
from pyqemu.tools.pyqemu_ir.guest_code import GuestCode
from pyqemu.tools.pyqemu_ir.llvm_stage import compile_text
from pyqemu.tools.pyqemu_ir.pass_stage import PassOptions, run_passes
from pyqemu.tools.pyqemu_ir.report import Report
from pyqemu.tools.pyqemu_ir.stencil_stage import add_stencils, code_text
from pyqemu.translator.adl.elaborate import LIGHT_PASSES, Elaborator
from pyqemu.translator.ir.function import Function
from pyqemu.translator.ir.printer import print_function
from pyqemu.translator.static import Field, StaticExpr, fields_of


@dataclass(frozen=True, slots=True)
class InstructionDump:
    """Shows instructions of one architecture."""

    decoder: Decoder
    options: PassOptions
    report: Report

    @property
    def _machine(self) -> Machine:
        return self.decoder.architecture.machine

    def code(self, code: GuestCode) -> None:
        """Each instruction of `code` by itself. Raises Mistake."""
        offset = code.start
        while offset < code.end:
            one = self.decoder.one(code, offset)
            self._instruction(one)
            offset += one.size

    def _instruction(self, one: Decoded) -> None:
        report, architecture = self.report, self.decoder.architecture
        add_assembly(report, one.encoding.name, [one], {})
        add_decoding(report, architecture.target, [one], architecture.cpu)
        if not report.needs_beyond("decode"):
            return
        with report.timing("elaboration"):
            function = self._shape(one)
        if one.guard is not None:
            report.add("ir", "IR of its guard, which is asked first", print_function(one.guard))
        report.add("ir", "IR, as lifted, with holes", print_function(function))
        if report.wants("filled"):
            filled = architecture.target.elaborator.lift(one.encoding, one.fields, architecture.context)
            assert isinstance(filled, Function)
            report.add("filled", "IR, with fields filled in", print_function(filled))
        run_passes(function, LIGHT_PASSES, self.options, report)
        names = [field.name for field in one.encoding.fields]
        self._compile(function, names, one.size)
        if report.wants("stencil"):
            baseline = Baseline(self.decoder)
            add_stencils(report, baseline, baseline.choose([one]))

    def _shape(self, one: Decoded) -> Function:
        """The instruction's shape before anything cleaned it up."""
        assert one.shape is not None
        elaborator = Elaborator(self.decoder.architecture.target.model, clean_up=None)
        function = elaborator.shape(one.encoding, one.shape.decisions, one.shape.leaf.label)
        assert isinstance(function, Function)
        return function

    def _compile(self, function: Function, fields: list[str], size: int) -> tuple[Stencil, bytes] | None:
        report, machine = self.report, self._machine
        if not report.needs("llvm", "llvm-opt"):
            return None
        with report.timing("lowering"):
            stencil = make_stencil(function.name, function, machine, fields=fields, unit_bytes=size)
        data = compile_text(stencils_text([stencil], machine.host), machine.host, report)
        return None if data is None else (stencil, data)

    def function(self, function: Function) -> None:
        """An instruction that is given as IR; its stencil has its holes open."""
        report, machine = self.report, self._machine
        if function.entry.arguments or function.results:
            raise Mistake(f"@{function.name}: only instructions and regions can be shown, not outlined functions")
        report.add("ir", "IR, as given", print_function(function))
        run_passes(function, LIGHT_PASSES, self.options, report)
        if not report.needs_beyond("passes"):
            return
        size = self.decoder.architecture.target.units[0].size
        with report.timing("lowering"):
            stencil = make_stencil(function.name, function, machine, fields=_field_names(function), unit_bytes=size)
        data = compile_text(stencils_text([stencil], machine.host), machine.host, report)
        if data is not None and report.wants("stencil"):
            (compiled,) = read_stencils(data, [stencil], machine)
            report.add("stencil", f"stencil {function.name}, its holes open", code_text(compiled, None, machine))


def _field_names(function: Function) -> list[str]:
    """The fields that a function's decode-time expressions name."""
    found: dict[str, None] = {}
    for block in function.blocks:
        for op in block.ops:
            for value in op.attrs.values():
                if not isinstance(value, (str, tuple, bool)) and value is not None:
                    found.update(dict.fromkeys(sorted(field.name for field in _fields(value))))
    return list(found)


def _fields(expr: StaticExpr) -> frozenset[Field]:
    return fields_of(expr)
