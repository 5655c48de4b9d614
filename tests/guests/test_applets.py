"""Static busybox of each architecture: every section of applets.sh gives under pyqemu-user what it gives under QEMU."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.guests.architectures import AARCH64, ARCHITECTURES, ARMEL, Architecture
from tests.guests.roots import Emulator, Run, add_libraries, make_root
from tests.guests.ways import prepared
from tests.paths import pyqemu_user

#: What may differ between two right runs, and what it is replaced by; with the reason. At most 20.
SUBSTITUTIONS: tuple[tuple[bytes, bytes, str], ...] = (
    (rb"tmp\.\w{6}", b"tmp.XXXXXX", "mktemp's random names"),
    (rb"qemu: uncaught target signal .*\n", b"", "QEMU's own message when a guest dies of a signal"),
)


def cases() -> dict[str, str]:
    """Name and text of each section of applets.sh."""
    parts = re.split(r"(?m)^#### (\S+)\n", Path(__file__).with_name("applets.sh").read_text())
    return dict(zip(parts[1::2], parts[2::2], strict=True))


#: Sections of the ordinary run for the architecture that differs from another one by its floating point only.
SOME = {ARMEL: ("sh-basics", "sh-jobs", "sh-traps", "awk-math", "sums", "ls-stat", "bc", "env", "net-local", "limits")}
CASES = [
    pytest.param(guest, name, id=f"{guest}-{name}", marks=() if name in SOME.get(guest, cases()) else pytest.mark.long)
    for guest in ARCHITECTURES.values()
    for name in cases()
]


@pytest.fixture(scope="session")
def guest(request: pytest.FixtureRequest) -> Architecture:
    """Whose programs are run."""
    return request.param


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory, guest: Architecture) -> Path:
    """A root with busybox and all cases."""
    place = make_root(tmp_path_factory.mktemp("root"), prepared(guest.busybox(), guest.cpu))
    add_libraries(place, pyqemu_user())
    for name, text in cases().items():
        (place / "cases" / name).write_text(text)
    return place


def run_case(emulator: Emulator, root: Path, name: str) -> Run:
    """One case in a fresh, empty /work; its substitutions applied."""
    work = root / "work"
    shutil.rmtree(work)
    work.mkdir()
    result = emulator.run(root, ["/bin/sh", f"/cases/{name}"], cwd="/work")
    outputs = [result.stdout, result.stderr]
    for pattern, replacement, _reason in SUBSTITUTIONS:
        outputs = [re.sub(pattern, replacement, text) for text in outputs]
    return Run(result.status, *outputs)


@pytest.mark.guest
@pytest.mark.parametrize(("guest", "name"), CASES, indirect=["guest"])
def test_applets(name: str, root: Path, guest: Architecture) -> None:
    """Standard output, standard error and exit status are QEMU's."""
    oracle = run_case(Emulator(guest.emulator, binfmt=guest, cpu=guest.qemu_cpu), root, name)
    assert oracle.status not in (124, 125, 126, 127), oracle
    assert run_case(Emulator(pyqemu_user(), cpu=guest.cpu), root, name) == oracle


@pytest.mark.parametrize("guest", [AARCH64], ids=str, indirect=True)
def test_enough_applets(root: Path) -> None:
    """At least 80 different applets are in use; at most 20 substitutions are listed."""
    text = "\n".join(cases().values())
    used = [a.name for a in (root / "bin").iterdir() if re.search(rf"(?<![\w./-]){re.escape(a.name)}(?![\w.-])", text)]
    assert len(used) >= 80
    assert len(SUBSTITUTIONS) <= 20
