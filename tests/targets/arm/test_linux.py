"""What Linux programs see: the CPU model, as QEMU shows it, and calls that only old programs make."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.guests.architectures import ARMEL, ARMHF
from tests.paths import pyqemu_user
from tests.targets.linux_features import compile_static, output

HERE = Path(__file__).parent
#: Bits of AT_HWCAP and AT_HWCAP2 that QEMU's `max` has: BF16, and SSBS.
LEFT_OUT = {"hwcap": 1 << 26, "hwcap2": 1 << 6}
#: Lines of /proc/cpuinfo that QEMU writes otherwise than the kernel does.
WRITTEN_OTHERWISE = {"model name", "CPU architecture", "CPU variant", "CPU part"}

PARTS = {"arm926": "0x926", "cortex-a7": "0xc07", "cortex-a9": "0xc09", "cortex-a15": "0xc0f"}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_static(ARMEL, HERE / "features.c", tmp_path_factory.mktemp("features"))


def shown(command: Sequence[str | Path], program: Path) -> dict[str, str]:
    """What the program says, by the name before it."""
    lines = output([*command], program).replace("\t", "").splitlines()
    parts = (line.partition(":" if ":" in line else " ") for line in lines)
    return {name: value.strip() for name, _, value in parts}


def both(program: Path, model: str) -> tuple[dict[str, str], dict[str, str]]:
    """Under pyqemu-user, and QEMU."""
    return shown([pyqemu_user(), "-cpu", model], program), shown([ARMEL.emulator, "-cpu", model], program)


@pytest.mark.parametrize("model", PARTS)
def test_models(program: Path, model: str) -> None:
    ours, theirs = both(program, model)
    assert ours["CPU part"] == PARTS[model]
    for name in WRITTEN_OTHERWISE:
        del ours[name]
        theirs.pop(name, None)
    assert ours == theirs


def test_the_model_that_has_everything(program: Path) -> None:
    """It has nothing that QEMU's has not."""
    ours, theirs = both(program, "max")
    for name, left_out in LEFT_OUT.items():
        assert int(ours[name], 16) ^ int(theirs[name], 16) == left_out, name
    assert set(theirs["Features"].split()) - set(ours["Features"].split()) == {"asimdbf16", "ssbs"}
    assert (ours["machine"], ours["platform"]) == (theirs["machine"], theirs["platform"])


def test_big_endian(tmp_path: Path) -> None:
    """Translated code and QEMU agree about what is loaded and stored."""
    program = tmp_path / "big_endian"
    options = ["-O1", "-static", "-marm", "-march=armv8.2-a+fp16+simd", "-w"]
    source = HERE / "big_endian.c"
    subprocess.run([f"{ARMHF.compiler}gcc", *options, "-o", program, source], check=True, capture_output=True)
    ours = output([pyqemu_user(), "-cpu", "max"], program)
    assert ours == output([ARMHF.emulator, "-cpu", "max"], program)
    assert ours.endswith("handler 1 4030201\n")


OLD_CALLS = """\
sigaction 0
sigaction query 0 1 800 10000000
sigaction bad -22 -22
sigaction fault -14
sigprocmask 0 0
sigpending 0 200 0
sigsuspend -4 1 a00
sigprocmask after 0 200
sigprocmask bad -22
high signals stay 1
"""
ENTRIES = ((".", 4), ("..", 4), ("a", 8), ("bb", 8), ("ccc", 8), ("dddd", 8), ("eeeee", 8), ("ffffff", 8), ("g", 4))


def test_old_calls(tmp_path: Path) -> None:
    program = compile_static(ARMEL, HERE / "old_calls.c", tmp_path)
    folder = tmp_path / "empty"
    folder.mkdir()
    command = [pyqemu_user(), "-cpu", "arm926", program]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder)
    entries = [f"  {name} {kind} {(10 + len(name) + 2 + 3) // 4 * 4}\n" for name, kind in (*ENTRIES, ("n" * 255, 8))]
    listing = "".join(entries)
    assert done.stdout == (
        f"{OLD_CALLS}getdents 8192 ends with 0\n{listing}getdents 280 ends with 0\n{listing}"
        "getdents 8 ends with -22\ngetdents bad -9\nnice 0 1\nnice 0 19\n"
    )
