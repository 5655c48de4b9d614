"""The first two stages: guest code as assembly, and how each instruction was decoded."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from pyqemu.tools.pyqemu_ir.decoded import Decoded
from pyqemu.tools.pyqemu_ir.report import Report
from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.adl.shapes import decided, show
from pyqemu.translator.target import CpuModel, Encoding


def add_assembly(
    report: Report, name: str, lines: Iterable[Decoded | tuple[int, bytes]], labels: Mapping[int, Sequence[str]]
) -> None:
    """A line for each instruction; `labels` by module offset stand before them. Code that is none is shown as bytes."""
    text: list[str] = []
    data: list[dict[str, Any]] = []
    for line in lines:
        offset = line.offset if isinstance(line, Decoded) else line[0]
        text += [f"{label}:" for label in labels.get(offset, ())]
        if isinstance(line, Decoded):
            text.append(f"{line.address:8x}:  {line.hex:8}  {line.text}")
            data.append({"address": line.address, "word": line.hex, "text": line.text})
        else:
            text.append(f"{'':8}   {line[1].hex(' ')}")
            data.append({"offset": offset, "bytes": line[1].hex()})
    report.add("asm", f"guest code, {name}", "\n".join(text), data)


def add_decoding(report: Report, target: DescribedTarget, lines: Iterable[Decoded], cpu: CpuModel) -> None:
    """All about one instruction's decoding; of several a line each."""
    found = list(lines)
    data = [decoding(target, one) for one in found]
    if len(found) == 1:
        report.add("decode", f"decoded, {found[0].text}", _table(data[0], found[0].encoding, cpu), data)
        return
    text = [f"{one.address:8x}:  {_label(one):32} {place_of(target, one)}" for one in found]
    report.add("decode", "decoded", "\n".join(text), data)


def _label(one: Decoded) -> str:
    return one.encoding.name if one.shape is None else one.shape.label


def decoding(target: DescribedTarget, one: Decoded) -> dict[str, Any]:
    """What is known of an instruction when it is decoded."""
    encoding, bound = one.encoding, target.bound(one.encoding)
    digits = encoding.unit.width // 4
    return {
        "word": one.hex,
        "unit": encoding.unit.name,
        "encoding": encoding.name,
        "mask": f"{encoding.mask:0{digits}x}",
        "value": f"{encoding.value:0{digits}x}",
        "picture": bound.declaration.picture,
        "guard": "" if encoding.guard == 1 else show(encoding.guard),
        "fields": one.fields,
        "shape": None if one.shape is None else [decided(expr, value) for expr, value in one.shape.decisions],
        "description": place_of(target, one),
        "reference": encoding.reference,
        "needs": sorted(encoding.features),
        "unpredictable": target.unpredictable(encoding, one.word),
    }


def place_of(target: DescribedTarget, one: Decoded) -> str:
    """The file and line of the instruction's encoding in the description."""
    span = target.bound(one.encoding).declaration.span
    return f"{span.file.name}:{span.line}"


def _table(about: Mapping[str, Any], encoding: Encoding, cpu: CpuModel) -> str:
    shape = about["shape"]
    rows = {
        "encoding": f"{about['encoding']}, {about['description']}",
        "manual": about["reference"],
        "word": f"{about['word']} ({encoding.unit.width} bits)",
        "mask": about["mask"],
        "value": about["value"],
        "picture": about["picture"],
        "guard": about["guard"],
        "fields": " ".join(f"{name}={value}" for name, value in about["fields"].items()),
        "shape": "UNDEFINED" if shape is None else ", ".join(shape) or "the only one",
        "needs": _features(encoding.features, cpu),
        "note": "UNPREDICTABLE" if about["unpredictable"] else "",
    }
    return "\n".join(f"{key:10}{value}" for key, value in rows.items() if value)


def _features(needed: Collection[str], cpu: CpuModel) -> str:
    """Features that an encoding needs, and which of them the CPU model does not have."""
    missing = sorted(set(needed) - cpu.features)
    text = ", ".join(sorted(needed))
    return f"{text} (CPU model {cpu.name} lacks {', '.join(missing)})" if missing else text
