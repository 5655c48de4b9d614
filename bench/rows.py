"""What is measured: each row is one command line for native, QEMU and pyqemu."""

from __future__ import annotations

import hashlib
import lzma
import platform
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.measure import Command
from tests.guests import debian
from tests.paths import pyqemu_user

GUEST = "aarch64"
CPU = "cortex-a57"
KERNELS = ("hash", "quicksort", "matmul", "nbody", "sieve", "calls", "interpreter", "strings", "vector")
COMPILER_FLAGS = ("-O2", "-ftree-vectorize", "-ffp-contract=off", "-static")


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: `group` is what means are taken over, `issue` brought it in."""

    name: str
    group: str
    issue: int
    commands: dict[str, Command]


def _peers(native: str, guest: Path, arguments: tuple[str, ...], stdin: Path | None = None) -> dict[str, Command]:
    """The same work natively (left out if `native` is ''), under QEMU, and under pyqemu."""
    commands = {"native": Command((native, *arguments), stdin)} if native else {}
    qemu = (str(debian.qemu(GUEST)), "-cpu", CPU, str(guest))
    commands["qemu"] = Command((*qemu, *arguments), stdin)
    baseline = (str(pyqemu_user()), "-cpu", CPU, "--jit=off", str(guest))
    commands["baseline"] = Command((*baseline, *arguments), stdin)
    optimised = (str(pyqemu_user()), "-cpu", CPU, str(guest), *arguments)
    caches = debian.CACHE / "bench/caches"
    commands["cold"] = Command(optimised, stdin, cache=caches / "cold", cold=True)
    commands["warm"] = Command(optimised, stdin, cache=caches / "warm")
    return commands


def compile_kernels(cache: Path) -> tuple[Path, Path]:
    """The kernels for the host and for the guest; compiled if the source or the options have changed."""
    source = Path(__file__).parent / "kernels/kernels.c"
    key = hashlib.sha256(source.read_bytes() + repr(COMPILER_FLAGS).encode()).hexdigest()[:12]
    programs: list[Path] = []
    for compiler in ("gcc", f"{GUEST}-linux-gnu-gcc"):
        program = cache / f"kernels-{compiler}-{key}"
        if not program.exists():
            cache.mkdir(parents=True, exist_ok=True)
            subprocess.run([compiler, *COMPILER_FLAGS, source, "-o", program, "-lm"], check=True)
        programs.append(program)
    return programs[0], programs[1]


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


def guest_busybox() -> Path:
    """Debian's static busybox for the guest."""
    return debian.package("busybox-static", "arm64") / "bin/busybox"


def rows() -> Iterator[Row]:
    """All rows, in the order of the table."""
    cache = debian.CACHE / "bench"
    guest, host = guest_busybox(), host_busybox()
    text = make_input(cache)
    packed, small = text.with_suffix(".xz"), text.with_suffix(".small")
    yield Row("start: busybox true", "start", 2, _peers(host, guest, ("true",)))
    script = "i=0; while [ $i -lt 100 ]; do $0 true; i=$((i+1)); done"
    pyqemu_only = {n: c for n, c in _peers("", guest, ("sh", "-c", script, str(guest))).items() if n != "qemu"}
    yield Row("start: 100 × busybox true in a shell", "other", 2, pyqemu_only)
    for applet, arguments, source in (
        ("sha512sum", (), text),
        ("gzip", ("-c",), text),
        ("bzip2", ("-c",), small),
        ("xz -d", ("-dc",), packed),
        ("awk", ("{ n[$1] += NF; s += length($0) } END { for (k in n) t += n[k]; print t, s }",), text),
        ("sort", (), text),
        ("grep", ("-c", "[aeiou]t.*ed [a-z]*n"), text),
    ):
        words = (applet.split()[0], *arguments)
        yield Row(f"applet: {applet}", "applets", 2, _peers(host, guest, words, source))
    native, foreign = compile_kernels(cache)
    for kernel in KERNELS:
        yield Row(f"kernel: {kernel}", "kernels", 2, _peers(str(native), foreign, (kernel,)))
