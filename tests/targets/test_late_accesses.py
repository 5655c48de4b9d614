"""No stencil of any architecture changes guest state before an access that can fault: `build_pack --check`."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyqemu.tools.build_pack import build

TARGETS = Path(__file__).parents[2] / "targets"


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(path.parent.name for path in TARGETS.glob("*/main.arch")))
def test_no_late_access(name: str, tmp_path: Path) -> None:
    """In the packs of the higher level, which take a minute to build."""
    build(TARGETS / name, tmp_path, ["v3"], 1, check=True)
    assert list(tmp_path.glob("*.pack"))
