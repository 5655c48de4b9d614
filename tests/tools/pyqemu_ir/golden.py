"""Golden files: commands, each with the output that it must give.

A command's line begins with `$ pyqemu-ir`; its output goes up to the next one, or to the end of the block.
`{busybox}` stands for Debian's, `{tests}` for the tests' folder.
"""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from pyqemu.tools.pyqemu_ir.__main__ import main
from tests.guests import debian

PROMPT = "$ pyqemu-ir "
#: The architecture that the tests' instructions are for.
TARGET = "aarch64"
_TESTS = Path(__file__).parents[2]
_FUNCTION = re.compile(r"^func .*?^}\n", re.M | re.S)


@dataclass(frozen=True)
class Ran:
    """What a command wrote, and its exit status."""

    output: str
    errors: str
    status: int


def run(*arguments: str, stdin: str = "") -> Ran:
    """Runs `pyqemu-ir` in this process."""
    output, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(output), redirect_stderr(errors), patch("sys.stdin", io.StringIO(stdin)):
        try:
            status = main(arguments)
        except SystemExit as end:  # argparse
            status = int(end.code or 0)
    return Ran(output.getvalue(), errors.getvalue(), status)


def run_line(line: str) -> str:
    """What the command `line`, which begins with PROMPT, prints."""
    arguments = [_filled(word) for word in shlex.split(line.removeprefix(PROMPT))]
    if "--elf" not in arguments and "--target" not in arguments:
        arguments += ["--target", TARGET]
    ran = run(*arguments)
    assert ran.status == 0, ran.errors
    return ran.output


def _filled(word: str) -> str:
    if word == "{busybox}":
        return str(debian.package("busybox-static", "arm64") / "bin/busybox")
    return word.replace("{tests}", str(_TESTS))


def renewed(text: str, made: Callable[[str], str] = run_line) -> str:
    """A golden file's text with the outputs that its commands give now."""
    parts = re.split(r"^(?=\$ pyqemu-ir )", text, flags=re.M)
    return parts[0] + "\n".join(f"{part.splitlines()[0]}\n{made(part.splitlines()[0])}" for part in parts[1:])


def functions_in(text: str) -> list[str]:
    """All that is printed as IR in a text."""
    return _FUNCTION.findall(text)
