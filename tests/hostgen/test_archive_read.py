"""Archives read back: as they were written, for the same kind and guest code, or not at all."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import pytest

from pyqemu.hostgen.archive import ArchiveKind, build_archive
from pyqemu.hostgen.archive_read import BadArchive, read_archive
from pyqemu.hostgen.hosts.x86_64 import host
from pyqemu.hostgen.image import Image
from pyqemu.hostgen.layout import lay_out
from pyqemu.hostgen.lower import Machine
from pyqemu.hostgen.region_object import Access, CompiledRegion
from pyqemu.hostgen.regions import Exit
from tests.hostgen.machine_code import CONTEXT, EXCEPTIONS, REGISTERS

KIND = ArchiveKind(bytes(range(32)), bytes(range(16)), 5, 4096, bytes([7] * 32))
REGIONS = [
    CompiledRegion(
        *("one", ((0, 8), (16, 4)), 3, b"\x90" * 40, (), ((0, 0), (16, 8)), (Access(4, 20, 16),), ()),
        context=(1, 0, 0, 0),
    ),
    CompiledRegion(
        *("two", ((32, 8),), 2, b"\xcc" * 24, (), ((32, 0),), (), (Exit(64, 0), Exit(-8, 1))), context=(0, 0, 7, 0)
    ),
]


@dataclass(frozen=True, slots=True)
class Code:
    """A guest's code."""

    data: bytes = bytes(range(100, 228))

    def fetch(self, offset: int, size: int) -> bytes | None:
        found = self.data[offset : offset + size]
        return found if len(found) == size else None


def archive(kind: ArchiveKind = KIND) -> bytes:
    """The two regions' archive."""
    image = Image(Machine(host("v1"), lay_out(REGISTERS), CONTEXT, EXCEPTIONS, 2, False), {})
    image.link()
    return build_archive(kind, REGIONS, image, Code())


def test_there_and_back() -> None:
    """All that a region is made of."""
    assert read_archive(archive(), KIND, Code()) == REGIONS


@pytest.mark.parametrize(
    "other",
    [
        replace(KIND, digest=bytes(32)), replace(KIND, module_key=bytes(16)), replace(KIND, features=4),
        replace(KIND, extent=8192), replace(KIND, key=bytes(32)),
    ],
)  # fmt: skip
def test_another_kind(other: ArchiveKind) -> None:
    """Its regions would be signed as what they are not."""
    with pytest.raises(BadArchive):
        read_archive(archive(), other, Code())


def test_other_code() -> None:
    """A region is the old file's, though the module key is the same."""
    for at, left in ((3, REGIONS[1:]), (18, REGIONS[1:]), (39, REGIONS[:1]), (12, REGIONS), (50, REGIONS)):
        data = bytearray(Code().data)
        data[at] ^= 1
        assert read_archive(archive(), KIND, Code(bytes(data))) == left
    assert read_archive(archive(), KIND, Code(Code().data[:20])) == REGIONS[:1]


def test_damaged() -> None:
    """Each byte in turn, and each length: BadArchive, or regions as they were written, though fewer may be found."""
    whole, dice, bad = archive(), random.Random(1), 0
    for at in range(0, len(whole), 3):
        flipped = whole[:at] + bytes([whole[at] ^ 1 << dice.randrange(8)]) + whole[at + 1 :]
        for data in (flipped, whole[:at]):
            try:
                found = read_archive(data, KIND, Code())
            except BadArchive:
                bad += 1
                continue
            assert found == REGIONS[: len(found)]
    assert bad > len(whole) // 3
