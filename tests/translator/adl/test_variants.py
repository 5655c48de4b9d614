"""Variants: constants that decide widths, which encodings there are, and which files are used."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyqemu.translator.adl.errors import DescriptionError
from pyqemu.translator.adl.load import load

MAIN = """
arch pair {
  variant wide { const LEN = 32 }
  variant narrow { const LEN = 16; const SMALL = 1 }
  unit Word b16 order le
  address b(LEN)
  exception undefined()
  exception wrong(address: b(LEN))
  file G[4]: b(LEN)
  cpu plain { reset G[1] = -1 }
  use "wide.arch" if LEN == 32
}
fn increased(x: b(LEN), by: int) -> b(LEN) = x + by
insn NEXT {
  enc "0000 r:2 imm:s10" if imm < LEN
  asm "next {r}, {imm}"
  do { G[r] := increased(G[r], imm) }
}
insn PUT {
  enc "0001 r:2 .......... " if LEN == 16
  asm "put {r}"
  do { G[r] := b(here + 2, LEN) }
}
insn JUMP {
  enc "0010 imm:s12"
  let target = bits(here + imm * 2, LEN)
  asm "jump {target:h}"
  do { goto target }
}
"""
WIDE = """
insn HALF {
  enc "0001 r:2 .........."
  asm "half {r}"
  do { G[r] := zext(G[r][15:0], LEN) }
}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An architecture of two variants."""
    (tmp_path / "main.arch").write_text(MAIN)
    (tmp_path / "wide.arch").write_text(WIDE)
    return tmp_path


def test_widths_and_encodings(folder: Path) -> None:
    """Each variant is an architecture of its own name; the first is what is read if none is asked for."""
    wide, narrow = load(folder), load(folder, "narrow")
    assert (wide.name, wide.address_width) == ("wide", 32)
    assert (narrow.name, narrow.address_width) == ("narrow", 16)
    assert [e.name for e in wide.encodings] == ["HALF", "NEXT", "JUMP"]
    assert [e.name for e in narrow.encodings] == ["NEXT", "PUT", "JUMP"]
    assert [r.width for r in wide.registers] == [32] and [r.width for r in narrow.registers] == [16]
    assert [kind.argument_widths for kind in narrow.exceptions] == [(), (16,)]
    assert narrow.cpus[0].resets == (("G", 1, 0xFFFF),)
    for target in (wide, narrow):
        for encoding in target.encodings:
            target.shapes(encoding)


def test_guards_and_text(folder: Path) -> None:
    """A constant in a guard decides about words; addresses wrap at the variant's width."""
    for name, places in (("wide", (15, 31)), ("narrow", (15,))):
        target = load(folder, name)
        assert all(target.decode(imm, "Word", {}) is not None for imm in places)
        assert target.decode(places[-1] + 1, "Word", {}) is None
        end = (1 << target.address_width) - 2
        (found,) = target.assemble("jump 0x2", end)
        assert target.disassemble(found.encoding, found.encoding.fields_of(found.word), end) == "jump 2"
        assert found.word == 0x2002


def test_unknown(folder: Path) -> None:
    with pytest.raises(DescriptionError, match="no variant is called wid"):
        load(folder, "wid")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("if LEN == 32\n}", "if SIZE == 32\n}", "SIZE"),
        ("address b(LEN)", "address b(LEN * 3)", "addresses cannot be b96"),
        ("file G[4]: b(LEN)", "file G[4]: b(r)", "storage has a fixed number of bits"),
        ("const LEN = 32 }", "const LEN = r }", "r"),
    ],
)
def test_mistakes(folder: Path, old: str, new: str, message: str) -> None:
    assert old in MAIN
    (folder / "main.arch").write_text(MAIN.replace(old, new))
    with pytest.raises(DescriptionError, match=message):
        load(folder)


def test_only_in_main(folder: Path) -> None:
    (folder / "wide.arch").write_text("variant third { const LEN = 64 }\n" + WIDE)
    with pytest.raises(DescriptionError, match=r"stands in main\.arch"):
        load(folder)
