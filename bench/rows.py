"""What is measured: each row is one command line for native, QEMU and pyqemu."""

from __future__ import annotations

import hashlib
import lzma
import platform
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bench.measure import Command
from tests.guests import debian
from tests.guests.architectures import Architecture
from tests.paths import pyqemu_user

KERNELS = ("hash", "quicksort", "matmul", "nbody", "sieve", "calls", "interpreter", "strings", "vector")
COMPILER_FLAGS = ("-O2", "-ftree-vectorize", "-ffp-contract=off", "-static")


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: `group` is what means are taken over, `issue` brought it in. `short`: its runs take a few
    milliseconds, so they are rehearsed, and made ten times as often.
    """

    name: str
    group: str
    issue: int
    commands: dict[str, Command]
    short: bool = False


@dataclass(frozen=True, slots=True)
class Peers:
    """One program for the host and for the guest."""

    guest: Architecture
    native: str
    foreign: str

    def row(self, name: str, group: str, arguments: tuple[str, ...], stdin: Path | None = None) -> Row:
        """The same work for all peers."""
        return Row(name, group, 2, self._commands(arguments, stdin))

    def _commands(self, arguments: tuple[str, ...], stdin: Path | None) -> dict[str, Command]:
        """Natively, under QEMU, and under pyqemu."""
        qemu = (str(self.guest.emulator), "-cpu", self.guest.qemu_cpu, self.foreign, *arguments)
        pyqemu = (str(pyqemu_user()), "-cpu", self.guest.cpu)
        optimised = (*pyqemu, self.foreign, *arguments)
        caches = debian.CACHE / "bench/caches"
        return {
            "native": Command((self.native, *arguments), stdin),
            "qemu": Command(qemu, stdin),
            "baseline": Command((*pyqemu, "--jit=off", self.foreign, *arguments), stdin),
            "cold": Command(optimised, stdin, cache=caches / "cold", cold=True),
            "warm": Command(optimised, stdin, cache=caches / "warm"),
        }


def compile_kernels(compiler: str, flags: tuple[str, ...], cache: Path) -> str:
    """The kernels for the host or for a guest; compiled if the source or the options have changed."""
    source = Path(__file__).parent / "kernels/kernels.c"
    options = (*COMPILER_FLAGS, *flags)
    key = hashlib.sha256(source.read_bytes() + repr(options).encode()).hexdigest()[:12]
    program = cache / f"kernels-{compiler}-{key}"
    if not program.exists():
        cache.mkdir(parents=True, exist_ok=True)
        subprocess.run([compiler, *options, source, "-o", program, "-lm"], check=True)
    return str(program)


def make_input(cache: Path) -> Path:
    """A text of about 8 MB, the same each time, and the same packed by xz beside it."""
    text = cache / "input.txt"
    if not text.exists():
        cache.mkdir(parents=True, exist_ok=True)
        dice = random.Random(7)
        words = ["".join(dice.choices("etaoinshrdlu", k=dice.randrange(2, 9))) for _ in range(3000)]
        lines = (" ".join(dice.choices(words, k=dice.randrange(4, 12))) for _ in range(200_000))
        data = "\n".join(lines).encode()[:8_000_000]
        text.with_suffix(".xz").write_bytes(lzma.compress(data, preset=3))
        text.with_suffix(".small").write_bytes(data[: len(data) // 4])
        text.write_bytes(data)
    return text


def host_busybox() -> str:
    """Debian's static busybox for the host."""
    return str(
        debian.package("busybox-static", {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]) / "bin/busybox"
    )


def rows(guest: Architecture) -> Iterator[Row]:
    """All rows, in the order of the table."""
    cache = debian.CACHE / "bench"
    busybox = Peers(guest, host_busybox(), str(guest.busybox()))
    text = make_input(cache)
    packed, small = text.with_suffix(".xz"), text.with_suffix(".small")
    applets = [
        busybox.row(f"applet: {applet}", "applets", (applet.split()[0], *arguments), source)
        for applet, arguments, source in (
            ("sha512sum", (), text),
            ("gzip", ("-c",), text),
            ("bzip2", ("-c",), small),
            ("xz -d", ("-dc",), packed),
            ("awk", ("{ n[$1] += NF; s += length($0) } END { for (k in n) t += n[k]; print t, s }",), text),
            ("sort", (), text),
            ("grep", ("-c", "[aeiou]t.*ed [a-z]*n"), text),
        )
    ]
    yield _with_archive_of(applets, busybox.row("start: busybox true", "start", ("true",)))
    script = "i=0; while [ $i -lt 100 ]; do $0 true; i=$((i+1)); done"
    execs = busybox.row("start: 100 × busybox true in a shell", "other", ("sh", "-c", script, busybox.foreign))
    yield replace(execs, commands={n: c for n, c in execs.commands.items() if n not in ("native", "qemu")})
    yield from applets
    foreign = compile_kernels(f"{guest.compiler}gcc", guest.flags, cache)
    kernels = Peers(guest, compile_kernels("gcc", (), cache), foreign)
    for kernel in KERNELS:
        yield kernels.row(f"kernel: {kernel}", "kernels", (kernel,))


def _with_archive_of(others: list[Row], row: Row) -> Row:
    """A short row, with a warm cache that has what other rows of the program leave there."""
    warm = replace(row.commands["warm"], filled_by=tuple(other.commands["warm"] for other in others))
    return replace(row, commands=row.commands | {"warm": warm}, short=True)
