"""The architectures whose programs are run: the commands that run them, and where the programs come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.guests import debian
from tests.paths import pyqemu_user


@dataclass(frozen=True, slots=True)
class Architecture:
    """`name` is QEMU's, and Debian's in its cross compilers; `machine` is ELF's number; `cpu` and `qemu_cpu` are the
    models that are run; `archive` is Debian's name, or '' if its archive does not have the architecture. `toolchain` is
    the name in the compiler's if that is another one, and `flags` make it compile for this architecture; there is no C
    library then.
    """

    name: str
    machine: int
    cpu: str
    qemu_cpu: str
    archive: str = ""
    toolchain: str = ""
    flags: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name

    @property
    def compiler(self) -> str:
        """What the names of its cross compiler's programs begin with."""
        return f"{self.toolchain or self.name}-linux-gnu-"

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

    def busybox(self) -> Path:
        """A static busybox: Debian's own, or made of Debian's source."""
        if self.archive:
            return debian.package("busybox-static", self.archive) / "bin/busybox"
        return debian.built_busybox(f"{self.name}-linux-gnu")


AARCH64 = Architecture("aarch64", 183, "cortex-a57", "cortex-a57", "arm64")
RISCV64 = Architecture("riscv64", 243, "max", "rv64,zicond=true")
RISCV32 = Architecture(
    "riscv32", 243, "max", "rv32,zicond=true", toolchain="riscv64", flags=("-march=rv32gc", "-mabi=ilp32d")
)
#: Those with a C library.
ARCHITECTURES = {a.name: a for a in (AARCH64, RISCV64)}
