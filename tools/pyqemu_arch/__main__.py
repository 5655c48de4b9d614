"""The command `pyqemu-arch`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from pyqemu.tools.assembler import AssemblerErrors
from pyqemu.tools.command import MISTAKE, Mistake, carry_out
from pyqemu.tools.pyqemu_arch.code import asm, disasm
from pyqemu.tools.pyqemu_arch.description import build, check
from pyqemu.tools.pyqemu_arch.listing import show_list
from pyqemu.tools.pyqemu_arch.options import parser
from pyqemu.tools.pyqemu_arch.run import run
from pyqemu.translator.adl.errors import DescriptionError
from pyqemu.translator.errors import UnsupportedError
from pyqemu.translator.linux_table import LinuxTableError

_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "check": check, "build": build, "list": show_list, "asm": asm, "disasm": disasm, "run": run,
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; gives its exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = parser().parse_args(given)

    def action() -> int:
        try:
            return _COMMANDS[options.command](options)
        except DescriptionError as error:
            return _report([str(one) for one in error.all()])
        except AssemblerErrors as error:
            return _report(error.errors)

    return carry_out("pyqemu-arch", given, action, (Mistake, LinuxTableError, UnsupportedError))


def _report(errors: Sequence[str]) -> int:
    """Says what is wrong with a text, each with its place."""
    print("\n".join(errors), file=sys.stderr)
    print(f"{len(errors)} error{'s' if len(errors) > 1 else ''}", file=sys.stderr)
    return MISTAKE


if __name__ == "__main__":
    sys.exit(main())
