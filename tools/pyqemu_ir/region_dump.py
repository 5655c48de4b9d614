"""A region through all stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pyqemu.hostgen.listing import Line, Marks, listing, listing_text
from pyqemu.hostgen.lower import Machine
from pyqemu.hostgen.pack_format import EXIT_KINDS
from pyqemu.hostgen.region_object import CompiledRegion, effort_for, module_text, read_regions
from pyqemu.hostgen.regions import EXITS, RegionText, region_text
from pyqemu.tools.command import Mistake
from pyqemu.tools.pyqemu_ir.asm_stage import add_assembly, add_decoding
from pyqemu.tools.pyqemu_ir.baseline import Baseline
from pyqemu.tools.pyqemu_ir.decoded import Decoded, Decoder
from pyqemu.tools.pyqemu_ir.guest_code import GuestCode
from pyqemu.tools.pyqemu_ir.llvm_stage import compile_text
from pyqemu.tools.pyqemu_ir.pass_stage import PassOptions, run_passes
from pyqemu.tools.pyqemu_ir.report import Report
from pyqemu.tools.pyqemu_ir.stencil_stage import add_stencils, state_name
from pyqemu.translator.ir.cfg import has_loops
from pyqemu.translator.ir.function import Function
from pyqemu.translator.ir.printer import print_function
from pyqemu.translator.lift.instructions import Reader
from pyqemu.translator.lift.region import Region, lift
from pyqemu.translator.lift.trace import Trace, trace
from pyqemu.translator.passes.promote_state import registers_of
from pyqemu.translator.passes.region_pipeline import region_pipeline

_SHOWN_ADDEND = -4  # a relative field counts from its own end


@dataclass(frozen=True, slots=True)
class RegionDump:
    """Shows regions of one architecture."""

    decoder: Decoder
    options: PassOptions
    report: Report

    @property
    def _machine(self) -> Machine:
        return self.decoder.architecture.machine

    def code(self, code: GuestCode) -> None:
        """A region that is entered at the start of `code`, and what there is of it. Raises Mistake."""
        report, target = self.report, self.decoder.architecture.target
        reader = Reader(target, target, code, self.decoder.architecture.context)
        found = trace(reader, [code.start], code.inside)
        lines = list(self.decoder.all(code))
        add_assembly(report, code.name, lines, _labels(found))
        instructions = [line for line in lines if isinstance(line, Decoded)]
        add_decoding(report, target, instructions, self.decoder.architecture.cpu)
        if report.needs_beyond("decode"):
            self._region(found, reader, code)
        if report.wants("stencil"):
            baseline = Baseline(self.decoder)
            add_stencils(report, baseline, baseline.choose([one for one in instructions if one.shape]))

    def _region(self, found: Trace, reader: Reader, code: GuestCode) -> None:
        if not found.entries:
            raise Mistake(f"{code.name}: it begins with what regions do not do; try --as instruction")
        with self.report.timing("lifting"):
            region = lift(found, reader, code.name, self.decoder.architecture.target.functions())
        title = f"IR, as lifted, of {region.instructions} guest instructions"
        self.report.add("ir", title, print_function(region.function))
        self.lower(region)

    def function(self, function: Function) -> None:
        """A region that is given as IR."""
        functions = self.decoder.architecture.target.functions()
        called = [op.attrs["fn"] for block in function.blocks for op in block.ops if op.name == "call"]
        entries: Sequence[int] = function.entry.terminator.attrs["entries"]
        region = Region(
            function.name, function, tuple(entries), (), 0, self.decoder.architecture.context, has_loops(function),
            registers_of(functions, called),
        )  # fmt: skip
        self.report.add("ir", "IR, as given", print_function(function))
        self.lower(region)

    def lower(self, region: Region) -> None:
        """The stages from the passes on; they change the region's function."""
        report = self.report
        usual = region_pipeline(region, self.decoder.architecture.target.registers)
        if report.needs_beyond("ir"):
            run_passes(region.function, usual, self.options, report)
        if not report.needs("llvm", "llvm-opt", "host"):
            return
        with report.timing("lowering"):
            text = region_text(region, self._machine, zero_membase=True)
        host = self._machine.host
        data = compile_text(module_text([text], host), host, report, effort_for(text.region))
        if data is not None and report.wants("host"):
            (made,) = read_regions(data, [text], host)
            title = f"host code, {host.level.name}, {len(made.code)} bytes"
            report.add("host", title, region_code(made, text, self._machine))


def _labels(found: Trace) -> Mapping[int, Sequence[str]]:
    """The names of blocks in the IR, and what they are."""
    labels: dict[int, list[str]] = {}
    for leader in sorted(found.leaders):
        kinds = [kind for kind, there in (("entry", found.entries), ("loop", found.loop_heads)) if leader in there]
        labels[leader] = [f"i{leader:x}" + (f" ({', '.join(kinds)})" if kinds else "")]
    return labels


# --- host code -----------------------------------------------------------------------------------


def region_code(made: CompiledRegion, text: RegionText, machine: Machine) -> str:
    """A region's code, with its entries, landings, accesses and exits named."""
    marks = Marks(state=partial(state_name, layout=machine.layout))
    for guest, offset in made.entries:
        marks.label(offset, f"entry_{guest:x}")
        first = machine.host.disassemble(made.code, offset)
        if len(made.entries) > 1 and first is not None and first.target is not None:
            marks.label(first.target, f"inside_{guest:x}")
    for access in made.accesses:
        marks.note(access.access, f"access of {access.guest:x}, landing_{access.guest:x}")
        name = f"landing_{access.guest:x}"
        if name not in marks.labels.get(access.landing, ()):
            marks.label(access.landing, name)
    for patch in made.patches:
        marks.fields[patch.offset] = _symbol(patch.symbol, patch.addend, text)
    return listing_text(_parted(listing(made.code, machine.host, marks)))


def _symbol(symbol: str, addend: int, text: RegionText) -> str:
    if symbol != EXITS:
        return symbol
    number = (addend - _SHOWN_ADDEND) // 8
    exit_ = text.exits[number]
    kind = next(name for name, known in EXIT_KINDS.items() if known == exit_.kind)
    return f"exit {number}: {kind} {exit_.target:x}"


def _parted(lines: list[Line]) -> list[Line]:
    """Zeros and traps between pieces are left out."""
    return [line for line in lines if line.kind != "data" or set(line.text.split()) - {"cc", "00"}]
