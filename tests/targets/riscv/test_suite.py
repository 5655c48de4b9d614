"""The architecture's own tests (riscv-software-src/riscv-tests) as Linux programs.

`RISCV_TESTS` names a checkout; without it nothing is run. Its environments want machine mode, so suite/riscv_test.h is
one for user mode. RV32's suites wait for a 32-bit Linux personality.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.paths import pyqemu_user

CHECKOUT = os.environ.get("RISCV_TESTS", "")
COMPILER = "riscv64-linux-gnu-gcc"
SUITES = {  # and what the assembler has to know; older binutils do not know all of it
    "rv64ui": "", "rv64um": "", "rv64ua": "", "rv64uf": "", "rv64ud": "", "rv64uc": "",
    "rv64uzba": "_zba", "rv64uzbb": "_zbb", "rv64uzbc": "_zbc", "rv64uzbs": "_zbs",
    "rv64uzfh": "_zfh", "rv64uzicond": "_zicond",
}  # fmt: skip
#: What a user program cannot do.
NOT_RUN = {"ma_data": "its results are the environment's"}


def programs(suite: str) -> list[Path]:
    """The sources of a suite."""
    return [p for p in sorted(Path(CHECKOUT, "isa", suite).glob("*.S")) if p.stem not in NOT_RUN]


def compile_test(source: Path, extensions: str, program: Path) -> str:
    """What the compiler complains of; empty if it made the program."""
    here = Path(__file__).parent / "suite"
    macros = Path(CHECKOUT, "isa/macros/scalar")
    march = f"-march=rv64gc{extensions}"
    # -N: some write to their code
    options = ["-nostdlib", "-nostartfiles", "-static", "-Wl,--no-relax,-N", march, "-mabi=lp64d"]
    command = [COMPILER, *options, f"-I{here}", f"-I{macros}", "-o", program, source]
    return subprocess.run(command, capture_output=True, check=False, text=True).stderr


@pytest.mark.skipif(not CHECKOUT, reason="RISCV_TESTS names no checkout of riscv-tests")
@pytest.mark.parametrize("suite", SUITES)
def test_suite(suite: str, tmp_path: Path) -> None:
    """Every program ends with status 0; another one is the number of the test that failed."""
    if shutil.which(COMPILER) is None:
        pytest.skip(f"needs {COMPILER}")
    sources = programs(suite)
    assert sources
    wrong: list[str] = []
    for source in sources:
        program = tmp_path / source.stem
        complaint = compile_test(source, SUITES[suite], program)
        if "unknown prefixed ISA extension" in complaint or "unrecognized opcode" in complaint:
            pytest.skip(f"{COMPILER} does not know {SUITES[suite] or suite}")
        if not program.exists():
            wrong.append(f"{source.stem} cannot be compiled: {complaint[:300]}")
            continue
        status = subprocess.run([pyqemu_user(), "-cpu", "max", program], check=False, timeout=60).returncode
        if status != 0:
            wrong.append(f"{source.stem}: {f'test {status}' if status > 0 else f'signal {-status}'}")
    assert not wrong, "\n".join(wrong)
