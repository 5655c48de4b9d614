"""The command `pyqemu-ir`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from pyqemu.tools.command import Mistake, carry_out
from pyqemu.tools.installed import NotInstalled
from pyqemu.tools.pyqemu_ir.dump import dump
from pyqemu.tools.pyqemu_ir.explain import explain
from pyqemu.tools.pyqemu_ir.options import parser
from pyqemu.translator.errors import GuestFileError, IrSyntaxError, UnsupportedError

_COMMANDS: dict[str, Callable[[argparse.Namespace], str]] = {"dump": dump, "explain": explain}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; gives its exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = parser().parse_args(given)

    def action() -> int:
        sys.stdout.write(_COMMANDS[options.command](options))
        return 0

    mistakes = (Mistake, NotInstalled, GuestFileError, IrSyntaxError, UnsupportedError)
    return carry_out("pyqemu-ir", given, action, mistakes)


if __name__ == "__main__":
    sys.exit(main())
