"""Code out of ELF files: by a function's name, and by addresses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.pyqemu_ir.golden import Ran, run
from tests.translator.program.test_elf import RICH
from tests.translator.program.toy import MACHINE, TEXT

TOY = Path(__file__).parents[2] / "targets/toy"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program of the toy architecture: functions main, inner and tail, of which tail has no size."""
    file = tmp_path / "program"
    file.write_bytes(RICH.packed())
    return file


def assembly(program: Path, *arguments: str) -> Ran:
    """The first stage."""
    return run("dump", "--elf", str(program), "--target", str(TOY), "--stage", "asm", *arguments)


def test_symbol(program: Path) -> None:
    """A function is a range with a name."""
    ran = assembly(program, "--symbol", "main")
    assert (ran.status, ran.errors) == (0, "")
    title, *lines = ran.output.splitlines()
    assert title == "; guest code, main"
    numbered = [line for line in lines if line.startswith(" ")]
    assert [int(line.split(":")[0], 16) for line in numbered] == list(range(TEXT, TEXT + 44, 4))
    by_range = assembly(program, "--range", f"{TEXT:#x}:{TEXT + 44}")
    assert by_range.output.splitlines()[1:] == lines


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--symbol", "nobody"), "no function 'nobody' among its symbols; --range takes addresses"),
        (("--symbol", "tail"), f"symbol tail at {TEXT + 52:#x} has no size; give its --range"),
        (("--range", f"{TEXT}:{TEXT + 0x100000}"), f"{TEXT:#x}:{TEXT + 0x100000:#x} is not all code"),
        (("--range", "0:4"), "0x0:0x4 is not all code"),
    ],
)
def test_mistakes(program: Path, arguments: tuple[str, ...], message: str) -> None:
    """What is not there is said, with the file."""
    ran = assembly(program, *arguments)
    assert (ran.status, ran.output, ran.errors) == (1, "", f"pyqemu-ir: {program}: {message}\n")


def test_unknown_machine(program: Path) -> None:
    """Without --target the architecture is the program's."""
    ran = run("dump", "--elf", str(program), "--symbol", "main")
    message = f"pyqemu-ir: no architecture is installed for programs of ELF machine {MACHINE}\n"
    assert (ran.status, ran.errors) == (1, message)


def test_a_guard_is_shown_before_what_it_guards() -> None:
    ran = run("dump", "add.ne r1, r2, r3", "--target", str(TOY), "--stage", "ir,filled")
    assert (ran.status, ran.errors) == (0, "")
    guard, body, filled = ran.output.split("\n; ")
    assert "IR of its guard" in guard and "ret %" in guard
    assert "branch" not in body and "branch" in filled
    ran = run("dump", "add.al r1, r2, r3", "--target", str(TOY), "--stage", "ir,filled")
    assert "guard" not in ran.output and "branch" not in ran.output


def test_a_region_steps_the_context() -> None:
    ran = run("dump", "if.eq #1", "add r1, r1, #1", "ret", "--target", str(TOY), "--stage", "ir")
    assert (ran.status, ran.errors) == (0, "") and "branch" in ran.output
