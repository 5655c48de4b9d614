"""linux.toml as keys and values; variants."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyqemu.translator.linux_table import LinuxTableError, flatten

TABLE = """
word_bytes = 8
[reg]
sp = "R[1]"
[syscall]
3 = ["read", "write", "close"]
[sigframe]
items = [[0, 8, "pc"], [8, 4, "R", 2]]
[variant.narrow]
word_bytes = 4
[variant.narrow.syscall]
4 = [""]
9 = ["read_64"]
[variant.narrow.sigframe]
items = [[0, 4, "pc"]]
"""
COMMON = {"reg.sp": "R[1]", "syscall.3": "read", "syscall.5": "close"}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table with a variant."""
    path = tmp_path / "linux.toml"
    path.write_text(TABLE)
    return path


@pytest.mark.parametrize("variant", [None, "wide"])
def test_common(table: Path, variant: str | None) -> None:
    """A variant without anything of its own is as all are."""
    own = {"word_bytes": "8", "syscall.4": "write", "sigframe.items": "0:8:pc 8:4:R[0] 12:4:R[1]"}
    assert flatten(table, variant) == COMMON | own


def test_variant(table: Path) -> None:
    """Keys are put over the common ones one by one."""
    own = {"word_bytes": "4", "syscall.4": "", "syscall.9": "read_64", "sigframe.items": "0:4:pc"}
    found = flatten(table, "narrow")
    assert found == COMMON | own and list(found) == sorted(found)


def test_given_twice(table: Path) -> None:
    """Within a variant's part, as within the common one, a key is given once."""
    table.write_text(TABLE.replace("9 =", "3 = ['a', 'b'] #"))
    with pytest.raises(LinuxTableError, match=r"syscall\.4 is given twice"):
        flatten(table, "narrow")
