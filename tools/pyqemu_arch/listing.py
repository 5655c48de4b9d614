"""`pyqemu-arch list`: what a description has, on one page."""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from pyqemu.tools.own_architecture import own_architectures
from pyqemu.tools.pyqemu_arch.description import shape_counts
from pyqemu.translator.adl.check import check_architecture
from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.adl.parse import parse_folder
from pyqemu.translator.adl.shapes import show

_WIDTH = 110
_ORDERS = {"le": "little-endian", "be": "big-endian"}


def show_list(options: argparse.Namespace) -> int:
    """Prints it. Raises DescriptionError."""
    for own in own_architectures(options.folder, options.variant, None):
        model = check_architecture(parse_folder(own.folder, own.variant))
        target = DescribedTarget(model)
        about = _about(own.name, target, shape_counts(model))
        print(json.dumps(about, indent=1) if options.json else _text(about))
    return 0


def _about(name: str, target: DescribedTarget, shapes: Sequence[int]) -> dict[str, Any]:
    return {
        "name": name,
        "address_bits": target.address_width,
        "data_order": target.model.properties.data_order,
        "units": {unit.name: unit.width for unit in target.units},
        "registers": {r.name: {"bits": r.width, "count": r.count} for r in target.registers if not r.is_flag},
        "flags": [r.name for r in target.registers if r.is_flag],
        "context": {variable.name: variable.width for variable in target.context},
        "exceptions": {exception.name: list(exception.argument_widths) for exception in target.exceptions},
        "features": {kind.name: sorted(kind.implies) for kind in target.feature_kinds},
        "models": {cpu.name: sorted(cpu.features) for cpu in target.cpus},
        "encodings": [
            {
                "name": encoding.name,
                "unit": encoding.unit.name,
                "bits": encoding.unit.width,
                "picture": " ".join(target.bound(encoding).declaration.picture.split()),
                "guard": "" if encoding.guard == 1 else show(encoding.guard),
                "needs": sorted(encoding.features),
                "shapes": count,
            }
            for encoding, count in zip(target.encodings, shapes, strict=True)
        ],
    }


def _text(about: dict[str, Any]) -> str:
    registers = (
        f"{name}: b{r['bits']}" if r["count"] == 1 else f"{name}[{r['count']}]: b{r['bits']}"
        for name, r in about["registers"].items()
    )
    rows = {
        "addresses": [f"{about['address_bits']} bits, data {_ORDERS[about['data_order']]}"],
        "code units": [f"{name} of {width} bits" for name, width in about["units"].items()],
        "registers": registers,
        "flags": about["flags"],
        "context": [f"{name}: {width}" for name, width in about["context"].items()],
        "exceptions": [
            f"{name}({', '.join(f'b{width}' for width in widths)})" for name, widths in about["exceptions"].items()
        ],
        "features": about["features"],
        "CPU models": [f"{name}{_having(features)}" for name, features in about["models"].items()],
    }
    lines = [f"{about['name']}", *(_row(title, items) for title, items in rows.items())]
    lines += ["", f"{'encoding':16}{'unit':8}{'shapes':>6}  picture"]
    lines += [
        f"{e['name']:16}{e['unit']:8}{e['shapes']:6}  {e['picture']}{_needs(e['needs'])}" for e in about["encodings"]
    ]
    total = sum(encoding["shapes"] for encoding in about["encodings"])
    return "\n".join(line.rstrip() for line in [*lines, f"{len(about['encodings'])} encodings, {total} shapes"])


def _row(title: str, items: Iterable[str]) -> str:
    text = ", ".join(items) or "none"
    return textwrap.fill(text, _WIDTH, initial_indent=f"  {title:12}", subsequent_indent=" " * 14)


def _having(features: Sequence[str]) -> str:
    return f" ({' '.join(features)})" if features else ""


def _needs(features: Sequence[str]) -> str:
    return f"    needs {', '.join(features)}" if features else ""
