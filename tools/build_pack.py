"""Builds packs from an architecture's folder:

    python -m pyqemu.tools.build_pack targets/FOLDER -o build/packs

writes DIR/<arch>.<level>.pack for each host level, and DIR/<arch>.target for the tools; <arch> is the folder's name, or
that of one of its variants, of which all are built unless `--variant` names one. What was made from the same inputs
(description, toolchain) is left alone; where other inputs changed than those of stencils, packs are only given their
new digest.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elftools.common.exceptions import ELFError  # pyright: ignore[reportMissingTypeStubs]
from elftools.elf.elffile import ELFFile  # pyright: ignore[reportMissingTypeStubs]

from pyqemu.hostgen.hosts import x86_64
from pyqemu.hostgen.library import Compiled
from pyqemu.hostgen.pack import build_pack
from pyqemu.hostgen.pack_format import PACK_MAGIC, PACK_VERSION, PackHeader
from pyqemu.hostgen.shapes import Shapes
from pyqemu.tools.pack_digests import Digests, digests_of
from pyqemu.translator.adl.keep import SUFFIX, keep, kept_digest
from pyqemu.translator.adl.load import DescribedTarget, load
from pyqemu.translator.adl.parse import variant_names
from pyqemu.translator.ir.function import Function
from pyqemu.translator.linux_table import flatten


@dataclass(frozen=True, slots=True)
class _Header:
    """A pack's header, and where it lies in the file."""

    place: int
    members: Mapping[str, Any]


def _header_of(path: Path) -> _Header | None:
    """None if there is no pack of this version."""
    try:
        with path.open("rb") as file:
            elf: Any = ELFFile(file)
            section = elf.get_section_by_name(".pq.header")
            if section is None or section["sh_size"] != PackHeader.size:
                return None
            header = _Header(section["sh_offset"], PackHeader.unpack(section.data()))
    except (OSError, ELFError):
        return None
    version = header.members["magic"], header.members["version"]
    return header if version == (PACK_MAGIC, PACK_VERSION) else None


def is_current(path: Path, digests: Digests) -> bool:
    """Whether the pack at `path` need not be made again. It is given the whole digest if that has changed."""
    header = _header_of(path)
    if header is None or header.members["stencil_digest"] != digests.stencils:
        return False
    if header.members["digest"] != digests.whole:
        data = bytearray(path.read_bytes())
        place = header.place + PackHeader.offsets()["digest"]
        data[place : place + len(digests.whole)] = digests.whole
        write_aside(path, bytes(data))
    return True


def write_aside(path: Path, data: bytes) -> None:
    """Written to a temporary name, then renamed, so that nobody sees half a pack."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(data)
    temporary.replace(path)


def _progress(name: str) -> Any:
    if not sys.stderr.isatty():
        return None

    def show(done: int, total: int) -> None:
        end = "\n" if done == total else ""
        print(f"\r{name}: {done}/{total} stencils", end=end, file=sys.stderr, flush=True)

    return show


def report_late_accesses(stencils: Iterable[Compiled], functions: Mapping[str, Function]) -> None:
    """Ends the program if a stencil changes guest state before an access that can fault; needs Capstone."""
    from pyqemu.hostgen.check import late_accesses

    findings = late_accesses(stencils, functions)
    for finding in findings:
        print(f"{finding.stencil}: {finding.access} after {finding.store}", file=sys.stderr)
    if findings:
        sys.exit(2)


def keep_target(target: DescribedTarget, shapes: Shapes, path: Path, digest: bytes) -> None:
    """Writes what the tools read instead of the description, if it is not current. Nothing is named by its
    digest, so that of stencils' inputs is enough.
    """
    if kept_digest(path) != digest:
        write_aside(path, keep(target, shapes.trees, shapes.guards, digest))


def build(
    folder: Path, out: Path, levels: Iterable[str], jobs: int, *, variant: str | None = None, check: bool = False
) -> None:
    """Builds what is not current; `check`: and looks for state that is written too early."""
    out.mkdir(parents=True, exist_ok=True)
    name = variant or folder.resolve().name
    wanted: list[tuple[str, Path, Digests]] = []
    for level in levels:
        path, digests = out / f"{name}.{level}.pack", digests_of(folder, variant, level)
        if not is_current(path, digests):
            wanted.append((level, path, digests))
    kept, kept_from = out / f"{name}{SUFFIX}", digests_of(folder, variant, "").stencils
    if not wanted and kept_digest(kept) == kept_from:
        return
    linux = folder / "linux.toml"
    personality = flatten(linux, variant) if linux.exists() else {}
    target = load(folder, variant)
    shapes = Shapes(target)
    keep_target(target, shapes, kept, kept_from)
    for level, path, digests in wanted:
        start = time.monotonic()
        built = build_pack(
            target, x86_64.host(level), digest=digests.whole, stencil_digest=digests.stencils, personality=personality,
            shapes=shapes, jobs=jobs, progress=_progress(path.name),
        )  # fmt: skip
        if check:
            report_late_accesses(built.stencils, target.functions())
        write_aside(path, built.data)
        s = built.statistics
        print(
            f"{path.name}: {s.encodings} encodings, {s.shapes} shapes, {s.stencils} stencils"
            f" in {s.records} records, {s.fused} pairs, {s.code_bytes} bytes of code, image {s.image_bytes},"
            f" {s.next_in_the_middle} go on from their middle, {time.monotonic() - start:.1f} s",
            file=sys.stderr,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="an architecture's folder, with main.arch")
    parser.add_argument("-o", "--out", type=Path, default=Path(), help="where packs go")
    parser.add_argument("--variant", help="build this one only")
    parser.add_argument("--level", action="append", choices=sorted(x86_64.LEVELS), help="host level (default: all)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--check", action="store_true", help="disassemble new packs and check their order")
    options = parser.parse_args()
    if not (options.folder / "main.arch").exists():
        parser.exit(1, f"build_pack: {options.folder} has no main.arch\n")
    levels = options.level or sorted(x86_64.LEVELS)
    for variant in [options.variant] if options.variant else variant_names(options.folder) or [None]:
        build(options.folder, options.out, levels, options.jobs, variant=variant, check=options.check)


if __name__ == "__main__":
    main()
