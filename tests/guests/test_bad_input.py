"""What cannot be run is refused with one line and the exit status of design.md §11; what is legal runs."""

from __future__ import annotations

import os
import resource
import signal
import struct
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.guests.elves import BASE, CODE, DYN, LOAD, NEG_X0, SVC, Elf, R, Segment, W, X, leave, mov
from tests.guests.roots import is_sanitized
from tests.guests.waiting import patience
from tests.paths import pyqemu_user

EXAMPLES = Path(__file__).parents[2] / "examples/aarch64"
USAGE, CANNOT_RUN, NOT_FOUND = 125, 126, 127
TERABYTE = 1 << 40
#: pyqemu-user may not ask for more than this, whatever a file says; sanitizers want terabytes for themselves.
MOST_MEMORY = 8 << 30


@dataclass(frozen=True, slots=True)
class Run:
    """What a run gave; status is negative for a signal."""

    status: int
    stdout: bytes
    stderr: str


def limit() -> None:
    """Limits of a child."""
    resource.setrlimit(resource.RLIMIT_CPU, (10, 11))
    if not is_sanitized(pyqemu_user()):
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


def start(*words: str | Path, cwd: Path | None = None) -> Run:
    """Runs pyqemu-user; a run of more than 30 seconds fails."""
    command = [str(pyqemu_user()), *map(str, words)]
    done = subprocess.run(command, capture_output=True, timeout=patience(30), check=False, cwd=cwd, preexec_fn=limit)
    return Run(done.returncode, done.stdout, done.stderr.decode(errors="replace"))


def refused(run: Run, status: int, *names: str) -> None:
    """`run` was refused with `status`, one line that has all of `names`, and nothing else."""
    assert run.status == status, run
    assert run.stdout == b""
    assert run.stderr.startswith("pyqemu-user: ") and run.stderr.endswith("\n")
    assert run.stderr.count("\n") == 1 and "internal error" not in run.stderr
    for name in names:
        assert name in run.stderr


def bss(address: int, size: int, offset: int = 0) -> Segment:
    """A writable segment with nothing in the file."""
    return Segment(LOAD, R | W, offset, address, 0, size)


def moved(**changes: int) -> Elf:
    """The segment with the code, changed."""
    values = {"kind": LOAD, "flags": R | X, "offset": 0, "address": BASE, "file_bytes": CODE + 12}
    values |= {"memory_bytes": CODE + 12} | changes
    return Elf(code=Segment(**values))


def field(offset: int, layout: str, value: int) -> Elf:
    """A program with one field of its header changed."""
    return Elf(patches={offset: struct.pack(f"<{layout}", value)})


