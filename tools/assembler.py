"""A small assembler: lines of an architecture's own assembly with labels and data, made into bytes.

    start:                          // a label, and a comment
        add x0, x0, #1              the description's text; a label, or label+4, stands for its address
        .2byte 1, start, 'a'        .byte, .2byte, .4byte, .8byte: numbers, in the order of the architecture's data
        .ascii "text\\n"             .asciz: with a zero byte behind it
        .zero 16
        .org 0x100                  goes on at that address, with zeros up to it

Labels are known from the start. Where an instruction's size depends on them, lines are gone through until none moves.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from pyqemu.translator.adl.errors import nearest
from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.errors import AssemblyError
from pyqemu.translator.target import CodeWord

_MOST_PASSES = 16
_LABEL = re.compile(r"\s*([A-Za-z_]\w*):(?!\S)")
_COMMENT = re.compile(r"""(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)')|//.*""")
_WORD = re.compile(r"(?<![\w.])([A-Za-z_]\w*)(?:\s*([+-])\s*(\d+))?(?!\w)")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"\Z')
_CHARACTER = re.compile(r"'(?:[^'\\]|\\.)+'\Z")
_SIZES = {".byte": 1, ".2byte": 2, ".4byte": 4, ".8byte": 8}
_OTHERS = (".ascii", ".asciz", ".zero", ".org")
_MOST_ZEROS = 1 << 24
_MOST_DOUBTFUL = 4  # words of a line that could be labels and the description's own


