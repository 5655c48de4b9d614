"""`pyqemu-arch asm` and `disasm`: programs as text and as bytes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pyqemu.tools.assembler import Placed, assemble, image_of
from pyqemu.tools.command import Mistake, context_of, model_of, number
from pyqemu.tools.own_architecture import own_architectures
from pyqemu.translator.adl.load import DescribedTarget, load
from pyqemu.translator.target import Encoding, alignment


def asm(options: argparse.Namespace) -> int:
    """Writes a program's bytes, or prints its listing. Raises AssemblerErrors."""
    target = described(options)
    name, text = "stdin", ""
    if options.file is None:
        text = sys.stdin.read()
    else:
        name, text = str(options.file), read_text(options.file)
    base = number(options.base, "--base")
    placed = assemble_for(options, target, text, name, base)
    if options.output is None:
        print("\n".join(_listed(placed)))
    else:
        options.output.write_bytes(image_of(placed, base))
    return 0


def assemble_for(options: argparse.Namespace, target: DescribedTarget, text: str, name: str, base: int) -> list[Placed]:
    """The lines of a program in the context and for the CPU model that are asked for. Without a model all counts."""
    features = model_of(target, options.cpu).features if options.cpu is not None else None
    return assemble(target, text, name, base, context_of(target, options.ctx), features)


def disasm(options: argparse.Namespace) -> int:
    """Prints instructions, and as data what is none."""
    target = described(options)
    data = sys.stdin.buffer.read() if options.file is None else options.file.read_bytes()
    features = model_of(target, options.cpu).features if options.cpu is not None else None
    context = context_of(target, options.ctx)
    print("\n".join(_listed(disassemble(target, data, number(options.base, "--base"), context, features))))
    return 0


def disassemble(
    target: DescribedTarget,
    data: bytes,
    base: int,
    context: Mapping[str, int],
    features: Iterable[str] | None,
) -> Iterator[Placed]:
    """The instructions of some code, the first one at guest address `base`; what is none as `.byte`s."""
    at, smallest = 0, alignment(target.units)
    while at < len(data):
        found = _decoded(target, data[at:], context, None if features is None else frozenset(features))
        if found is None:
            code = data[at : at + smallest]
            yield Placed(base + at, code, code.hex(" "), ".byte " + ", ".join(map(hex, code)), ())
        else:
            encoding, word = found
            code = data[at : at + encoding.unit.size]
            text = target.disassemble(encoding, encoding.fields_of(word), base + at)
            yield Placed(base + at, code, f"{word:0{encoding.unit.width // 4}x}", text, ())
        at += len(code)


def _decoded(
    target: DescribedTarget, data: bytes, context: Mapping[str, int], features: frozenset[str] | None
) -> tuple[Encoding, int] | None:
    """The instruction that some bytes begin with; None if there is none, or one that needs other features."""
    for unit in target.units:
        if len(data) >= unit.size:
            word = unit.word_of(data[: unit.size])
            encoding = target.decode(word, unit.name, context)
            if encoding is not None:
                known = features is None or encoding.features <= features
                return (encoding, word) if known and not target.undefined(encoding, word, context) else None
    return None


def _listed(lines: Iterable[Placed]) -> Iterator[str]:
    for line in lines:
        yield from (f"{label}:" for label in line.labels)
        if line.text:
            yield f"{line.address:8x}:  {line.word:8}  {line.text}"


def described(options: argparse.Namespace) -> DescribedTarget:
    """The architecture as its description is now. Raises Mistake and DescriptionError."""
    own = next(iter(own_architectures(options.folder, options.variant, None)))
    return load(own.folder, own.variant)


def read_text(path: Path) -> str:
    """A file of text. Raises Mistake if it is none, and OSError."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Mistake(f"{path}: this is not text; `disasm` and `run` take bytes") from None
