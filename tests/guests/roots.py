"""Roots that hold only guest files, and how a program is run in one, under pyqemu or under QEMU.

Each run gets user, mount, network and PID namespaces of its own (`unshare`), so that PIDs are the same in every run,
nobody else has its ports, and nothing outlives it. QEMU cannot exec guest programs by itself: its run has a private
binfmt_misc with the interpreter registered. pyqemu's run has nothing registered: its execs are its own.
"""

from __future__ import annotations

import io
import os
import random
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.guests.architectures import ARCHITECTURES
from tests.guests.waiting import patience

ENTER = Path(__file__).with_name("enter_root.py")


@dataclass(frozen=True, slots=True)
class Run:
    """What a run gave: exit status as a shell would say it, and what it wrote."""

    status: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, slots=True)
class Emulator:
    """How guest programs are started: a path, its options, and for one that does not exec guest programs itself, whose
    these are. `cpu`: the model that guests get.
    """

    path: Path
    options: tuple[str, ...] = ()
    binfmt: str = ""
    cpu: str = "cortex-a57"

    def run(self, root: Path, argv: list[str], cwd: str = "/", timeout: float = 60, stdin: bytes = b"") -> Run:
        """Runs `argv` in `root`. A run that takes too long counts as status 124."""
        command = ["unshare", "-Urmnpf", "--kill-child", sys.executable, str(ENTER), str(root), cwd, self._register()]
        command += [str(self.path), *self.options, "--", *argv]
        environment = {"PATH": "/bin", "HOME": "/", "QEMU_CPU": self.cpu, "TERM": "dumb"}
        environment |= {k: v for k, v in os.environ.items() if k.startswith(("ASAN_", "UBSAN_", "PYQEMU_"))}
        environment["PYQEMU_WORKER"] = "/bin/busybox"  # never started: there is one already (ways.py)
        try:
            done = subprocess.run(
                command, input=stdin, capture_output=True, timeout=patience(timeout), env=environment, check=False
            )
        except subprocess.TimeoutExpired as late:
            return Run(124, late.stdout or b"", (late.stderr or b"") + b"\n[timed out]\n")
        status = done.returncode if done.returncode >= 0 else 128 - done.returncode
        return Run(status, done.stdout, done.stderr)

    def _register(self) -> str:
        """The binfmt_misc line that starts this emulator for its guests, or ''."""
        if not self.binfmt:
            return ""
        guest = ARCHITECTURES[self.binfmt]
        word = bytes([guest.bits // 32])
        magic = b"\x7fELF" + word + b"\x01\x01" + bytes(9) + b"\x02\x00" + guest.machine.to_bytes(2, "little")
        mask = b"\xff" * 7 + b"\x00" * 9 + b"\xfe\xff\xff\xff"
        escaped = ["".join(f"\\x{byte:02x}" for byte in text) for text in (magic, mask)]
        return f":guest:M::{escaped[0]}:{escaped[1]}:{self.path}:FP"


def make_root(place: Path, busybox: Path) -> Path:
    """A root below `place` with busybox, its applets as symbolic links, and /fixtures."""
    for folder in ("bin", "proc", "dev", "etc", "tmp", "work", "cases", "fixtures", "var/run"):
        (place / folder).mkdir(parents=True, exist_ok=True)
    (place / "tmp").chmod(0o1777)
    shutil.copy(busybox, place / "bin/busybox")
    for applet in _applets(busybox):
        (place / "bin" / applet).symlink_to("busybox")
    (place / "etc/passwd").write_text("root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
    (place / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
    _fixtures(place / "fixtures")
    return place


@cache
def is_sanitized(program: Path) -> bool:
    """Whether `program` is a build with AddressSanitizer, whose shadow needs terabytes of address space."""
    return b"__asan_init" in program.read_bytes()


def add_libraries(place: Path, program: Path) -> None:
    """Puts into the root what `program` of the host is linked with: only a sanitized pyqemu-user is linked with any."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    for library in re.findall(r"(?m)(/\S+) \(0x", listed):
        copy = place / library.lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, copy)


def _applets(busybox: Path) -> list[str]:
    """Names of the applets, read from the program's own table of names."""
    data = busybox.read_bytes()
    start = data.index(b"\0[\0[[\0acpid\0") + 1
    names = data[start : data.index(b"\0\0", start)].split(b"\0")
    return [name.decode() for name in names if name != b"busybox"]


def _fixtures(place: Path) -> None:
    """Files that the cases read; the same bytes each time."""
    dice = random.Random(20)
    words = [f"w{dice.randrange(4000)}" for _ in range(2500)]
    nouns = ["apple", "boat", "cat", "engine", "being", "thing", "string", "river", "beast", "art", "abbot"]
    words += [dice.choice(nouns) + dice.choice(["", "s", "ed", "ing"]) for _ in range(1500)]
    (place / "words.txt").write_text("\n".join(words) + "\n")
    lines = [" ".join(dice.choice([*nouns, "the", "a", "of"]) for _ in range(dice.randrange(3, 12))) for _ in range(60)]
    text = "\n".join(lines) + "\n"
    (place / "text.txt").write_text(text)
    blob = bytes(dice.randrange(256) if dice.random() < 0.6 else 65 for _ in range(60000))
    (place / "data.bin").write_bytes(blob)
    import lzma

    content = (place / "words.txt").read_bytes()
    (place / "words.txt.xz").write_bytes(lzma.compress(content))
    (place / "words.txt.lzma").write_bytes(lzma.compress(content, format=lzma.FORMAT_ALONE))
    with zipfile.ZipFile(place / "archive.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (("text.txt", text.encode()), ("data.bin", blob)):
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 2, 3, 4, 6)), data)
    with tarfile.open(place / "t.txz", "w:xz") as archive:
        _add(archive, "text.txt", text.encode())
    _deb(place / "a.deb")
    for file in place.iterdir():
        os.utime(file, (1_600_000_000, 1_600_000_000))


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mtime = len(data), 1_600_000_000
    archive.addfile(info, io.BytesIO(data))


def _deb(place: Path) -> None:
    """A small Debian package: an `ar` archive of two tar archives."""
    members = {"debian-binary": b"2.0\n"}
    for name, files in (
        ("control.tar.gz", {"./control": b"Package: sample\nVersion: 1\nArchitecture: all\nDescription: d\n"}),
        ("data.tar.gz", {"./etc/sample": b"x\n"}),
    ):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for file, data in files.items():
                _add(archive, file, data)
        members[name] = buffer.getvalue()
    out = b"!<arch>\n"
    for name, data in members.items():
        out += f"{name:<16}{1600000000:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
        out += data + b"\n" * (len(data) % 2)
    place.write_bytes(out)
