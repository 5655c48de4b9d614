"""The command `pyqemu-ir`."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence

from pyqemu.tools.installed import NotInstalled
from pyqemu.tools.pyqemu_ir.dump import dump
from pyqemu.tools.pyqemu_ir.explain import explain
from pyqemu.tools.pyqemu_ir.mistakes import Mistake
from pyqemu.tools.pyqemu_ir.options import parser
from pyqemu.translator.errors import GuestFileError, IrSyntaxError, UnsupportedError

_MISTAKE, _BUG = 1, 2
_COMMANDS: dict[str, Callable[[argparse.Namespace], str]] = {"dump": dump, "explain": explain}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; gives its exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = parser().parse_args(given)
    try:
        sys.stdout.write(_COMMANDS[options.command](options))
        sys.stdout.flush()
    except (Mistake, NotInstalled, GuestFileError, IrSyntaxError, UnsupportedError) as error:
        print(f"pyqemu-ir: {error}", file=sys.stderr)
        return _MISTAKE
    except BrokenPipeError:  # whoever reads has seen enough; nothing is to be said at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _MISTAKE
    except OSError as error:
        print(f"pyqemu-ir: {error.filename or 'stdout'}: {error.strerror}", file=sys.stderr)
        return _MISTAKE
    except Exception:
        traceback.print_exc()
        print("pyqemu-ir: this is a bug of pyqemu; please report it with the text above and", file=sys.stderr)
        print(f"  the arguments: {given}", file=sys.stderr)
        return _BUG
    return 0


if __name__ == "__main__":
    sys.exit(main())
