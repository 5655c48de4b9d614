"""The guest architectures that real programs are run for, and where these come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.guests import debian


@dataclass(frozen=True, slots=True)
class Architecture:
    """`name` as QEMU spells it; `cpu`: a model that QEMU and pyqemu both know; `machine`: ELF's number; `triplet`: of
    Debian's cross compiler; `archive`: Debian's name, or '' if its archive does not have the architecture.
    """

    name: str
    cpu: str
    machine: int
    triplet: str
    archive: str = ""

    def __str__(self) -> str:
        return self.name

    def busybox(self) -> Path:
        """A static busybox: Debian's own, or made of Debian's source."""
        if self.archive:
            return debian.package("busybox-static", self.archive) / "bin/busybox"
        return debian.built_busybox(self.triplet)


ARCHITECTURES = {
    a.name: a
    for a in (
        Architecture("aarch64", "cortex-a57", 183, "aarch64-linux-gnu", "arm64"),
        Architecture("riscv64", "rva22u64", 243, "riscv64-linux-gnu"),
    )
}
