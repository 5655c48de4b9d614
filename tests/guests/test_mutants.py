"""Programs with changed headers and code: whatever they do, pyqemu-user itself does not fail."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.paths import pyqemu_user

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples/aarch64"
RIGHT = {"exit", "signal", "stopped", "refused"}
#: What a run of a thousand has to give of each, at least: else the changes are too strong or too weak.
LEAST = {"exit": 150, "signal": 150, "refused": 150}
SOURCE = '#include <stdio.h>\nint main(int n, char **words) { printf("%s %d\\n", words[0], n); return n; }\n'


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Right programs: two small ones, and one with a C library."""
    place = tmp_path_factory.mktemp("mutants")
    (place / "words.c").write_text(SOURCE)
    command = ["aarch64-linux-gnu-gcc", "-O2", "-static", "-s", str(place / "words.c"), "-o", str(place / "words")]
    subprocess.run(command, check=True)
    return [str(EXAMPLES / "hello"), str(EXAMPLES / "sieve"), str(place / "words")]


def run_mutants(first: int, count: int, programs: list[str], root: Path, show: bool = False) -> None:
    """Runs `count` mutants in a root of their own; all must end as programs may end."""
    command = ["unshare", "-Urmpfni", "--kill-child", sys.executable, "-P", str(HERE / "run_mutants.py")]
    command += [str(root), str(pyqemu_user()), str(first), str(count), *programs]
    verdicts: Counter[str] = Counter()
    wrong: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout
        for line in driver.stdout:
            verdict = json.loads(line)["verdict"]
            verdicts[verdict] += 1
            if verdict not in RIGHT:
                wrong.append(line)
            if show:
                print(f"\r{verdicts.total()} of {count}: {dict(verdicts)}", end="", file=sys.stderr, flush=True)
    assert not wrong, f"{len(wrong)} wrong; the seed makes each again:\n" + "".join(wrong[:20])
    assert driver.returncode == 0 and verdicts.total() == count
    for verdict, least in LEAST.items():
        assert verdicts[verdict] >= least * count // 1000, verdicts


@pytest.mark.guest
@pytest.mark.parametrize("first", range(0, 500, 100))
def test_mutants(first: int, programs: list[str], tmp_path: Path) -> None:
    """A hundred mutants."""
    run_mutants(first, 100, programs, tmp_path)


@pytest.mark.guest
@pytest.mark.long
def test_many_mutants(programs: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Ten thousand, other ones."""
    with capfd.disabled():
        run_mutants(1000, 10_000, programs, tmp_path, show=sys.stderr.isatty())
