"""Fetches test guests and oracles from Debian, by way of this machine's own APT sources.

Nothing is installed: packages are downloaded with a private APT state and unpacked aside with `dpkg -x`, below
`tests/.cache` (or `PYQEMU_TEST_CACHE`). Needs no root. A package that is there already is not fetched again.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

CACHE = Path(os.environ.get("PYQEMU_TEST_CACHE") or Path(__file__).parents[1] / ".cache").resolve()
#: Debian's name of the suite that has QEMU 10 (measuring.md: the base suite's is too old as an oracle).
BACKPORTS = "bookworm-backports"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def _mirror() -> str:
    """The address of Debian's main archive as this machine's APT sources have it."""
    for file in sorted(Path("/etc/apt").glob("sources.list*")):
        for source in [file] if file.is_file() else sorted(file.iterdir()):
            text = source.read_text(errors="replace")
            for pattern in (r"(?m)^URIs:\s*(\S+)", r"(?m)^deb(?:\s+\[[^]]*\])?\s+(\S+)\s+bookworm\s"):
                if found := re.search(pattern, text):
                    return found[1]
    raise RuntimeError("no Debian archive among this machine's APT sources")


@cache
def _apt(architecture: str) -> tuple[str, ...]:
    """Options of an APT with a state of its own that knows `architecture` and the backports."""
    state = CACHE / "apt" / architecture
    for folder in ("lists/partial", "archives/partial", "etc/preferences.d"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    mirror = _mirror()
    lines = [
        f"deb [arch={architecture} signed-by={KEYRING}] {mirror} {suite} main"
        for suite in ("bookworm", "bookworm-updates", BACKPORTS)
    ]
    lines.append(f"deb-src [signed-by={KEYRING}] {mirror} bookworm main")
    (state / "sources.list").write_text("\n".join(lines) + "\n")
    options = (
        f"-oDir::State={state}",
        f"-oDir::State::status={state}/status",
        f"-oDir::Cache={state}",
        f"-oDir::Etc={state}/etc",
        f"-oDir::Etc::SourceList={state}/sources.list",
        "-oDir::Etc::SourceParts=-",
        f"-oAPT::Architecture={architecture}",
        f"-oAPT::Architectures={architecture}",
        "-oAPT::Sandbox::User=root",
    )
    subprocess.run(["apt-get", *options, "-qq", "update"], check=True, stdout=subprocess.DEVNULL)
    return options


def package(name: str, architecture: str, suite: str = "") -> Path:
    """The folder that Debian's package `name` is unpacked in; fetched if it is not there yet."""
    place = CACHE / "debian" / architecture / name
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # APT's state is one process's at a time, and nobody fetches twice
        if not place.is_dir():
            _fetch(name, architecture, suite, place)
    return place


def _fetch(name: str, architecture: str, suite: str, place: Path) -> None:
    """Downloads a package and unpacks it aside; a killed run leaves nothing that looks whole."""
    aside = place.with_name(f".{name}")
    shutil.rmtree(aside, ignore_errors=True)
    (aside / "root").mkdir(parents=True)
    wanted = f"{name}/{suite}" if suite else name
    subprocess.run(["apt-get", *_apt(architecture), "-qq", "download", wanted], cwd=aside, check=True)
    (archive,) = aside.glob("*.deb")
    subprocess.run(["dpkg", "-x", archive, aside / "root"], check=True)
    (aside / "root").rename(place)
    shutil.rmtree(aside)


def source(name: str) -> Path:
    """The folder that the source package `name` is unpacked in, with Debian's patches applied and its `debian`."""
    place = CACHE / "debian/source" / name
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.is_dir():
            _fetch_source(name, place)
    return place


def _fetch_source(name: str, place: Path) -> None:
    """Of format 3.0 (quilt): the original archive, and one with `debian`, whose patches are applied in their order."""
    aside = place.with_name(f".{name}")
    shutil.rmtree(aside, ignore_errors=True)
    (aside / "root").mkdir(parents=True)
    command = ["apt-get", *_apt(_host()), "-qq", "--download-only", "source", name]
    subprocess.run(command, cwd=aside, check=True)
    (original,) = aside.glob("*.orig.tar.*[!c]")
    (debian,) = aside.glob("*.debian.tar.*")
    subprocess.run(["tar", "-xf", original, "-C", aside / "root", "--strip-components=1"], check=True)
    subprocess.run(["tar", "-xf", debian, "-C", aside / "root"], check=True)
    patches = aside / "root/debian/patches"
    for line in (patches / "series").read_text().splitlines():
        if line and not line.startswith("#"):
            subprocess.run(["patch", "-s", "-p1", "-i", patches / line.split()[0]], cwd=aside / "root", check=True)
    (aside / "root").rename(place)
    shutil.rmtree(aside)


def _host() -> str:
    command = ["dpkg", "--print-architecture"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def built_busybox(triplet: str) -> Path:
    """Debian's static busybox for an architecture that its archive does not have, made by `triplet`-gcc."""
    place = CACHE / "built" / triplet / "busybox"
    if place.exists():
        return place
    tree = source("busybox")
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            _build_busybox(tree, triplet, place)
    return place


def _build_busybox(tree: Path, triplet: str, place: Path) -> None:
    """As debian/rules does it: the static package's configuration, in a folder of its own."""
    build = place.parent / "build"
    shutil.rmtree(build, ignore_errors=True)
    build.mkdir()
    shutil.copy(tree / "debian/config/pkg/static", build / ".config")
    make = ["make", "-s", f"CROSS_COMPILE={triplet}-", "KBUILD_VERBOSE=0"]
    with open(place.parent / "log", "w") as log:
        for folder, words in ((tree, [f"O={build}", "oldconfig"]), (build, ["-j2"])):
            subprocess.run([*make, *words], cwd=folder, check=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    (build / "busybox").rename(place)
    shutil.rmtree(build)


def qemu(guest: str) -> Path:
    """QEMU 10's user-mode emulator for `guest` (its name in QEMU's own spelling)."""
    return package("qemu-user", _host(), BACKPORTS) / "usr/bin" / f"qemu-{guest}"
