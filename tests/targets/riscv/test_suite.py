"""The architecture's own tests (riscv-software-src/riscv-tests) as Linux programs.

`RISCV_TESTS` names a checkout; without it nothing is run. Its environments want machine mode, so suite/riscv_test.h is
one for user mode.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.paths import pyqemu_user

CHECKOUT = os.environ.get("RISCV_TESTS", "")
COMPILER = "riscv64-linux-gnu-gcc"
ABI = {32: "ilp32d", 64: "lp64d"}  # by the width of registers
#: What follows `rv32u` and `rv64u` in suites' names, and what the assembler has to know; older ones do not know all.
EXTENSIONS = {
    "i": "", "m": "", "a": "", "f": "", "d": "", "c": "",
    "zba": "_zba", "zbb": "_zbb", "zbc": "_zbc", "zbs": "_zbs", "zfh": "_zfh", "zicond": "",
}  # fmt: skip
#: What a user program cannot do.
NOT_RUN = {"ma_data": "its results are the environment's"}


def programs(suite: str) -> list[Path]:
    """The sources that a suite's makefile names; there are others."""
    folder = Path(CHECKOUT, "isa", suite)
    (names,) = re.findall(rf"(?m)^{suite}_sc_tests = ((?:.*\\\n)*.*)", (folder / "Makefrag").read_text())
    return [folder / f"{name}.S" for name in names.replace("\\", " ").split() if name not in NOT_RUN]


def compile_test(source: Path, xlen: int, extensions: str, program: Path) -> str:
    """What the compiler complains of; empty if it made the program."""
    here = Path(__file__).parent / "suite"
    macros = Path(CHECKOUT, "isa/macros/scalar")
    march, abi = f"-march=rv{xlen}gc{extensions}", f"-mabi={ABI[xlen]}"
    # -N: some write to their code
    options = ["-nostdlib", "-nostartfiles", "-static", "-Wl,--no-relax,-N", march, abi]
    command = [COMPILER, *options, f"-I{here}", f"-I{macros}", "-o", program, source]
    return subprocess.run(command, capture_output=True, check=False, text=True).stderr


@pytest.mark.skipif(not CHECKOUT, reason="RISCV_TESTS names no checkout of riscv-tests")
@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize("xlen", ABI)
def test_suite(xlen: int, extension: str, tmp_path: Path) -> None:
    """Every program ends with status 0; another one is the number of the test that failed."""
    if shutil.which(COMPILER) is None:
        pytest.skip(f"needs {COMPILER}")
    sources = programs(f"rv{xlen}u{extension}")
    assert sources
    wrong: list[str] = []
    for source in sources:
        program = tmp_path / source.stem
        complaint = compile_test(source, xlen, EXTENSIONS[extension], program)
        if "unknown prefixed ISA extension" in complaint or "unrecognized opcode" in complaint:
            pytest.skip(f"{COMPILER} does not know {extension}")
        if not program.exists():
            wrong.append(f"{source.stem} cannot be compiled: {complaint[:300]}")
            continue
        status = subprocess.run([pyqemu_user(), "-cpu", "max", program], check=False, timeout=60).returncode
        if status != 0:
            wrong.append(f"{source.stem}: {f'test {status}' if status > 0 else f'signal {-status}'}")
    assert not wrong, "\n".join(wrong)
    print(f"{len(sources)} programs pass")
