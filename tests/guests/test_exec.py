"""A guest's exec starts pyqemu-user again, every time, and nothing else."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.guests.architectures import AARCH64, ARCHITECTURES, Architecture
from tests.guests.waiting import patience
from tests.paths import pyqemu_user

SCRIPT = "for i in 1 2 3; do $0 true; done; exec $0 seq 2"


@pytest.mark.guest
@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_each_exec_enters_again(tmp_path: Path) -> None:
    """An strace of a shell script shows pyqemu-user, by the descriptor that it keeps, in every execve."""
    trace, busybox = tmp_path / "trace", AARCH64.busybox()
    # A file for each process: in one file a call may be told in two parts.
    strace = ["strace", "-ff", "-e", "trace=execve,execveat", "-o", trace]
    command = [*strace, pyqemu_user(), busybox, "sh", "-c", SCRIPT, busybox]
    done = subprocess.run(command, capture_output=True, check=True, timeout=patience(60))
    assert done.stdout == b"1\n2\n"
    text = "".join(path.read_text() for path in tmp_path.glob("trace.*"))
    found = re.findall(r"exec(?:ve|veat)\((.*?)\)\s+= 0", text)
    calls = [call for call in found if "pyqemu-worker" not in call]  # which is no guest's
    assert len(calls) == 5  # pyqemu-user itself, three children, and the shell's own exec
    (first,) = (call for call in calls if call.startswith(f'"{pyqemu_user()}"'))
    for call in calls:
        assert call == first or "/proc/self/fd/" in call or "AT_EMPTY_PATH" in call, call


@pytest.mark.guest
@pytest.mark.parametrize("guest", ARCHITECTURES.values(), ids=str)
def test_script(tmp_path: Path, guest: Architecture) -> None:
    """A script is run for the architecture of its interpreter."""
    script = tmp_path / "script"
    script.write_text(f'#!{guest.busybox()} sh\nprintf "%s\\n" "$@"\n')
    script.chmod(0o755)
    done = subprocess.run([pyqemu_user(), script, "one", "two"], capture_output=True, check=True, timeout=patience(60))
    assert done.stdout == b"one\ntwo\n"


@pytest.mark.guest
def test_models() -> None:
    """`-cpu help` lists the models of each architecture."""
    done = subprocess.run([pyqemu_user(), "-cpu", "help"], capture_output=True, check=True, text=True)
    for guest in ARCHITECTURES.values():
        assert f"{guest.described_as}:\n" in done.stdout
        assert f"  {guest.cpu}\n" in done.stdout
