"""Where RISC-V differs from LLVM 19 and QEMU 10.0, with reasons."""

from __future__ import annotations

from collections.abc import Callable

from tests.targets.harness.compare import Oracle
from tests.targets.harness.text import Exempt
from tests.targets.riscv.harness.machine import State


def _misaligned(state: State, word: int) -> bool:
    return state.x[word >> 15 & 31] % (8 if word >> 12 & 1 else 4) != 0


#: Mistakes of QEMU's user mode, and where it goes another way that is allowed.
ORACLE: tuple[Oracle, ...] = (
    Oracle(0xF800607F, 0x1800202F, "QEMU does not look at the address of an SC that fails anyway", _misaligned),
)


def _rejected(ours: str | None, theirs: str | None) -> bool:
    return theirs is None


def _says(start: str) -> Callable[[str | None, str | None], bool]:
    return lambda _, theirs: theirs is not None and theirs.startswith(start)


#: 32-bit words whose text or validity differs from LLVM's.
EXEMPT: tuple[Exempt, ...] = (
    Exempt(0x0000707F, 0x0000000F, "reserved fields of FENCE are ignored; LLVM wants them 0", _rejected),
    Exempt(0x0000707F, 0x0000100F, "likewise of FENCE.I", _rejected),
    Exempt(0x0200307F, 0x02001013, "LLVM has shifts by 32 and more in RV32 too", lambda ours, _: ours is None),
    Exempt(0x7F, 0x73, "registers and instructions of other modes and extensions", lambda ours, _: ours is None),
)
#: The same of 16-bit words: LLVM prints hints by what they would be without compression.
EXEMPT_SHORT: tuple[Exempt, ...] = (
    Exempt(0xFFFF, 0x0000, "LLVM has a name for it; it is illegal", _says("unimp")),
    Exempt(0xF07F, 0x6001, "C.LUI of 0 is reserved", lambda ours, _: ours is None),
    Exempt(0xE003, 0x0001, "a hint that does nothing", _says("c.nop ")),
    Exempt(0xF07F, 0x0001, "likewise", _says("c.addi")),
    Exempt(0xE003, 0x4001, "likewise", _says("c.li zero,")),
    Exempt(0xE003, 0x6001, "likewise", _says("c.lui zero,")),
    Exempt(0xE003, 0x0002, "likewise", _says("c.slli")),
    Exempt(0xE003, 0x8001, "likewise", _says("c.s")),
    Exempt(0xE003, 0x8002, "likewise", _says("c.")),
)
