"""Rules that hold for the tree as a whole."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: Architectures' names; design.md §3: only `targets/` may know one (host descriptions apart).
NAMES = re.compile(rb"(?i)(?<![a-z])(aarch64|arm(64|v\d|hf|el)?|a64|[at]32|riscv|rv(32|64))(?![a-z])")


def tracked(*folders: str) -> list[Path]:
    """Files that git tracks, or would, below `folders`."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", *folders], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_no_architecture_outside_targets() -> None:
    """The translator, hostgen and the runtime name no architecture; `hosts/` folders describe hosts."""
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line.decode(errors='replace')}"
        for file in tracked("translator", "hostgen", "runtime")
        if "hosts" not in file.parent.relative_to(ROOT).parts
        for number, line in enumerate(file.read_bytes().splitlines(), 1)
        if NAMES.search(line)
    ]
    assert not found, "\n".join(found)


def test_modules_have_one_subject() -> None:
    """No source file is longer than 400 lines by much; every Python module says what it is for."""
    for file in tracked("translator", "hostgen", "runtime", "tools"):
        text = file.read_text(errors="replace") if file.suffix in (".py", ".cpp", ".hpp") else ""
        assert len(text.splitlines()) <= 420, file
        if file.suffix == ".py" and text.strip():
            assert text.lstrip().startswith('"""'), file
