"""RISC-V's states, and what the shared harness has to know of it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from tests.targets.harness import machine
from tests.targets.riscv.harness.text import size, text_of

_STATE = struct.Struct("<32QQ32Q")


@dataclass(frozen=True, slots=True)
class State:
    """All registers that a case sets and compares; x[0] is 0."""

    x: tuple[int, ...]
    fcsr: int = 0
    f: tuple[int, ...] = (0,) * 32

    def pack(self) -> bytes:
        """As machine.h's struct state."""
        return _STATE.pack(*self.x, self.fcsr, *self.f)

    @classmethod
    def unpack(cls, data: bytes) -> State:
        """From machine.h's struct state."""
        q = _STATE.unpack(data)
        return State(q[:32], q[32], q[33:])


Case = machine.Case[State]


def _inputs(case: Case) -> str:
    used = {word >> place & 31 for word in case.words if size(word) == 4 for place in (15, 20, 27)}
    if any(size(word) == 2 for word in case.words):
        used = set(range(32))
    x = ", ".join(f"x{k}={case.state.x[k]:#x}" for k in sorted(used))
    f = ", ".join(f"f{k}={case.state.f[k]:#x}" for k in sorted(used))
    return f"{x}, fcsr={case.state.fcsr:#x}, {f}"


def _architecture(flags: tuple[str, ...]) -> machine.Architecture[State]:
    return machine.Architecture(
        compiler="riscv64-linux-gnu-gcc",
        flags=("-mcmodel=medany", *flags),
        folder=Path(__file__).parent,
        state=State,
        state_bytes=_STATE.size,
        stop=lambda state: machine.Stop((0x9002).to_bytes(2, "little")),
        bytes_of=lambda word: word.to_bytes(size(word), "little"),
        text=text_of,
        inputs=_inputs,
    )


#: By XLEN.
RISCV = {
    64: _architecture(("-Wl,-Ttext-segment=0x1d6b3a0000,--no-relax",)),
    32: _architecture(("-march=rv32gc", "-mabi=ilp32d", "-Wl,-Ttext-segment=0x2d6b3000,--no-relax")),
}
