"""The architectures whose programs are run, and the commands that run them."""

from __future__ import annotations

from dataclasses import dataclass

from tests.guests import debian
from tests.paths import pyqemu_user


@dataclass(frozen=True, slots=True)
class Architecture:
    """`name` is QEMU's, and Debian's in its cross compilers; `cpu` and `qemu_cpu` are the models that are run."""

    name: str
    cpu: str
    qemu_cpu: str

    def __str__(self) -> str:
        return self.name

    @property
    def compiler(self) -> str:
        """What the names of its cross compiler's programs begin with."""
        return f"{self.name}-linux-gnu-"

    @property
    def sysroot(self) -> str:
        """Where dynamic programs of that compiler find their interpreter and libraries."""
        return f"/usr/{self.name}-linux-gnu"

    @property
    def pyqemu(self) -> list[str]:
        """The command that runs its programs under test."""
        return [str(pyqemu_user()), "-cpu", self.cpu, "-L", self.sysroot]

    @property
    def qemu(self) -> list[str]:
        """The oracle's command."""
        return [str(debian.qemu(self.name)), "-cpu", self.qemu_cpu, "-L", self.sysroot]


AARCH64 = Architecture("aarch64", "cortex-a57", "cortex-a57")
RISCV64 = Architecture("riscv64", "max", "rv64,zicond=true")