class AssemblerErrors(Exception):
    """What is wrong with a program; each of `errors` names the file and the line."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Placed:
    """What a line gives: its bytes at guest address `address`. `word`: the instruction's word in hex, or its bytes;
    `labels` stand before it.
    """

    address: int
    data: bytes
    word: str
    text: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    column: int  # from 0, where `text` begins in `whole`
    text: str
    whole: str
    labels: tuple[str, ...]


class _Wrong(Exception):
    """Something is wrong at a column, from 0, of a line's text."""

    def __init__(self, column: int, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.column = column
        self.message = message
        self.advice = advice


def assemble(
    target: DescribedTarget,
    text: str,
    name: str = "line",
    base: int = 0,
    context: Mapping[str, int] | None = None,
    features: Collection[str] | None = None,
) -> list[Placed]:
    """The lines of `text`, the first one at guest address `base`; `name` is the file's. With `features`, instructions
    that need others are errors. Raises AssemblerErrors.
    """
    return _Assembler(target, name, context or {}, features).assemble(list(_lines(text)), base)


def image_of(placed: Sequence[Placed], base: int = 0) -> bytes:
    """The bytes from `base` on, with zeros between the lines where `.org` left room."""
    image = bytearray()
    for line in placed:
        start = line.address - base
        image.extend(bytes(max(start - len(image), 0)))
        image[start : start + len(line.data)] = line.data
    return bytes(image)


def _lines(text: str) -> Iterator[_Line]:
    for number, whole in enumerate(text.splitlines(), 1):
        rest = _COMMENT.sub(lambda match: match["text"] or "", whole)
        labels: list[str] = []
        at = 0
        while match := _LABEL.match(rest, at):
            labels.append(match[1])
            at = match.end()
        stripped = rest[at:].strip()
        if stripped or labels:
            column = len(rest) - len(rest[at:].lstrip()) if stripped else at
            yield _Line(number, column, stripped, whole, tuple(labels))


class _Assembler:
    def __init__(
        self, target: DescribedTarget, name: str, context: Mapping[str, int], features: Collection[str] | None
    ) -> None:
        self._target = target
        self._name = name
        self._context = context
        self._features = features
        self._order = target.model.properties.data_order
        self._smallest = min(unit.size for unit in target.units)
        self._declared: frozenset[str] = frozenset()
        self._twice: dict[int, list[str]] = {}  # by line
        self._labels: dict[str, int] = {}
        self._errors: list[str] = []

    def assemble(self, lines: Sequence[_Line], base: int) -> list[Placed]:
        self._declare(lines)
        for _ in range(_MOST_PASSES):
            placed, labels = self._pass(lines, base)
            if labels == self._labels:
                if self._errors:
                    raise AssemblerErrors(self._errors)
                return placed
            self._labels = labels
        raise AssemblerErrors([f"{self._name}: the addresses of labels do not settle"])

    def _declare(self, lines: Sequence[_Line]) -> None:
        seen: dict[str, int] = {}
        for line in lines:
            for label in line.labels:
                if label in seen:
                    message = f"{self._name}:{line.number}: error: label {label} is also in line {seen[label]}"
                    self._twice.setdefault(line.number, []).append(message)
                seen.setdefault(label, line.number)
        self._declared = frozenset(seen)

    def _pass(self, lines: Sequence[_Line], base: int) -> tuple[list[Placed], dict[str, int]]:
        """One time through the lines, with labels as they were found before; fills `_errors`."""
        self._errors = []
        here, labels, placed = base, dict[str, int](), list[Placed]()
        for line in lines:
            labels |= dict.fromkeys(line.labels, here)
            self._errors += self._twice.get(line.number, [])
            try:
                data, word = self._bytes(line.text, here)
                if here + len(data) > 1 << self._target.address_width:
                    raise _Wrong(0, f"addresses have {self._target.address_width} bits, this is at {here:#x}")
            except _Wrong as wrong:
                self._errors.append(self._shown(line, wrong))
                data, word = bytes(self._smallest), ""
            if line.text.startswith(".org"):
                labels |= dict.fromkeys(line.labels, here + len(data))
            placed.append(Placed(here, data, word, line.text, line.labels))
            here += len(data)
        return placed, labels

    def _shown(self, line: _Line, wrong: _Wrong) -> str:
        column = line.column + wrong.column
        text = [f"{self._name}:{line.number}:{column + 1}: error: {wrong.message}"]
        text += [f"  {line.whole.expandtabs(1)}", "  " + " " * column + "^"]
        return "\n".join(text + ([f"  {wrong.advice}"] if wrong.advice else []))

    def _bytes(self, text: str, here: int) -> tuple[bytes, str]:
        """What a line gives, and how its word is shown."""
        if not text:
            return b"", ""
        if text.startswith("."):
            data = self._data(text, here)
            return data, data[:8].hex(" ") + (" …" if len(data) > 8 else "")
        code = self._instruction(text, here)
        return code.code(), f"{code.word:0{code.unit.width // 4}x}"

    def _instruction(self, text: str, here: int) -> CodeWord:
        """What the description calls by a label's name, as a register, is that where it can stand; else the label."""
        first = len(text.split(maxsplit=1)[0])  # which is no label
        labels = [match for match in _WORD.finditer(text, first) if match[1] in self._declared]
        known = self._target.parser.literal_words
        doubtful = [match for match in labels if match[1].lower().rstrip("0123456789") in known][:_MOST_DOUBTFUL]
        wrong: _Wrong | None = None
        for count in range(len(doubtful), -1, -1):
            for literal in combinations(doubtful, count):
                replaced, places = self._with_addresses(text, [m for m in labels if m not in literal], here)
                try:
                    return self._target.assemble(replaced, here, self._context, self._features)[0]
                except AssemblyError as error:
                    at, advice = error.column - 1, error.advice
                    if error.message.startswith("nothing can follow") and replaced[at : at + 1] in ("#", ";"):
                        advice = "a comment begins with `//`"
                    elif (word := _WORD.match(text, places(at))) and (meant := nearest(word[1], self._declared)):
                        advice = f"no label is called {word[1]}; {meant}\n  {advice}"
                    wrong = _Wrong(places(at), error.message, advice)
        assert wrong, "one way at least was tried"
        raise wrong

    # --- labels ---

    def _with_addresses(self, text: str, labels: Iterable[re.Match[str]], here: int) -> tuple[str, _Places]:
        """An instruction's text with addresses for labels, and how columns are found again."""
        made, at, pieces = "", 0, list[tuple[int, int]]()
        for match in labels:
            made += text[at : match.start()]
            pieces.append((len(made), match.start()))
            made += f"{self._address(match, here):#x}"
            at = match.end()
            pieces.append((len(made), at))
        return made + text[at:], _Places(tuple(pieces))

    def _address(self, match: re.Match[str], here: int) -> int | None:
        """What `label` or `label+n` stands for; a label is near as long as it is not known. None: it is no label."""
        if match[1] not in self._declared:
            return None
        distance = int(match[3] or 0)
        address = self._labels.get(match[1], here) + (-distance if match[2] == "-" else distance)
        return address & (1 << self._target.address_width) - 1

    # --- data ---

    def _data(self, text: str, here: int) -> bytes:
        directive, _, rest = text.partition(" ")
        column = len(text) - len(rest.lstrip())
        if directive in (".ascii", ".asciz"):
            if not _STRING.match(rest.strip()):
                raise _Wrong(column, f"{directive} takes a text in quotation marks")
            return _python_text(rest.strip(), column) + b"\0" * (directive == ".asciz")
        if directive in (".zero", ".org"):
            wanted = self._number(rest.strip(), here, column)
            count = wanted if directive == ".zero" else wanted - here
            if not 0 <= count <= _MOST_ZEROS:
                why = "goes on at an address that is not before it" if directive == ".org" else "takes a number"
                raise _Wrong(column, f"{directive} {why}, at most {_MOST_ZEROS} bytes further")
            return bytes(count)
        if directive not in _SIZES:
            raise _Wrong(0, f"{directive} is unknown", f"there are {', '.join((*_SIZES, *_OTHERS))}")
        return b"".join(self._item(item, here, at + column, _SIZES[directive]) for at, item in _items(rest.lstrip()))

    def _item(self, item: str, here: int, column: int, size: int) -> bytes:
        value = self._number(item, here, column)
        if not -(1 << 8 * size - 1) <= value < 1 << 8 * size:
            raise _Wrong(column, f"{item} does not fit {size} bytes")
        return (value % (1 << 8 * size)).to_bytes(size, "little" if self._order == "le" else "big")

    def _number(self, text: str, here: int, column: int) -> int:
        """A number, a character, a label or label+n."""
        match = _WORD.fullmatch(text)
        address = self._address(match, here) if match else None
        if address is not None:
            return address
        if _CHARACTER.match(text) and len(character := _python_text(text, column)) == 1:
            return character[0]
        try:
            return int(text, 0)
        except ValueError:
            what = f"`{text}` is no number and no label" if text else "a number is wanted"
            raise _Wrong(column, what) from None


@dataclass(frozen=True, slots=True)
class _Places:
    """Columns of a line before labels were replaced: `pieces` are (column after, column before), in order."""

    pieces: tuple[tuple[int, int], ...]

    def __call__(self, column: int) -> int:
        after, before = max((piece for piece in self.pieces if piece[0] <= column), default=(0, 0))
        return before + column - after


def _items(text: str) -> Iterator[tuple[int, str]]:
    """What stands between commas, and where."""
    for match in re.finditer(r"(?:'(?:[^'\\]|\\.)+'|[^,'])*(?:,|\Z)", text):
        if match[0] or match.start() == 0:
            item = match[0].rstrip(",")
            yield match.start() + len(item) - len(item.lstrip()), item.strip()


def _python_text(text: str, column: int) -> bytes:
    """A text in quotation marks with the usual escapes."""
    try:
        return str(ast.literal_eval(text)).encode()
    except (SyntaxError, ValueError):
        raise _Wrong(column, f"{text}: not a text") from None
