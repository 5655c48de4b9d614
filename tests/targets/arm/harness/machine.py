"""32-bit Arm's states, and what the shared harness has to know of it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from tests.targets.arm.harness.text import bytes_of, text_of
from tests.targets.harness import machine
from tests.targets.harness.machine import SIGILL, Stop

_STATE = struct.Struct("<15I5I32Q")


@dataclass(frozen=True, slots=True)
class State:
    """All registers that a case sets and compares; `cpsr` has N, Z, C, V, Q, GE, E and T."""

    r: tuple[int, ...]
    cpsr: int = 0
    fpscr: int = 0
    tpidrurw: int = 0
    tpidruro: int = 0
    d: tuple[int, ...] = (0,) * 32

    def pack(self) -> bytes:
        """As machine.h's struct state."""
        return _STATE.pack(*self.r, self.cpsr, self.fpscr, self.tpidrurw, self.tpidruro, 0, *self.d)

    @classmethod
    def unpack(cls, data: bytes) -> State:
        """From machine.h's struct state."""
        words = _STATE.unpack(data)
        return State(words[:15], *words[15:19], words[20:])


Case = machine.Case[State]


def _inputs(case: Case) -> str:
    used = {word >> place & 15 for word in case.words for place in (0, 8, 12, 16)}
    r = ", ".join(f"r{k}={case.state.r[k]:#x}" for k in sorted(used - {15}))
    return f"{r}, cpsr={case.state.cpsr:#x}, fpscr={case.state.fpscr:#x}"


#: In A32 a word of which T32 too makes UDF; in T32 what is executed in an IT block whatever the condition.
_UDF, _BKPT = Stop(0xE7F0DEF0.to_bytes(4, "little"), SIGILL), Stop(b"\0\xbe\0\xbe")

ARM = machine.Architecture(
    compiler="arm-linux-gnueabihf-gcc",
    flags=("-marm", "-march=armv7-a+neon-vfpv4", "-Wl,-Ttext-segment=0x2d6b3000"),
    folder=Path(__file__).parent,
    state=State,
    state_bytes=_STATE.size,
    stop=lambda state: _BKPT if state.cpsr >> 5 & 1 else _UDF,
    bytes_of=bytes_of,
    text=text_of,
    inputs=_inputs,
)
