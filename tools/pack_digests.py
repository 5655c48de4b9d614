"""Digests of what packs are made from, by which it is known whether a pack is current.

A pack has two. The whole one is of everything, and archives of optimised code name the pack by it. The other one
leaves out what has no part in packs: while it stays the same, a pack only has to be given its new whole digest,
in place of being made again, which takes minutes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import llvmlite

PACKAGES = Path(__file__).resolve().parent.parent
#: Beside the folders of architectures: descriptions that several of them use.
COMMON = "common"
#: What the whole digest is of, beside an architecture's description.
_TOOLCHAIN = ("translator", "hostgen", "tools/build_pack.py", "tools/pack_digests.py")
#: Of that, what neither packs nor what is kept for the tools are made with. Nothing else may import any of it
#: while it makes them; a test holds that.
_NO_PART = (
    # Code is found, and regions are lifted and optimised, when there is a program.
    "translator/program/*",
    "translator/lift/*",
    "translator/passes/by_name.py",
    "translator/passes/const_prop.py",
    "translator/passes/cse.py",
    "translator/passes/defer_flags.py",
    "translator/passes/defer_results.py",
    "translator/passes/promote_state.py",
    "translator/passes/region_pipeline.py",
    "translator/passes/unroll.py",
    "translator/passes/zero_tests.py",
    # Assembly is read by people's tools.
    "translator/adl/asm_complaint.py",
    "translator/adl/asm_grammar.py",
    "translator/adl/asm_invert.py",
    "translator/adl/asm_match.py",
    "translator/adl/asm_parse.py",
    "translator/adl/asm_solve.py",
    "translator/adl/asm_term.py",
    "translator/adl/asm_words.py",
    # Descriptions are warned of when they are checked.
    "translator/adl/doubts.py",
    # Regions become archives.
    "hostgen/archive*.py",
    "hostgen/listing.py",
    "hostgen/mac.py",
    "hostgen/module_address.py",
    "hostgen/only_copied.py",
    "hostgen/region*.py",
)


@dataclass(frozen=True, slots=True)
class Digests:
    """SHA-256 of all inputs (`whole`), and of those that stencils and tables are made from."""

    whole: bytes
    stencils: bytes


def has_part(path: Path, packages: Path = PACKAGES) -> bool:
    """Whether packs are made with `path`, a file of the toolchain below `packages`."""
    name = path.relative_to(packages).as_posix()
    return not any(fnmatch(name, pattern) for pattern in _NO_PART)


def toolchain(packages: Path = PACKAGES) -> Iterator[Path]:
    """The files that the whole digest is of."""
    for part in _TOOLCHAIN:
        path = packages / part
        yield from sorted(path.rglob("*.py")) + sorted(path.rglob("*.lark")) if path.is_dir() else [path]


def digests_of(folder: Path, variant: str | None, level: str, packages: Path = PACKAGES) -> Digests:
    """Over the description in `folder`, which variant of it, what descriptions share, the toolchain, LLVM's version and
    the host level.
    """
    first = f"{llvmlite.__version__} {level} {variant or ''}".encode()
    whole, stencils = hashlib.sha256(first), hashlib.sha256(first)
    folders = (folder, folder.parent / COMMON)
    description = sorted(path for one in folders for path in one.rglob("*") if path.suffix in (".arch", ".toml"))
    inputs = [(path, True) for path in description] + [(path, has_part(path, packages)) for path in toolchain(packages)]
    for path, matters in inputs:
        data = path.read_bytes()
        text = f"{path.name} {len(data)}\n".encode() + data
        whole.update(text)
        if matters:
            stencils.update(text)
    return Digests(whole.digest(), stencils.digest())