# What is wrong with a file, its bytes, and what the message has to say.
FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not an ELF file"),
    "one byte": (b"\x7f", "not an ELF file"),
    "text": (b"echo hello\n", "not an ELF file"),
    "zeros": (bytes(5000), "not an ELF file"),
    "magic only": (b"\x7fELF", "cut off"),
    "script without a name": (b"#!\n", "not an ELF file"),
    "script of blanks": (b"#!   \t \nx", "not an ELF file"),
    "other architecture": (field(18, "H", 62).packed(), "another architecture"),
    "no architecture": (field(18, "H", 0).packed(), "another architecture"),
    "big-endian": (field(5, "B", 2).packed(), "byte order"),
    "no byte order": (field(5, "B", 0).packed(), "byte order"),
    "32-bit": (field(4, "B", 1).packed(), "32-bit"),
    "object file": (field(16, "H", 1).packed(), "not a program"),
    "core file": (field(16, "H", 4).packed(), "not a program"),
    "headers of another size": (field(54, "H", 32).packed(), "program headers"),
    "no program headers": (field(56, "H", 0).packed(), "program headers"),
    "headers behind the end": (field(32, "Q", 1 << 20).packed(), "cut off"),
    "headers at 2^64": (field(32, "Q", 2**64 - 8).packed(), "cut off"),
    "headers at 2^63": (field(32, "Q", 2**63 - 1).packed(), "cut off"),
    "65535 headers": (field(56, "H", 65535).packed(), "cut off"),
    "nothing to load": (moved(kind=0).packed(), "no segment"),
    "only an empty segment": (moved(file_bytes=0, memory_bytes=0).packed(), "no segment"),
    "more in the file than in memory": (moved(memory_bytes=8).packed(), "larger in the file"),
    "segment behind the end": (moved(offset=1 << 20).packed(), "cut off"),
    "segment longer than the file": (moved(file_bytes=1 << 20, memory_bytes=1 << 20).packed(), "cut off"),
    "offset wraps": (moved(offset=2**64 - 4096).packed(), "cut off"),
    "file size wraps": (moved(file_bytes=2**64 - 1, memory_bytes=2**64 - 1).packed(), "cut off"),
    "not on a page": (moved(address=BASE + 8).packed(), "aligned"),
    "memory wraps": (moved(memory_bytes=2**64 - 1).packed(), "address space"),
    "address wraps": (moved(address=2**64 - 4096).packed(), "address space"),
    "address of the kernel": (moved(address=1 << 63).packed(), "address space"),
    "ends behind the address space": (Elf(more=(bss((1 << 47) - 4096, 8192),)).packed(), "address space"),
    "overlapping": (Elf(more=(Segment(LOAD, R | W, 0, BASE, 64, 64),)).packed(), "overlap"),
    "overlapping bss": (Elf(more=(bss(BASE + 4096, 8192), bss(BASE + 8192, 64))).packed(), "overlap"),
    "out of order": (Elf(more=(bss(BASE - 65536, 64),)).packed(), "out of order"),
    "a terabyte": (Elf(more=(bss(BASE + 65536, TERABYTE),)).packed(), "segment"),
    "100 terabytes": (Elf(more=(bss(BASE + 65536, 100 * TERABYTE),)).packed(), "segment"),
    "a terabyte, movable": (Elf(kind=DYN, more=(bss(BASE + 65536, TERABYTE),)).packed(), "segment"),
    "all of the address space": (Elf(kind=DYN, more=(bss(BASE + 65536, (1 << 47) - (1 << 24)),)).packed(), "segment"),
    "interpreter missing": (Elf(interpreter=b"/no/such/linker\0").packed(), "/no/such/linker"),
    "interpreter's name is empty": (Elf(interpreter=b"\0").packed(), "interpreter"),
    "interpreter's name does not end": (Elf(interpreter=b"/lib/linker").packed(), "interpreter"),
    "interpreter's name is long": (Elf(interpreter=b"/" * 5000 + b"\0").packed(), "interpreter"),
    "interpreter's name has lines": (Elf(interpreter=b"/no\nsuch\x1b[31m\nlinker\0").packed(), "interpreter"),
    "interpreter is a directory": (Elf(interpreter=b"/\0").packed(), "directory"),
    "interpreter is a device": (Elf(interpreter=b"/dev/null\0").packed(), "/dev/null"),
    "interpreter is for the host": (Elf(interpreter=b"/bin/sh\0").packed(), "/bin/sh"),
}


@pytest.mark.guest
@pytest.mark.parametrize("name", FILES)
def test_files(name: str, tmp_path: Path) -> None:
    """Each file is refused, by name and reason."""
    data, reason = FILES[name]
    program = tmp_path / "program"
    program.write_bytes(data)
    program.chmod(0o755)
    missing = name in ("interpreter missing", "interpreter's name has lines")
    refused(start(program), NOT_FOUND if missing else CANNOT_RUN, str(program), reason)


def test_cut_off(tmp_path: Path) -> None:
    """A program cut off anywhere is refused, up to where only section headers are missing."""
    whole = (EXAMPLES / "hello").read_bytes()
    needed = 0x130  # its one segment
    program = tmp_path / "program"
    for size in [*range(0, needed, 7), needed - 1]:
        program.write_bytes(whole[:size])
        program.chmod(0o755)
        refused(start(program), CANNOT_RUN, str(program), "not an ELF" if size < 4 else "cut off")
    program.write_bytes(whole[:needed])
    assert start(program) == Run(0, b"Hello from a guest.\n", "")


