"""Writes packs and archives as relocatable ELF64 objects: sections, symbols, relocations for people's tools; and reads
sections back.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

_SHT_PROGBITS, _SHT_SYMTAB, _SHT_STRTAB, _SHT_RELA = 1, 2, 3, 4
_SHF_ALLOC, _SHF_EXEC = 2, 4
_FUNC, _GLOBAL = 2, 1


class Strings:
    """A string table: offset 0 is the empty string, equal strings are held once."""

    def __init__(self) -> None:
        self._data = bytearray(1)
        self._offsets: dict[str, int] = {"": 0}

    def add(self, text: str) -> int:
        """Offset of `text`."""
        offset = self._offsets.get(text)
        if offset is None:
            offset = self._offsets[text] = len(self._data)
            self._data += text.encode() + b"\0"
        return offset

    @property
    def data(self) -> bytes:
        return bytes(self._data)


@dataclass(slots=True)
class Section:
    name: str
    data: bytes
    kind: int = _SHT_PROGBITS
    flags: int = _SHF_ALLOC
    align: int = 16
    link: int = 0
    info: int = 0
    entry: int = 0


@dataclass(slots=True)
class ElfObject:
    """A relocatable object with one text section."""

    machine: int  # e_machine
    text_align: int = 64  # of .text in the file
    sections: list[Section] = field(default_factory=list[Section])
    text: bytearray = field(default_factory=bytearray)
    _strings: Strings = field(default_factory=Strings)
    _symbols: list[bytes] = field(default_factory=lambda: [bytes(24)])
    _undefined: dict[str, int] = field(default_factory=dict[str, int])
    _relocations: list[bytes] = field(default_factory=list[bytes])

    def add_function(self, name: str, code: bytes, align: int) -> int:
        """Puts code into .text under a symbol; gives its offset."""
        self.text += bytes(-len(self.text) % align)
        offset = len(self.text)
        self.text += code
        self._symbols.append(
            struct.pack("<IBBHQQ", self._strings.add(name), _GLOBAL << 4 | _FUNC, 0, 1, offset, len(code))
        )
        return offset

    def add_relocation(self, offset: int, kind: int, symbol: str, addend: int) -> None:
        """A relocation of .text to an undefined symbol."""
        number = self._undefined.get(symbol)
        if number is None:
            number = self._undefined[symbol] = len(self._symbols)
            self._symbols.append(struct.pack("<IBBHQQ", self._strings.add(symbol), _GLOBAL << 4, 0, 0, 0, 0))
        self._relocations.append(struct.pack("<QQq", offset, number << 32 | kind, addend))

    def add_section(self, name: str, data: bytes, align: int = 16) -> None:
        """A section of data."""
        self.sections.append(Section(name, data, align=align))

    def write(self) -> bytes:
        """The file."""
        symtab = len(self.sections) + 3
        text = Section(".text", bytes(self.text), flags=_SHF_ALLOC | _SHF_EXEC, align=self.text_align)
        rela = Section(".rela.text", b"".join(self._relocations), _SHT_RELA, 0x40, 8, symtab, 1, 24)  # SHF_INFO_LINK
        names = Strings()
        sections = [
            text, rela, *self.sections,
            Section(".symtab", b"".join(self._symbols), _SHT_SYMTAB, 0, 8, symtab + 1, 1, 24),
            Section(".strtab", self._strings.data, _SHT_STRTAB, 0, 1),
            Section(".shstrtab", b"", _SHT_STRTAB, 0, 1),
        ]  # fmt: skip
        offsets_of_names = [names.add(section.name) for section in sections]
        sections[-1].data = names.data
        return self._assemble(sections, offsets_of_names)

    def _assemble(self, sections: list[Section], names: list[int]) -> bytes:
        body = bytearray(64)
        headers = [bytes(64)]
        for section, name in zip(sections, names, strict=True):
            body += bytes(-len(body) % section.align)
            headers.append(
                struct.pack(
                    "<IIQQQQIIQQ", name, section.kind, section.flags, 0, len(body), len(section.data),
                    section.link, section.info, section.align, section.entry,
                )
            )  # fmt: skip
            body += section.data
        body += bytes(-len(body) % 16)
        place = len(body)
        body += b"".join(headers)
        ident = b"\x7fELF\x02\x01\x01" + bytes(9)
        body[:64] = ident + struct.pack(
            "<HHIQQQIHHHHHH", 1, self.machine, 1, 0, 0, place, 0, 64, 0, 0, 64,
            len(headers), len(headers) - 1,
        )  # fmt: skip
        return bytes(body)


def read_sections(data: bytes) -> dict[str, bytes]:
    """The sections of an object that ElfObject wrote, by name. Whatever the bytes are, nothing is read but them.

    Raises ValueError.
    """
    try:
        header = struct.unpack_from("<16sHHIQQQIHHHHHH", data)
        place, count, names_at = header[6], header[12], header[13]
        rows = [struct.unpack_from("<IIQQQQ", data, place + 64 * number) for number in range(count)]
        if not data.startswith(b"\x7fELF\x02\x01") or sum(row[5] for row in rows) > len(data):
            raise ValueError("not an object of this host, or cut off")
        contents = [data[row[4] : row[4] + row[5]] for row in rows]
        names = contents[names_at]
        return {names[row[0] : names.index(0, row[0])].decode(): part for row, part in zip(rows, contents, strict=True)}
    except (struct.error, IndexError) as error:
        raise ValueError(f"not an object of this host: {error}") from None
