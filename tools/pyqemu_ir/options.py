"""The options of `pyqemu-ir`."""

from __future__ import annotations

import argparse
from pathlib import Path

from pyqemu.hostgen.hosts import x86_64
from pyqemu.tools.command import Parser
from pyqemu.tools.pyqemu_ir.report import STAGES

_ABOUT = "pyqemu-ir: shows what becomes of guest instructions, stage by stage."
_EXAMPLES = """\
examples:
  pyqemu-ir dump 8b020020                                   one instruction, as a word
  pyqemu-ir dump 'add x0, x1, x2' --stage ir,stencil        as assembly; two stages only
  pyqemu-ir dump --elf ./program --symbol main --diff       a function as a region; what each pass changed
  pyqemu-ir dump --elf ./program --range 0x400:0x480 --run-until passes
  pyqemu-ir dump 8b020020 --stage ir | pyqemu-ir dump --ir -   what is printed as IR is read back
  pyqemu-ir explain 'ldr x0, [x1]'                          one page about one instruction
"""


def _stages() -> str:
    lines = [f"  {name:10}{what}" for name, what in STAGES.items()]
    return "stages:\n" + "\n".join(lines) + "\n\n"


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = Parser(
        prog="pyqemu-ir", description=_ABOUT, epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    raw = argparse.RawDescriptionHelpFormatter
    about = "show code at each stage of its translation"
    dump = commands.add_parser("dump", help=about, description=about, epilog=_stages() + _EXAMPLES, formatter_class=raw)
    _add_input(dump)
    _add_output(dump)
    _add_architecture(dump)
    about = "one page about one instruction"
    explain = commands.add_parser("explain", help=about, description=about, epilog=_EXAMPLES, formatter_class=raw)
    explain.add_argument("code", metavar="CODE", help="the instruction, as hex or as assembly; - reads it from stdin")
    explain.add_argument("--here", default="0", metavar="ADDRESS", help="where it stands (default: 0)")
    explain.add_argument("--json", action="store_true", help="print one JSON object")
    _add_architecture(explain)
    return made


def _add_input(dump: argparse.ArgumentParser) -> None:
    group = dump.add_argument_group("what is shown")
    group.add_argument(
        "code", nargs="*", metavar="CODE", help="instructions, each as hex or as assembly; - reads them from stdin"
    )
    group.add_argument("--elf", type=Path, metavar="FILE", help="code of this program or library")
    group.add_argument("--symbol", metavar="NAME", help="the function NAME of FILE")
    group.add_argument("--range", metavar="START:END", help="these addresses of FILE, as linked; END is not included")
    group.add_argument("--ir", metavar="FILE", help="IR, as this program prints it, out of FILE; - reads it from stdin")
    group.add_argument("--here", default="0", metavar="ADDRESS", help="where the first CODE stands (default: 0)")
    group.add_argument(
        "--as", dest="kind", choices=("instruction", "region"),
        help="instructions one by one, or together (default: together if there are several)",
    )  # fmt: skip


def _add_output(dump: argparse.ArgumentParser) -> None:
    group = dump.add_argument_group("how it is shown")
    group.add_argument("--run-until", metavar="STAGE", help="go no further than this stage")
    group.add_argument("--stage", metavar="A,B", help="show only these stages")
    group.add_argument(
        "-p", "--passes", metavar="PASSES", help="run these: 'defer_flags{flags=N;Z}, promote_state, dce'; '' for none"
    )
    group.add_argument(
        "--print-after", metavar="PASS", help="show IR after this pass, or after `all` (default: after each change)"
    )
    group.add_argument("--diff", action="store_true", help="show what passes changed, as unified differences")
    group.add_argument("--time-passes", action="store_true", help="show how long passes took, ours and LLVM's")
    group.add_argument("--json", action="store_true", help="print one JSON object, stages by name")


def _add_architecture(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("architectures")
    group.add_argument(
        "--target", metavar="NAME", help="an installed architecture, or a description's folder (default: the program's)"
    )
    group.add_argument("--cpu", metavar="MODEL", help="CPU model, as for pyqemu-user (default: the first)")
    group.add_argument("--level", choices=sorted(x86_64.LEVELS), default="v3", help="host level (default: v3)")
    group.add_argument("--ctx", action="append", default=[], metavar="NAME=VALUE", help="a context variable's value")
