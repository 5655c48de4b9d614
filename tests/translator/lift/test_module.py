"""Files that are no modules: refused, whatever their headers say."""

from __future__ import annotations

import struct

import pytest

from pyqemu.translator.errors import GuestFileError
from pyqemu.translator.lift.module import read_module

CODE = bytes(range(64))


def elf(*, headers_at: int = 64, count: int = 1, address: int = 0x400000, offset: int = 120, size: int = 64) -> bytes:
    """A file with one segment of CODE, or with what is wrong about it."""
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header += struct.pack("<HHIQQQIHHHHHH", 2, 183, 1, address, headers_at, 0, 0, 64, 56, count, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, offset, address, address, size, size, 4096)
    return header + segment + CODE


def test_right_file() -> None:
    """Its code, by offset."""
    module = read_module(elf())
    assert (module.base, module.extent, module.fetch(4, 8)) == (0x400000, 64, CODE[4:12])
    assert module.fetch(60, 8) is None


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x7fELF", elf()[:60], elf(headers_at=2**64 - 8), elf(headers_at=2**63), elf(headers_at=5000),
        elf(count=0), elf(count=60000), elf(size=2**33), elf(size=2**64 - 1),
    ],
)  # fmt: skip
def test_wrong_files(data: bytes) -> None:
    """What cannot be read, has nothing to load, or more than offsets can name."""
    with pytest.raises(GuestFileError):
        read_module(data)


def test_code_that_is_cut_off() -> None:
    """Nothing is made up for it."""
    assert read_module(elf()[:-8]).fetch(56, 4) is None
    assert read_module(elf(offset=2**63)).fetch(0, 4) is None
