"""Workbenches of the toy architecture, made once for each host level."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from pyqemu.hostgen.hosts import x86_64
from pyqemu.hostgen.pack import build_pack
from pyqemu.tools.installed import read_pack
from pyqemu.translator.adl.load import load
from tests.regions.area import Area
from tests.regions.workbench import Workbench
from tests.targets.toy.regions.subject import Toy

FOLDER = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def benches(tmp_path_factory: pytest.TempPathFactory, area: Area) -> Callable[[str], Workbench]:
    """A workbench by host level."""
    folder, target = tmp_path_factory.mktemp("packs"), load(FOLDER)

    @functools.cache
    def make(level: str) -> Workbench:
        if level not in x86_64.supported_levels():
            pytest.skip(f"this machine does not have level {level}")
        path = folder / f"toy.{level}.pack"
        path.write_bytes(build_pack(target, x86_64.host(level), digest=bytes(range(32))).data)
        return Workbench(Toy(target), read_pack(path), area)

    return make
