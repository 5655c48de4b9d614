"""Reading ELF files: what is found in right ones, and one clear error for what is wrong."""

from __future__ import annotations

import random
import struct
from collections import Counter

import pytest

from pyqemu.translator.errors import GuestFileError
from pyqemu.translator.program.discover import discover
from pyqemu.translator.program.elf import read_elf
from pyqemu.translator.program.image import Extent, Image, Symbol
from tests.guests.mutate import mutant

from .test_discover import switch
from .toy import BASE, DATA, MACHINE, READER, RETURN, RODATA, TEXT, Toy, call, code

RICH = Toy(
    code(*switch(2, 2), RETURN, call(-1), RETURN, RETURN),
    rodata=struct.pack("<hh", 0, 1),
    data=struct.pack("<QQ", TEXT + 4, 0),
    symbols=(("main", TEXT, 44), ("inner", TEXT + 8, 4), ("tail", TEXT + 52, 0)),
    frames=((TEXT, 44), (TEXT + 44, 8)),
    relocations=((DATA + 8, TEXT + 48), (DATA, 7)),
    initialisers=(TEXT + 52,),
)


def image(toy: Toy) -> Image:
    return read_elf(toy.packed(), MACHINE)


def test_contents() -> None:
    """Segments with their places in the file, code from executable sections, and all that points at it."""
    found = image(RICH)
    assert (found.base, found.order, found.word_bytes, found.machine) == (BASE, "le", 8, MACHINE)
    assert [(s.address, s.offset, s.executable, s.writable) for s in found.segments] == [
        (BASE, 0, True, False), (DATA, 0x1000, False, True),
    ]  # fmt: skip
    assert [(piece.address, piece.offset, piece.data) for piece in found.code] == [(TEXT, 0x400, RICH.text)]
    assert found.roots == (TEXT, TEXT + 52)
    assert found.symbols == (
        Symbol("main", TEXT, 44), Symbol("inner", TEXT + 8, 4), Symbol("tail", TEXT + 52, 0),
    )  # fmt: skip
    assert found.extents == (Extent(TEXT, TEXT + 44), Extent(TEXT + 44, TEXT + 52))
    assert found.relocated == {DATA + 8: TEXT + 48}
    assert set(found.words()) >= {TEXT + 48, TEXT + 4}


def test_addresses() -> None:
    """Places in the file, and values of words with and without relocations."""
    found = image(RICH)
    assert found.file_offset(TEXT + 4) == 0x404 and found.file_offset(DATA + 1) == 0x1001
    assert found.file_offset(0) is None and found.file_offset(DATA + 0x1000) is None
    assert found.load(RODATA, 4, "le") == 0x10000 and found.load(RODATA, 4, "be") == 0x100
    assert found.load(DATA + 8, 8, "le") == TEXT + 48
    assert found.load(DATA + 23, 2, "le") is None
    assert found.code_at(TEXT + len(RICH.text)) is None and found.code_at(RODATA) is None
    assert found.extent_at(TEXT + 43) == Extent(TEXT, TEXT + 44) and found.extent_at(TEXT + 52) is None


def test_without_sections() -> None:
    """Whole executable segments are code if there are no section headers, or none that make sense."""
    for patches in ({}, {40: struct.pack("<Q", 1 << 40)}):
        found = image(Toy(RICH.text, sections=bool(patches), patches=patches))
        assert [(piece.address, len(piece.data)) for piece in found.code] == [(BASE, 0xF00)]
        assert found.symbols == () and found.extents == ()


def test_program_without_sections() -> None:
    """The same blocks are reached from the entry point."""
    with_sections = Toy(RICH.text, rodata=RICH.rodata).program()
    without = Toy(RICH.text, rodata=RICH.rodata, sections=False).program()
    assert with_sections.tables and without.tables == with_sections.tables
    assert set(with_sections.graph) <= set(without.graph)


def test_32_bits_big_endian() -> None:
    """The other class and byte order, with a pointer in data."""
    header = b"\x7fELF\x01\x02\x01".ljust(16, b"\0")
    header += struct.pack(">HHIIIIIHHHHHH", 2, MACHINE, 1, 0x1080, 52, 0, 0, 52, 32, 2, 40, 0, 0)
    code_segment = struct.pack(">8I", 1, 0x80, 0x1080, 0x1080, 8, 8, 5, 4)
    data_segment = struct.pack(">8I", 1, 0x88, 0x2000, 0x2000, 8, 64, 6, 4)
    data = (
        (header + code_segment + data_segment).ljust(0x80, b"\0") + code(RETURN, RETURN) + struct.pack(">II", 1, 0x1084)
    )
    found = read_elf(data, MACHINE)
    assert (found.order, found.word_bytes, found.roots) == ("be", 4, (0x1080,))
    assert found.file_offset(0x1084) == 0x84 and found.file_offset(0x2008) is None
    assert list(found.words()) == [1, 0x1084]
    assert discover(found, READER).statistics.instructions == 2


PHDR = 64
WRONG = {
    "not an ELF file": {0: b"\x7fELG"},
    "not a program or shared library": {16: b"\x01\0"},
    "for another architecture": {18: b"\x3e\0"},
    "the program headers are not in the file": {32: struct.pack("<Q", 1 << 63)},
    "nothing in it is executable": {PHDR + 4: b"\x04"},
    "a segment is not in the file": {PHDR + 32: struct.pack("<QQ", 1 << 40, 1 << 41)},
    "a segment is larger in the file than in memory": {PHDR + 40: struct.pack("<Q", 16)},
    "two segments overlap": {PHDR + 56 + 16: struct.pack("<Q", BASE + 8)},
    "a segment goes beyond the last address": {PHDR + 56 + 16: struct.pack("<Q", (1 << 64) - 4)},
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_files(message: str) -> None:
    with pytest.raises(GuestFileError, match=message):
        read_elf(Toy(RICH.text, data=bytes(64), patches=WRONG[message]).packed(), MACHINE)


def test_too_many_headers() -> None:
    """Linux maps no such file either, and nothing here takes as long as they could make it."""
    data = RICH.packed() + bytes(56 * 2000)
    for count, message in ((2000, "program headers are too many"), (60_000, "not in the file")):
        header = bytearray(data)
        header[56:58] = struct.pack("<H", count)
        with pytest.raises(GuestFileError, match=message):
            read_elf(bytes(header), MACHINE)


def changed(seed: int) -> bytes:
    """RICH with other headers (as programs that are run have), or with other bytes anywhere but in what is empty."""
    if seed % 2:
        return mutant([RICH.packed()], seed)[0]
    dice, data = random.Random(seed), bytearray(RICH.packed())
    places = [place for place, byte in enumerate(data) if byte]
    for place in dice.sample(places, dice.randrange(1, 6)):
        place = min(max(0, place + dice.randrange(-4, 5)), len(data) - 1)
        data[place] = dice.choice([0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256), data[place] ^ 1 << dice.randrange(8)])
    return bytes(data)


def test_mutants() -> None:
    """Five hundred wrong files: each is refused by the one error, or searched to the end."""
    verdicts: Counter[str] = Counter()
    for seed in range(500):
        data = changed(seed)
        try:
            program = discover(read_elf(data), READER)
        except GuestFileError:
            verdicts["refused"] += 1
            continue
        verdicts["searched"] += 1
        statistics = program.statistics
        code_bytes = sum(len(piece.data) for piece in program.image.code)
        assert statistics.unreached <= code_bytes and statistics.instructions <= code_bytes
    assert min(verdicts.values()) > 60, verdicts
