"""Random regions of the toy architecture; see tests/regions."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyqemu.hostgen.hosts import x86_64
from pyqemu.hostgen.pack import build_pack
from pyqemu.tools.installed import read_pack
from pyqemu.translator.adl.load import load
from tests.regions.area import Area
from tests.regions.run import check, failures
from tests.regions.workbench import Workbench
from tests.targets.toy.regions.subject import Toy

TOY = Path(__file__).parents[1]
COUNT = 96


@pytest.mark.parametrize("level", sorted(x86_64.LEVELS))
def test_random_regions(level: str, tmp_path: Path) -> None:
    if level not in x86_64.supported_levels():
        pytest.skip(f"this machine does not have level {level}")
    target = load(TOY)
    path = tmp_path / f"toy.{level}.pack"
    path.write_bytes(build_pack(target, x86_64.host(level), digest=bytes(range(32))).data)
    bench = Workbench(Toy(target), read_pack(path), Area())
    report = check(bench, 1, COUNT)
    print(f"level {level}: {report}")
    assert not report.failures, "\n".join(failures(bench, report))
    assert report.regions > 0.9 * COUNT and report.installed > 0.8 * COUNT
    assert report.stopped and all(report.ends[how] for how in ("exception", "fault"))
