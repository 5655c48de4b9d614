"""`pyqemu-ir dump`: what is asked for, through its stages."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from pyqemu.tools.command import Mistake, number
from pyqemu.tools.pyqemu_ir.architecture import Architecture, open_architecture
from pyqemu.tools.pyqemu_ir.decoded import Decoder
from pyqemu.tools.pyqemu_ir.guest_code import GuestCode, from_lines, from_range, from_symbol, parse_range, read_program
from pyqemu.tools.pyqemu_ir.instruction_dump import InstructionDump
from pyqemu.tools.pyqemu_ir.pass_stage import pass_options
from pyqemu.tools.pyqemu_ir.region_dump import RegionDump
from pyqemu.tools.pyqemu_ir.report import Report, chosen_stages
from pyqemu.translator.errors import VerifyError
from pyqemu.translator.ir.parser import parse_functions
from pyqemu.translator.ir.verifier import verify
from pyqemu.translator.program.image import Image


def dump(options: argparse.Namespace) -> str:
    """The text to be printed. Raises Mistake and the translator's errors about files and IR."""
    _check_input(options)
    report = Report(chosen_stages(options.run_until, options.stage), options.time_passes)
    passes = pass_options(options.passes, options.print_after, diff=options.diff)
    if options.ir is not None:
        architecture = _architecture(options)
        _dump_ir(_read(options.ir), RegionDump(Decoder(architecture), passes, report))
    else:
        code, architecture = _guest_code(options)
        _dump_code(options.kind, code, RegionDump(Decoder(architecture), passes, report))
    return report.json() + "\n" if options.json else report.text(colour=sys.stdout.isatty())


def _check_input(options: argparse.Namespace) -> None:
    """Exactly one kind of input, whole. Raises Mistake."""
    given = [bool(options.code), options.elf is not None, options.ir is not None]
    if sum(given) != 1:
        raise Mistake("one of CODE, --elf and --ir is wanted; see pyqemu-ir dump --help")
    if (options.symbol is not None) + (options.range is not None) != given[1]:
        raise Mistake("--elf FILE goes with --symbol NAME or --range START:END")


def _architecture(options: argparse.Namespace, image: Image | None = None) -> Architecture:
    return open_architecture(options.target, image, options.level, options.ctx, options.cpu)


def _guest_code(options: argparse.Namespace) -> tuple[GuestCode, Architecture]:
    if options.elf is None:
        architecture = _architecture(options)
        return from_lines(lines_of(options.code), architecture, number(options.here, "--here")), architecture
    file = read_program(options.elf)
    if options.symbol is not None:
        code = from_symbol(file, options.symbol)
    else:
        code = from_range(file, *parse_range(options.range))
    return code, _architecture(options, file.image)


def lines_of(code: Iterable[str]) -> list[str]:
    """The instructions on the command line, those of stdin in place of `-`; what follows `//` is a comment."""
    lines: list[str] = []
    for text in code:
        lines += sys.stdin.read().splitlines() if text == "-" else [text]
    return [line.partition("//")[0] for line in lines]


def _read(name: str) -> str:
    return sys.stdin.read() if name == "-" else Path(name).read_text()


def _dump_code(kind: str | None, code: GuestCode, regions: RegionDump) -> None:
    """One instruction by itself, several as a region, unless `kind` says otherwise."""
    if kind is None:
        first = regions.decoder.at(code, code.start)
        longest = max(unit.width for unit in regions.decoder.architecture.target.units) // 8
        kind = "instruction" if code.end - code.start <= (first.size if first else longest) else "region"
    if kind == "region":
        regions.code(code)
    else:
        InstructionDump(regions.decoder, regions.options, regions.report).code(code)


def _dump_ir(text: str, regions: RegionDump) -> None:
    """Each function by what it is. Raises IrSyntaxError or Mistake."""
    for function in parse_functions(text):
        try:
            verify(function)
        except VerifyError as error:
            raise Mistake(f"@{function.name}: {error}") from None
        if function.entry.terminator.name == "dispatch":
            regions.function(function)
        else:
            InstructionDump(regions.decoder, regions.options, regions.report).function(function)
