"""C and C++ programs from Debian's cross compiler: static, static-pie and dynamic, and with a very small code cache.

The oracle is QEMU, except where QEMU's user mode is known to be wrong: there it is the same source, compiled for
the host.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.guests import debian
from tests.paths import pyqemu_user

GUEST = "aarch64"
HERE = Path(__file__).parent / "programs"
#: Where dynamic programs of Debian's cross compiler find their interpreter and libraries.
SYSROOT = f"/usr/{GUEST}-linux-gnu"
LINKING = {"static": ("-static",), "static-pie": ("-static-pie", "-fPIE"), "dynamic": ("-pie", "-fPIE")}
#: Programs whose oracle is the host, and why.
NATIVE = {
    "memory": "QEMU may have something of its own where the program wants a fixed mapping",
    "processes": "QEMU makes vfork a fork, so that a child's stores and spawn's errors are lost",
}
SMALL_CACHE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Case:
    """One program: source, and arguments for a run of ordinary length."""

    source: Path
    arguments: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.source.stem


ROUNDS = {"interrupts": ("20000",), "processes": ("100",)}
CASES = [Case(source, ROUNDS.get(source.stem, ())) for source in sorted(HERE.glob("*.c*"))]


def compile_program(case: Case, compiler: str, flags: tuple[str, ...], place: Path) -> Path:
    """The program, compiled with `compiler` (a prefix like `aarch64-linux-gnu-`, or '') into `place`."""
    driver = f"{compiler}{'g++' if case.source.suffix == '.cpp' else 'gcc'}"
    program = place / f"{case.name}.{compiler}{flags[0].lstrip('-')}"
    if not program.exists():
        command = [driver, "-O2", "-w", "-pthread", *flags, str(case.source), "-o", str(program), "-lm"]
        subprocess.run(command, check=True)
    return program


def run(command: list[str], arguments: tuple[str, ...], **environment: str) -> tuple[int, bytes]:
    """Exit status and standard output; a run of more than two minutes fails."""
    done = subprocess.run(
        [*command, *arguments], capture_output=True, timeout=120, check=False, env=dict(os.environ) | environment
    )
    assert b"pyqemu" not in done.stderr, done.stderr
    return done.returncode, done.stdout


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where programs are built."""
    return tmp_path_factory.mktemp("programs")


def expected(case: Case, guest: Path, built: Path) -> tuple[int, bytes]:
    """What the oracle gives."""
    if case.name in NATIVE:
        return run([str(compile_program(case, "", ("-O1",), built))], case.arguments)
    return run([str(debian.qemu(GUEST)), "-cpu", "cortex-a57", "-L", SYSROOT, str(guest)], case.arguments)


@pytest.mark.guest
@pytest.mark.parametrize("linking", LINKING)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_programs(case: Case, linking: str, built: Path) -> None:
    """Exit status and output are the oracle's."""
    guest = compile_program(case, f"{GUEST}-linux-gnu-", LINKING[linking], built)
    command = [str(pyqemu_user()), "-cpu", "cortex-a57", "-L", SYSROOT, str(guest)]
    assert run(command, case.arguments) == expected(case, guest, built)


@pytest.mark.guest
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_small_code_cache(case: Case, built: Path) -> None:
    """The same with a code cache so small that flushes, threads and signals meet."""
    guest = compile_program(case, f"{GUEST}-linux-gnu-", LINKING["static"], built)
    command = [str(pyqemu_user()), "-cpu", "cortex-a57", str(guest)]
    result = run(command, case.arguments, PYQEMU_CODE_CACHE=str(SMALL_CACHE))
    assert result == expected(case, guest, built)


LONG = {"interrupts": ("1000000",), "processes": ("1000",)}


@pytest.mark.long
@pytest.mark.parametrize("cache", ["", str(SMALL_CACHE)], ids=["ordinary", "small-cache"])
@pytest.mark.parametrize("name", LONG)
def test_long_rounds(name: str, cache: str, built: Path) -> None:
    """A million signals that interrupt blocking calls, none lost; a thousand children of each kind."""
    case = Case(HERE / f"{name}.c", LONG[name])
    guest = compile_program(case, f"{GUEST}-linux-gnu-", LINKING["static"], built)
    environment = {"PYQEMU_CODE_CACHE": cache} if cache else {}
    result = run([str(pyqemu_user()), "-cpu", "cortex-a57", str(guest)], case.arguments, **environment)
    assert result == run([str(compile_program(case, "", ("-O1",), built))], case.arguments)