def script(place: Path, name: str, text: bytes) -> Path:
    """An executable script."""
    file = place / name
    file.write_bytes(text)
    file.chmod(0o755)
    return file


def place_of_bad_things(place: Path) -> Path:
    """A folder with what the cases below name."""
    for name, mode in (("good", 0o755), ("not-executable", 0o644), ("no-permission", 0)):
        (place / name).write_bytes(Elf().packed())
        (place / name).chmod(mode)
    (place / "folder").mkdir()
    (place / "loop").symlink_to("loop")
    (place / "dangling").symlink_to("nowhere")
    os.mkfifo(place / "pipe", 0o755)
    (place / "linked").write_bytes(Elf(interpreter=b"/lib/no-such-linker.so\0").packed())
    (place / "linked").chmod(0o755)
    script(place, "lost-script", b"#!/no/such/interpreter -x\n")
    script(place, "self-script", f"#!{place}/self-script\n".encode())
    script(place, "text-script", f"#!{place}/text\n".encode())
    script(place, "text", b"nothing\n")
    return place


# Words after pyqemu-user, exit status, and what the message names.
COMMANDS: dict[str, tuple[tuple[str, ...], int, str]] = {
    "missing": (("./missing",), NOT_FOUND, "./missing"),
    "missing folder": (("./good/missing",), NOT_FOUND, "./good/missing"),
    "empty name": (("",), NOT_FOUND, "No such file"),
    "long name": (("x" * 5000,), CANNOT_RUN, "too long"),
    "name of two lines": (("./two\nlines",), NOT_FOUND, "./two?lines"),
    "dangling link": (("./dangling",), NOT_FOUND, "./dangling"),
    "link to itself": (("./loop",), CANNOT_RUN, "./loop"),
    "directory": (("./folder",), CANNOT_RUN, "is a directory"),
    "not executable": (("./not-executable",), CANNOT_RUN, "ermission"),
    "no permission": (("./no-permission",), CANNOT_RUN, "ermission"),
    "pipe": (("./pipe",), CANNOT_RUN, "./pipe"),
    "device": (("/dev/null",), CANNOT_RUN, "/dev/null"),
    "script without interpreter": (("./lost-script",), NOT_FOUND, "/no/such/interpreter"),
    "script of itself": (("./self-script",), CANNOT_RUN, "./self-script"),
    "script of a text": (("./text-script",), CANNOT_RUN, "not an ELF"),
    "no program": ((), USAGE, "no program"),
    "unknown option": (("-frobnicate", "./good"), USAGE, "-frobnicate"),
    "unknown long option": (("--frobnicate=1", "./good"), USAGE, "--frobnicate"),
    "argument missing": (("-cpu",), USAGE, "-cpu"),
    "unknown model": (("-cpu", "z80", "./good"), USAGE, "z80"),
    "unknown log item": (("-d", "nonsense", "./good"), USAGE, "nonsense"),
    "bad size": (("-s", "many", "./good"), USAGE, "many"),
    "bad prefix": (("-L", "/no/such/prefix", "./linked"), NOT_FOUND, "/no/such/prefix"),
    "prefix is a file": (("-L", "./good", "./linked"), NOT_FOUND, "no-such-linker"),
    "no prefix": (("./linked",), NOT_FOUND, "-L"),
    "guest base": (("-B", "0x1000", "./good"), USAGE, "-B"),
}


@pytest.mark.guest
@pytest.mark.parametrize("name", COMMANDS)
def test_commands(name: str, tmp_path: Path) -> None:
    """Each command line is refused, and the message names what was wrong."""
    words, status, reason = COMMANDS[name]
    refused(start(*words, cwd=place_of_bad_things(tmp_path)), status, reason)


