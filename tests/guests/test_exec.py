"""A guest's exec starts pyqemu-user again, every time, and nothing else."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.guests.architectures import AARCH64
from tests.paths import pyqemu_user

SCRIPT = "for i in 1 2 3; do $0 true; done; exec $0 seq 2"


@pytest.mark.guest
@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_each_exec_enters_again(tmp_path: Path) -> None:
    """An strace of a shell script shows pyqemu-user, by the descriptor that it keeps, in every execve."""
    trace, busybox = tmp_path / "trace", AARCH64.busybox()
    command = [
        "strace",
        "-f",
        "-e",
        "trace=execve,execveat",
        "-o",
        trace,
        pyqemu_user(),
        busybox,
        "sh",
        "-c",
        SCRIPT,
        busybox,
    ]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert done.stdout == b"1\n2\n"
    calls = re.findall(r"exec(?:ve|veat)\((.*?)\)\s+= 0", trace.read_text())
    assert len(calls) == 5  # pyqemu-user itself, three children, and the shell's own exec
    first, *others = calls
    assert str(pyqemu_user()) in first
    for call in others:
        assert "/proc/self/fd/" in call or "AT_EMPTY_PATH" in call, call
