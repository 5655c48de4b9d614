"""Host code as text for people: instructions that control reaches, with labels where jumps lead; the rest as data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pyqemu.hostgen.host import Host, HostInstruction

_DATA_BYTES = 16


@dataclass(slots=True)
class Marks:
    """What is known of code beforehand, by offset.

    `labels` are names of places, all of which are code; `fields` are what is filled into an instruction's relative
    field, whose text then names that instead of an address; `notes` are said behind instructions, and so is what
    `state` says of an offset into the CPU state.
    """

    labels: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    fields: dict[int, str] = field(default_factory=dict[int, str])
    notes: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    state: Callable[[int], str] = field(default=lambda offset: "")

    def label(self, offset: int, name: str) -> None:
        """Names a place."""
        self.labels.setdefault(offset, []).append(name)

    def note(self, offset: int, text: str) -> None:
        """Says something of the instruction that has the byte at `offset`."""
        self.notes.setdefault(offset, []).append(text)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a listing: a label, an instruction, or data."""

    offset: int
    text: str
    kind: str  # label code data
    note: str = ""


def listing(code: bytes, host: Host, marks: Marks) -> list[Line]:
    """All of `code`; control starts at 0 and at the labels."""
    found = _reached(code, host, [0, *marks.labels], marks)
    names = _names(found, marks)
    lines: list[Line] = []
    place = 0
    while place < len(code):
        lines += [Line(place, name, "label") for name in names.get(place, ())]
        instruction = found.get(place)
        if instruction is not None:
            lines.append(_line(instruction, names, marks))
            place = instruction.end
            continue
        end = next((n for n in range(place, len(code)) if n in found), len(code))
        lines += _data(code, place, end)
        place = end
    return lines


def _reached(code: bytes, host: Host, starts: Iterable[int], marks: Marks) -> dict[int, HostInstruction]:
    """Instructions by offset, along jumps within the code."""
    found: dict[int, HostInstruction] = {}
    pending = list(starts)
    while pending:
        offset = pending.pop()
        if offset in found or not 0 <= offset < len(code):
            continue
        instruction = host.disassemble(code, offset)
        if instruction is None:
            continue
        found[offset] = instruction
        if instruction.goes_on:
            pending.append(instruction.end)
        if instruction.target is not None and not _of(instruction, marks.fields):
            pending.append(instruction.target)
    return found


def _of(instruction: HostInstruction, what: Mapping[int, str]) -> str:
    """What is known of any of the instruction's bytes."""
    return next((what[n] for n in range(instruction.offset, instruction.end) if n in what), "")


def _names(found: Mapping[int, HostInstruction], marks: Marks) -> dict[int, list[str]]:
    """The given labels, and one for each place else that a jump leads to."""
    names = {offset: list(given) for offset, given in marks.labels.items()}
    targets = {
        instruction.target
        for instruction in found.values()
        if instruction.target is not None and not _of(instruction, marks.fields)
    }
    for number, target in enumerate(sorted(targets - names.keys()), 1):
        names[target] = [f"L{number}"]
    return names


def _line(instruction: HostInstruction, names: Mapping[int, list[str]], marks: Marks) -> Line:
    text = instruction.text
    symbol = _of(instruction, marks.fields)
    notes = [note for n in range(instruction.offset, instruction.end) for note in marks.notes.get(n, ())]
    if instruction.target is not None:
        name = symbol or next(iter(names.get(instruction.target, ())), instruction.operand)
        text = text.removesuffix(instruction.operand) + name
    elif symbol:
        notes.insert(0, symbol)
    place = "" if instruction.state is None else marks.state(instruction.state)
    if place and not any(note.endswith(place) for note in notes):
        notes.append(place)
    return Line(instruction.offset, text, "code", "; ".join(notes))


def _data(code: bytes, start: int, end: int) -> Iterator[Line]:
    while start < end:
        following = min(end, (start // _DATA_BYTES + 1) * _DATA_BYTES)
        yield Line(start, code[start:following].hex(" "), "data")
        start = following


def listing_text(lines: Iterable[Line], *, offsets: bool = True) -> str:
    """A listing as text; with `offsets` each line of code or data begins with its offset."""
    shown: list[str] = []
    for line in lines:
        if line.kind == "label":
            shown.append(f"{line.text}:")
            continue
        place = f"  {line.offset:4x}  " if offsets else "  "
        text = f".byte {line.text}" if line.kind == "data" else line.text
        shown.append(f"{place}{text:41} ; {line.note}" if line.note else place + text)
    return "\n".join(shown) + "\n"
