"""A copy of an architecture's folder under another name builds, and runs the same programs: nobody knows its name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_repository import ROOT, tracked

NAME, OTHER = "aarch64", "lorem"


def copy_renamed(place: Path) -> None:
    """The tracked tree, with the architecture's folder, its `arch` line, and nothing else, renamed."""
    for file in tracked("."):
        relative = file.relative_to(ROOT)
        parts = [
            OTHER if i == 1 and part == NAME and relative.parts[0] == "targets" else part
            for i, part in enumerate(relative.parts)
        ]
        target = place.joinpath(*parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
        target.chmod(file.stat().st_mode)
    main = place / "targets" / OTHER / "main.arch"
    text, count = re.subn(rf"(?m)^arch {NAME}\b", f"arch {OTHER}", main.read_text())
    assert count == 1
    main.write_text(text)


@pytest.mark.long
def test_copy_under_another_name(tmp_path: Path) -> None:
    """Builds pyqemu-user with the copy alone, and passes the applet and program tests with it."""
    source, build = tmp_path / "source", tmp_path / "build"
    copy_renamed(source)
    settings = (f"-DPYQEMU_TARGETS={OTHER}", "-DPYQEMU_LEVELS=v3", f"-DPython_EXECUTABLE={sys.executable}")
    subprocess.run(["cmake", "-S", source, "-B", build, *settings], check=True)
    subprocess.run(["cmake", "--build", build, "-j", "2"], check=True)
    environment = dict(os.environ) | {"PYQEMU_USER": str(build / "pyqemu-user")}
    tests = ["tests/guests/test_applets.py", "tests/guests/test_programs.py"]
    selected = ["-m", "not long", "-k", "not riscv64 and not armhf and not armel"]  # it is alone
    subprocess.run([sys.executable, "-P", "-m", "pytest", *selected, *tests], cwd=ROOT, env=environment, check=True)
