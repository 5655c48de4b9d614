"""Modules compiled by several processes, for whoever asks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
from pyqemu.hostgen.hosts import x86_64
from pyqemu.hostgen.objects import compile_batches

host = x86_64.host("v1")
text = 'target triple = "{}"\\n\\ndefine i32 @s{}() {{ ret i32 {} }}'
modules = [text.format(host.triple, number, number) for number in range(2)]
print([list(made.functions) for made in compile_batches(modules, host, 2)])
"""


@pytest.mark.parametrize("way", ["file", "stdin"])
def test_a_script_that_cannot_be_run_again(way: str, tmp_path: Path) -> None:
    """It may ask as it is read, without a guard for the processes that are started."""
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, str(tmp_path / "script.py") if way == "file" else "-"]
    ran = subprocess.run(command, input=SCRIPT, capture_output=True, text=True)
    assert ran.stdout == "[['s0'], ['s1']]\n", ran.stderr
