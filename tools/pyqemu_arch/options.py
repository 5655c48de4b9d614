"""The options of `pyqemu-arch`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from pyqemu.hostgen.hosts import x86_64
from pyqemu.tools.command import Parser
from pyqemu.tools.own_architecture import best_level

_ABOUT = "pyqemu-arch: an architecture that you describe, in a folder with main.arch: checked, built, and run."
_EXAMPLES = """\
examples:
  pyqemu-arch check acc16                     what is wrong with the description, with file, line and advice
  pyqemu-arch build acc16                     its pack for this machine, in acc16/build
  pyqemu-arch list acc16                      registers, features, encodings
  pyqemu-arch asm acc16 hello.s -o hello.bin  the description's own assembly, with labels and data
  pyqemu-arch disasm acc16 hello.bin          and back
  pyqemu-arch run acc16 hello.bin             on a bare machine, until an exception stops it
  pyqemu-arch run acc16 hello.s --device out=putc

exit status: 0; 1: something is to be put right; 2: a mistake of pyqemu; 3: a program ended in a fault, an undefined
instruction, or was interrupted; 130: Ctrl-C
"""
_RUN = """\
The program lies in memory from --base on and begins at --entry. An exception of the description stops the machine; the
state is printed then. With addresses of up to 32 bits all of them are memory.

devices: --device EXCEPTION=putc writes the exception's first argument to stdout, as a byte; EXCEPTION=ignore does
nothing. The program goes on behind the instruction.
"""


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    raw = argparse.RawDescriptionHelpFormatter
    made = Parser(prog="pyqemu-arch", description=_ABOUT, epilog=_EXAMPLES, formatter_class=raw)
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, about: str, epilog: str = "") -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=about, description=about, epilog=epilog, formatter_class=raw)
        added.add_argument("folder", type=Path, metavar="FOLDER", help="the architecture's folder, with main.arch")
        added.add_argument("--variant", metavar="NAME", help="one of the variants that main.arch declares")
        return added

    command("check", "report what is wrong with a description")
    _add_build(command("build", "make an architecture's packs, where they are not current"))
    listing = command("list", "show an architecture's registers, features, models and encodings")
    listing.add_argument("--json", action="store_true", help="print one JSON object")
    asm = command("asm", "assemble a program", _assembly())
    _add_text(asm, "assembly", "from stdin")
    asm.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write the bytes there (default: print a listing)"
    )
    _add_text(command("disasm", "disassemble a program"), "bytes of a program", "from stdin")
    _add_run(command("run", "run a program on a bare machine", _RUN))
    return made


def _assembly() -> str:
    from pyqemu.tools import assembler

    return (assembler.__doc__ or "").partition("\n\n")[2]


def _add_build(build: argparse.ArgumentParser) -> None:
    _add_out(build)
    build.add_argument(
        "--level", action="append", choices=sorted(x86_64.LEVELS),
        help=f"host level, several times for several (default: this machine's, {best_level()})",
    )  # fmt: skip
    build.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes")
    build.add_argument(
        "--check", action="store_true", help="disassemble packs: no state may be written before what may fault"
    )


def _add_out(command: argparse.ArgumentParser) -> None:
    command.add_argument("-o", "--out", type=Path, metavar="DIR", help="where packs are (default: FOLDER/build)")


def _add_text(command: argparse.ArgumentParser, what: str, default: str) -> None:
    command.add_argument("file", type=Path, metavar="FILE", nargs="?", help=f"{what} (default: {default})")
    command.add_argument("--base", default="0", metavar="ADDRESS", help="where the first byte lies (default: 0)")
    _add_cpu(command)


def _add_cpu(command: argparse.ArgumentParser) -> None:
    command.add_argument("--cpu", metavar="MODEL", help="CPU model, as in max,mul=off (default: the first)")
    command.add_argument("--ctx", action="append", default=[], metavar="NAME=VALUE", help="a context variable's value")


def _add_run(run: argparse.ArgumentParser) -> None:
    run.add_argument("file", type=Path, metavar="PROGRAM", help="its bytes, or assembly if the name ends in .s")
    run.add_argument("--base", default="0", metavar="ADDRESS", help="where its first byte lies (default: 0)")
    run.add_argument("--entry", metavar="ADDRESS", help="where it begins (default: at --base)")
    run.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a register's value at the start")
    run.add_argument("--device", action="append", default=[], metavar="EXCEPTION=WHAT", help="see below")
    run.add_argument(
        "--dump", action="append", default=[], metavar="ADDRESS:SIZE", help="memory to be shown at the end"
    )
    run.add_argument("--memory", default="0x1000000", metavar="BYTES", help="where addresses have more than 32 bits")
    run.add_argument("--timeout", type=float, metavar="SECONDS", help="stop it after so long")
    run.add_argument("-q", "--quiet", action="store_true", help="print nothing but what the program does")
    run.add_argument("--json", action="store_true", help="print the end as one JSON object")
    _add_out(run)
    _add_cpu(run)
