"""The architectures whose programs are run: the commands that run them, and where the programs come from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from tests.guests import debian
from tests.paths import pyqemu_user


@dataclass(frozen=True, slots=True)
class Architecture:
    """`machine` and `bits` are ELF's; `cpu` and `qemu_cpu` are the models that are run; `archive` is Debian's name, or
    '' if its archive does not have the architecture.

    `family`, `toolchain`: QEMU's name, and the cross compiler's triplet, where `name` does not say them. `flags` make
    that compiler compile for this architecture; there is no C library then.
    """

    name: str
    machine: int
    cpu: str
    qemu_cpu: str
    archive: str = ""
    bits: int = 64
    family: str = ""
    toolchain: str = ""
    flags: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name

    @property
    def triplet(self) -> str:
        """Of its cross compiler."""
        return self.toolchain or f"{self.name}-linux-gnu"

    @property
    def compiler(self) -> str:
        """What the names of its cross compiler's programs begin with."""
        return f"{self.triplet}-"

    @property
    def sysroot(self) -> str:
        """Where dynamic programs of that compiler find their interpreter and libraries."""
        return f"/usr/{self.triplet}"

    @property
    def target(self) -> str:
        """QEMU's name, and pyqemu's."""
        return self.family or self.name

    @property
    def emulator(self) -> Path:
        """The oracle."""
        return debian.qemu(self.target)

    @property
    def pyqemu(self) -> list[str]:
        """The command that runs its programs under test."""
        return [str(pyqemu_user()), "-cpu", self.cpu, "-L", self.sysroot]

    @property
    def qemu(self) -> list[str]:
        """The oracle's command."""
        return [str(self.emulator), "-cpu", self.qemu_cpu, "-L", self.sysroot]

    def busybox(self) -> Path:
        """A static busybox: Debian's own, or made of Debian's source."""
        if self.archive:
            return debian.package("busybox-static", self.archive) / "bin/busybox"
        return debian.built_busybox(self.triplet)


AARCH64 = Architecture("aarch64", 183, "cortex-a57", "cortex-a57", "arm64")
RISCV64 = Architecture("riscv64", 243, "max", "rv64,zicond=true")
RISCV32 = Architecture(
    *("riscv32", 243, "max", "rv32,zicond=true"),
    bits=32, toolchain="riscv64-linux-gnu", flags=("-march=rv32gc", "-mabi=ilp32d"),
)  # fmt: skip
#: Hard floating point, T32 where nothing else is said; and soft floating point, A32 of Armv5.
ARMHF = Architecture(
    *("armhf", 40, "cortex-a15", "cortex-a15", "armhf"), bits=32, family="arm", toolchain="arm-linux-gnueabihf"
)  # fmt: skip
ARMEL = Architecture(
    *("armel", 40, "cortex-a15", "cortex-a15", "armel"), bits=32, family="arm", toolchain="arm-linux-gnueabi"
)  # fmt: skip
A32 = replace(ARMHF, name="a32", flags=("-marm",))
#: Those with a C library.
ARCHITECTURES = {a.name: a for a in (AARCH64, RISCV64, ARMHF, ARMEL)}
