"""docs/howto/architecture.md, tried: its blocks are put into files, its commands run, their outputs compared.

`--bless` writes what comes out into the page.
"""

from __future__ import annotations

import io
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from pyqemu.hostgen.hosts import x86_64
from pyqemu.tools.pyqemu_arch.__main__ import main as arch
from pyqemu.tools.pyqemu_ir.__main__ import main as ir

PAGE = Path(__file__).parents[2] / "docs/howto/architecture.md"
#: A block: its language, its file, its text.
_BLOCK = re.compile(r"(?<=^```)(\w+)(?: (\S+))?\n(.*?)(?=^```$)", re.M | re.S)
_SECONDS = re.compile(r"\d+\.\d s$", re.M)
_COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {"pyqemu-arch": arch, "pyqemu-ir": ir}


def made(page: str, folder: Path) -> str:
    """The page with the outputs that its commands give when it is followed in `folder`."""

    def follow(block: re.Match[str]) -> str:
        language, name, text = block.groups()
        if language == "console":
            commands = re.findall(r"^\$ .*\n", text, re.M)
            text = "".join(command + output(command.removeprefix("$ ")) for command in commands)
            return f"console\n{text}"
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        with path.open("a") as file:
            file.write(text)
        return block[0]

    return _BLOCK.sub(follow, page)


def output(line: str) -> str:
    """What a command prints."""
    command, *arguments = shlex.split(line)
    if command == "python":
        run = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
        return run.stdout + run.stderr
    written = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    with redirect_stdout(written), redirect_stderr(written):
        _COMMANDS[command](arguments)
    written.seek(0)
    return _SECONDS.sub("1.0 s", written.read())


def test_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "v3" not in x86_64.supported_levels():
        pytest.skip("the page shows host code of level v3")
    monkeypatch.chdir(tmp_path)
    before = PAGE.read_text()
    after = made(before, tmp_path)
    assert len(_BLOCK.findall(after)) >= 20
    if request.config.getoption("bless"):
        PAGE.write_text(after)
    assert after == before or request.config.getoption("bless")
