"""Compiles programs that need no C library, for the host and for guests that have none."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.guests.architectures import Architecture
from tests.guests.ways import prepared

PROGRAMS = Path(__file__).parent / "programs"
RUNTIME = [PROGRAMS / "freestanding" / name for name in ("system.c", "arithmetic.c")]
#: Floats are what IEEE 754 says everywhere, and code does not lie on pages that can be written.
_FLAGS = (
    "-O2", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-fno-builtin", "-nostdlib", "-static", "-fno-pie",
    "-no-pie", "-ffp-contract=off", "-fno-math-errno", "-fno-tree-loop-distribute-patterns", "-fno-stack-protector",
    "-Wl,-z,separate-code",
)  # fmt: skip
_OWN_FLAGS = {"aarch64": ("-mno-outline-atomics",)}
#: In place of arithmetic.c, where calls of it have names of the architecture's own.
_LIBRARIES = {"arm": "-lgcc"}


def build(guest: Architecture | None, sources: Sequence[Path], program: Path) -> Path:
    """Compiles `sources` with the runtime for a guest, or for the host, unless `program` is there already."""
    if not program.exists():
        compiler, own = ("", ()) if guest is None else (guest.compiler, guest.flags + _OWN_FLAGS.get(guest.name, ()))
        command = [f"{compiler}gcc", *own, *_FLAGS, "-I", str(RUNTIME[0].parent)]
        system, arithmetic = map(str, RUNTIME)
        library = arithmetic if guest is None else _LIBRARIES.get(guest.target, arithmetic)
        subprocess.run([*command, *map(str, sources), system, library, "-o", str(program)], check=True)
    return prepared(program, guest.cpu) if guest else program