# Legal, if rare.
LEGAL: dict[str, Callable[[], Elf]] = {
    "plain": Elf,
    "movable": lambda: Elf(kind=DYN),
    "segment of no size": lambda: Elf(more=(bss(BASE + 65536, 0),)),
    "segment of no size at address 0": lambda: Elf(more=(bss(0, 0),)),
    "bss behind the file's end": lambda: Elf(more=(bss(BASE + 0x10000, 1 << 20, 1 << 30),)),
    "bss not congruent to its offset": lambda: Elf(more=(bss(BASE + 0x10010, 100, 0x123),)),
    "bss in the code's last page": lambda: Elf(
        code=Segment(LOAD, R | W | X, 0, BASE, CODE + 12, CODE + 12 + 20000), more=(bss(BASE + 65536, 4),)
    ),
    "high address": lambda: Elf(more=(bss(1 << 46, 4096),)),
    "unknown header kind": lambda: Elf(more=(Segment(0x60000001, 0, 2**64 - 1, 2**64 - 1, 2**64 - 1, 5),)),
    "unknown flags": lambda: Elf(more=(Segment(LOAD, 0xFFFFFFF8, 0, BASE + 65536, 16, 16),)),
}


@pytest.mark.guest
@pytest.mark.parametrize("name", LEGAL)
def test_legal(name: str, tmp_path: Path) -> None:
    """Each runs and leaves with its status."""
    program = tmp_path / "program"
    program.write_bytes(LEGAL[name]().packed())
    program.chmod(0o755)
    assert start(program) == Run(42, b"", "")


@pytest.mark.guest
def test_bss_only_segment() -> None:
    """The linker gives the sieve's .bss an offset that lies behind the file's end."""
    run = start(EXAMPLES / "sieve")
    assert run.status == 0 and run.stdout and not run.stderr


@pytest.mark.guest
def test_limits_of_the_guest(tmp_path: Path) -> None:
    """Limits that are meant for the guest do not hit pyqemu's own files and stacks."""
    for limits in ("-f 0", "-c 0", "-s 100", "-n 8", "-f 0 -s 64"):
        command = f'ulimit -S {limits}; exec "$0" "$1"'
        words = ["bash", "-c", command, str(pyqemu_user()), str(EXAMPLES / "hello")]
        done = subprocess.run(words, capture_output=True, timeout=patience(30), check=False, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, b""), limits
        assert done.stdout == b"Hello from a guest.\n"


@pytest.mark.guest
@pytest.mark.parametrize("word", [0, 0xFFFFFFFF, 0x00C0FFEE])
def test_undescribed_instruction(word: int, tmp_path: Path) -> None:
    """The guest gets SIGILL; with -d unimp one line says bytes, PC and the nearest description."""
    program = tmp_path / "program"
    program.write_bytes(Elf((mov(0, 1), word, *leave(1))).packed())
    program.chmod(0o755)
    assert start(program) == Run(-signal.SIGILL, b"", "")
    run = start("-d", "unimp", program)
    assert (run.status, run.stdout, run.stderr.count("\n")) == (-signal.SIGILL, b"", 1)
    shown = " ".join(f"{byte:02x}" for byte in word.to_bytes(4, "little"))
    for part in (shown, f"{BASE + CODE + 4:#x}", "nearest description"):
        assert part in run.stderr


@pytest.mark.guest
@pytest.mark.parametrize(("number", "name"), [(104, "kexec_load"), (60000, "unknown")])
def test_missing_system_call(number: int, name: str, tmp_path: Path) -> None:
    """The guest gets ENOSYS; with -d unimp one line names the call."""
    program = tmp_path / "program"
    program.write_bytes(Elf((mov(8, number), SVC, NEG_X0, mov(8, 94), SVC)).packed())
    program.chmod(0o755)
    enosys = 38
    assert start(program) == Run(enosys, b"", "")
    run = start("-d", "unimp", program)
    assert (run.status, run.stdout, run.stderr.count("\n")) == (enosys, b"", 1)
    assert str(number) in run.stderr and name in run.stderr
