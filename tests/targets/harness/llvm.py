"""The texts of LLVM's disassembler, of a version that knows the newer extensions, as Capstone does not."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence

import pytest

PROGRAM = "llvm-mc-19"


def texts(codes: Iterable[bytes], triple: str, features: Sequence[str], *options: str) -> list[str | None]:
    """The text of each instruction, with single spaces; None for what is invalid or UNPREDICTABLE.

    Skips the test without the program.
    """
    if shutil.which(PROGRAM) is None:
        pytest.skip(f"needs {PROGRAM}")
    lines = [f"[{' '.join(f'{byte:#x}' for byte in code)}]" for code in codes]  # in brackets: as a whole, or not at all
    attributes = ",".join(f"+{name}" for name in features)
    command = [PROGRAM, "--disassemble", f"-triple={triple}", f"-mattr={attributes}", *options]
    done = subprocess.run(command, input="\n".join(lines), capture_output=True, check=False, text=True)
    warnings = dict(re.findall(r"<stdin>:(\d+):\d+: warning: (invalid|potentially undefined)", done.stderr))
    found = iter(line for line in done.stdout.splitlines() if line.startswith("\t") and "\t." not in line)
    result: list[str | None] = []
    for number in range(1, len(lines) + 1):
        warning = warnings.get(str(number))
        text = None if warning == "invalid" else " ".join(next(found).split())
        result.append(None if warning else text)
    assert next(found, None) is None
    return result
