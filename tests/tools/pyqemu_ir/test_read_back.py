"""IR that `pyqemu-ir` prints goes in again, and comes out the same host code."""

from __future__ import annotations

import json

import pytest

from tests.tools.pyqemu_ir.golden import TARGET, run

LOOPS = {
    "sum": "add x0, x0, x1\neor x0, x0, x2\nsub x1, x1, #1\ncbnz x1, #0",
    "flags": "ldr w3, [x1], #4\nadd x0, x0, x3\nsubs x2, x2, #1\nb.ne #0",
    "no loop": "str x0, [x1]\nldp x2, x3, [x4]\nbl #0x40",
    "floating point": "fadd d0, d0, d1\nfmul d2, d0, d0\nret",
}


def stages(*arguments: str, stdin: str = "") -> dict[str, object]:
    """What `pyqemu-ir dump --json` gives."""
    ran = run("dump", *arguments, "--json", "--target", TARGET, stdin=stdin)
    assert ran.status == 0, ran.errors
    return json.loads(ran.output)


@pytest.mark.parametrize("name", LOOPS)
def test_lifted_region(name: str) -> None:
    """As lifted: passes and LLVM make of it what they made of the code."""
    whole = stages("-", stdin=LOOPS[name])
    again = stages("--ir", "-", stdin=str(whole["ir"]))
    assert again["passes"] == whole["passes"]
    assert again["host"] == whole["host"]


@pytest.mark.parametrize("name", LOOPS)
def test_finished_region(name: str) -> None:
    """After the last pass, with no further ones."""
    whole = stages("-", stdin=LOOPS[name])
    passes = whole["passes"]
    assert isinstance(passes, list)
    again = stages("--ir", "-", "-p", "", stdin=passes[-1]["ir"])
    assert "passes" not in again
    assert again["host"] == whole["host"]


@pytest.mark.parametrize("text", ["add x0, x1, x2", "ldr w0, [x1, #4]!", "b.ge #0x40", "udiv x0, x1, x2"])
def test_instruction(text: str) -> None:
    """An instruction's stencil has the same code but for what is in its holes."""
    whole = stages(text)
    again = stages("--ir", "-", stdin=str(whole["ir"]))
    stencils = whole["stencil"]
    assert isinstance(stencils, list)
    assert mnemonics(str(again["stencil"])) == mnemonics(stencils[0]["code"])


def mnemonics(code: str) -> list[str]:
    """The instructions' names."""
    return [line.split()[1] for line in code.splitlines() if line.startswith(" ")]


def test_not_for_outlined_functions() -> None:
    """Functions with parameters are no instructions."""
    ran = run("dump", "--ir", "-", "--target", TARGET, stdin="func @f(%a:i64) -> (i64) {\n^entry:\n  ret %a\n}\n")
    assert ran.status == 1
    assert "only instructions and regions can be shown" in ran.errors


def test_wrong_ir() -> None:
    """IR that breaks the operations' rules is the user's mistake here."""
    ran = run("dump", "--ir", "-", "--target", TARGET, stdin="func @f {\n^entry:\n  %0:i64 = not %1\n  next\n}\n")
    assert (ran.status, ran.output) == (1, "")
