"""AArch64's states, and what the shared harness has to know of it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from tests.targets.aarch64.harness.text import text_of
from tests.targets.harness import machine

_STATE = struct.Struct("<31Q5Q64Q")
#: FPCR.Len and Stride, which AArch64 state does not use; QEMU keeps them.
_UNUSED = 0x00370000


@dataclass(frozen=True, slots=True)
class State:
    """All registers that a case sets and compares; `v` are 128-bit ints, `nzcv` is in bits 31:28."""

    x: tuple[int, ...]
    sp: int
    nzcv: int = 0
    fpcr: int = 0
    fpsr: int = 0
    tpidr: int = 0
    v: tuple[int, ...] = (0,) * 32

    def pack(self) -> bytes:
        """As machine.h's struct state."""
        halves = [part for value in self.v for part in (value & (1 << 64) - 1, value >> 64)]
        return _STATE.pack(*self.x, self.sp, self.nzcv, self.fpcr, self.fpsr, self.tpidr, *halves)

    @classmethod
    def unpack(cls, data: bytes) -> State:
        """From machine.h's struct state, without what is not used."""
        q = _STATE.unpack(data)
        v = tuple(q[k] | q[k + 1] << 64 for k in range(36, 100, 2))
        sp, nzcv, fpcr, fpsr, tpidr = q[31:36]
        return State(q[:31], sp, nzcv, fpcr & ~_UNUSED, fpsr, tpidr, v)


Case = machine.Case[State]


def _inputs(case: Case) -> str:
    used = {word >> place & 31 for word in case.words for place in (0, 5, 10, 16)}
    inputs = ", ".join(f"x{k}={value:#x}" for k, value in enumerate(case.state.x) if k in used)
    return f"{inputs}, sp={case.state.sp:#x}, nzcv={case.state.nzcv >> 28:04b}"


AARCH64 = machine.Architecture(
    compiler="aarch64-linux-gnu-gcc",
    flags=("-Wl,-Ttext-segment=0x1d6b3a0000",),
    folder=Path(__file__).parent,
    state=State,
    state_bytes=_STATE.size,
    stop=lambda state: machine.Stop(0xD4200000.to_bytes(4, "little")),
    bytes_of=lambda word: word.to_bytes(4, "little"),
    text=text_of,
    inputs=_inputs,
)
