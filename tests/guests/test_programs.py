"""C and C++ programs from Debian's cross compilers: static, static-pie and dynamic, and with a very small code cache.

The oracle is QEMU, except where QEMU's user mode is known to be wrong: there it is the same source, compiled for
the host. All of it is run for the first architecture, and behind `-m long` for the others; of these the ordinary run
has the static programs.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.guests.architectures import AARCH64, ARMHF, RISCV64, Architecture
from tests.guests.waiting import patience
from tests.guests.ways import WAYS, prepared

HERE = Path(__file__).parent / "programs"
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


def runs(linkings: Mapping[Architecture, Iterable[str]], ordinary: Iterable[str]) -> list[Any]:
    """Architectures, cases and linkings; after the first architecture only some cases are in the ordinary run."""
    marks = {True: (), False: pytest.mark.long}
    return [
        pytest.param(
            *(guest, case, linking),
            id=f"{case.name}-{linking}-{guest}",
            marks=marks[guest is AARCH64 or case.name in ordinary],
        )
        for guest, chosen in linkings.items()
        for linking in chosen
        for case in CASES
    ]


def compile_program(case: Case, compiler: str, flags: tuple[str, ...], place: Path) -> Path:
    """The program, compiled with `compiler` (a prefix like `aarch64-linux-gnu-`, or '') into `place`."""
    driver = f"{compiler}{'g++' if case.source.suffix == '.cpp' else 'gcc'}"
    program = place / f"{case.name}.{compiler}{flags[0].lstrip('-')}"
    if not program.exists():
        command = [driver, "-O2", "-w", "-Wno-psabi", "-pthread", *flags, str(case.source), "-o", str(program), "-lm"]
        subprocess.run(command, check=True)
    return program


def run(command: list[str], arguments: tuple[str, ...], **environment: str) -> tuple[int, bytes]:
    """Exit status and standard output; a run of more than two minutes fails."""
    done = subprocess.run(
        [*command, *arguments], capture_output=True, timeout=patience(120), check=False, env=os.environ | environment
    )
    assert b"pyqemu" not in done.stderr, done.stderr
    return done.returncode, done.stdout


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where programs are built."""
    return tmp_path_factory.mktemp("programs")


def expected(guest: Architecture, case: Case, program: Path, built: Path) -> tuple[int, bytes]:
    """What the oracle gives."""
    if case.name in NATIVE:
        return run([str(compile_program(case, "", ("-O1",), built))], case.arguments)
    return run([*guest.qemu, str(program)], case.arguments)


def check(guest: Architecture, case: Case, linking: str, built: Path, **environment: str) -> None:
    """Exit status and output are the oracle's."""
    program = compile_program(case, guest.compiler, LINKING[linking], built)
    if linking == "static":  # the other ones have the same code
        prepared(program, guest.cpu)
    found = run([*guest.pyqemu, str(program)], case.arguments, **environment)
    assert found == expected(guest, case, program, built)


STATIC = {AARCH64: ["static"], RISCV64: ["static"], ARMHF: ["static"]}
#: Debian's C libraries for cross compilers have no start for static-pie.
RELOCATED = {AARCH64: ["static-pie", "dynamic"], RISCV64: ["dynamic"], ARMHF: ["dynamic"]}


@pytest.mark.guest
@pytest.mark.parametrize(("guest", "case", "linking"), runs(STATIC, [case.name for case in CASES]))
def test_static(guest: Architecture, case: Case, linking: str, built: Path) -> None:
    """Static programs."""
    check(guest, case, linking, built)


@pytest.mark.guest
@pytest.mark.parametrize(("guest", "case", "linking"), runs(RELOCATED, ["exceptions", "threads"]))
def test_relocated(guest: Architecture, case: Case, linking: str, built: Path) -> None:
    """Programs that are relocated when they start."""
    check(guest, case, linking, built)


@pytest.mark.guest
@pytest.mark.parametrize(("guest", "case", "linking"), runs(STATIC, []))
def test_small_code_cache(guest: Architecture, case: Case, linking: str, built: Path) -> None:
    """With a code cache so small that flushes, threads and signals meet."""
    check(guest, case, linking, built, PYQEMU_CODE_CACHE=str(SMALL_CACHE))


#: Programs in which times matter, which are others while each piece of code is waited for.
SLOW = ("interrupts", "processes", "signals")


@pytest.mark.guest
@pytest.mark.long
@pytest.mark.parametrize("case", [case for case in CASES if case.name not in SLOW], ids=lambda case: case.name)
def test_optimised(case: Case, built: Path, tmp_path: Path) -> None:
    """With optimised code for all that runs; tools/run-ways does that with the first architecture."""
    (tmp_path / "cache").mkdir(mode=0o700)
    check(RISCV64, case, "static", built, **WAYS["sync"].environment | {"PYQEMU_CACHE": str(tmp_path / "cache")})


LONG = {"interrupts": ("1000000",), "processes": ("1000",)}


@pytest.mark.long
@pytest.mark.parametrize("cache", ["", str(SMALL_CACHE)], ids=["ordinary", "small-cache"])
@pytest.mark.parametrize("name", LONG)
def test_long_rounds(name: str, cache: str, built: Path) -> None:
    """A million signals that interrupt blocking calls, none lost; a thousand children of each kind."""
    case = Case(HERE / f"{name}.c", LONG[name])
    program = compile_program(case, AARCH64.compiler, LINKING["static"], built)
    environment = {"PYQEMU_CODE_CACHE": cache} if cache else {}
    result = run([*AARCH64.pyqemu, str(program)], case.arguments, **environment)
    assert result == run([str(compile_program(case, "", ("-O1",), built))], case.arguments)
