"""States and cases as Python values, and the runner: runner.c under an emulator, fed through a pipe."""

from __future__ import annotations

import functools
import shutil
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

CODE = 0x10000000
DATA = 0x10010000
PAGE = 4096
PAGES = 16
WORDS = 16
CHANGES = 16
BRK = 0xD4200000  # what a sequence ends with
SIGILL, SIGTRAP, SIGBUS, SIGSEGV = 4, 5, 7, 11

_STATE = struct.Struct("<31Q5Q64Q")
_REQUEST = struct.Struct(f"<II{WORDS}I")
_REPLY = struct.Struct("<IIQQ")
_CHANGES = struct.Struct(f"<Q{2 * CHANGES}Q")
_FLAGS = (
    "-O1",
    "-fno-pie",
    "-static",
    "-nostdlib",
    "-fno-stack-protector",
    "-fno-builtin",
    "-Wl,-Ttext-segment=0x1d6b3a0000",
)


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
        """As runner.c's struct state."""
        halves = [part for value in self.v for part in (value & (1 << 64) - 1, value >> 64)]
        return _STATE.pack(*self.x, self.sp, self.nzcv, self.fpcr, self.fpsr, self.tpidr, *halves)

    @staticmethod
    def unpack(data: bytes, offset: int) -> State:
        """From runner.c's struct state."""
        q = _STATE.unpack_from(data, offset)
        v = tuple(q[k] | q[k + 1] << 64 for k in range(36, 100, 2))
        sp, nzcv, fpcr, fpsr, tpidr = q[31:36]
        return State(q[:31], sp, nzcv, fpcr, fpsr, tpidr, v)


@dataclass(frozen=True, slots=True)
class Case:
    """A sequence of words, a state to run it on, and which of the data page's contents it sees."""

    words: tuple[int, ...]
    state: State
    page: int = 0
    name: str = ""  # of the encoding that it is about

    def pack(self) -> bytes:
        """As runner.c's struct request."""
        code = self.words + (0,) * (WORDS - len(self.words))
        return _REQUEST.pack(self.page, len(self.words), *code) + self.state.pack()


@dataclass(frozen=True, slots=True)
class Result:
    """The signal that ended a case, where, the state then, and words of the data page that changed."""

    signal: int
    pc: int
    state: State
    changes: tuple[tuple[int, int], ...] = ()
    address: int = field(default=0, compare=False)

    def cleared(self, *, x: int | None = None) -> Result:
        """Without what is not comparable."""
        if x is None or x == 31:
            return self
        regs = list(self.state.x)
        regs[x] = 0
        return replace(self, state=replace(self.state, x=tuple(regs)))


@functools.cache
def page_contents(number: int) -> bytes:
    """Contents `number` of the data page, as runner.c makes them."""
    value, mask, words = 0x123456789ABCDEF1, (1 << 64) - 1, list[int]()
    for _ in range((number + 1) * PAGE // 8):
        value ^= value << 13 & mask
        value ^= value >> 7
        value ^= value << 17 & mask
        words.append(value)
    return struct.pack(f"<{PAGE // 8}Q", *words[-PAGE // 8 :])


def build_runner(folder: Path) -> Path:
    """Compiles runner.c into `folder`; raises FileNotFoundError without a cross compiler."""
    compiler = shutil.which("aarch64-linux-gnu-gcc")
    if compiler is None:
        raise FileNotFoundError("aarch64-linux-gnu-gcc is not installed")
    source, target = Path(__file__).with_name("runner.c"), folder / "runner"
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([compiler, *_FLAGS, str(source), "-o", str(target)], check=True)
    return target


def run_cases(command: Sequence[str], cases: Sequence[Case]) -> list[Result]:
    """The results of all cases, run by `command` (an emulator with its options, and the runner)."""
    done = subprocess.run(
        command, input=b"".join(case.pack() for case in cases), capture_output=True, check=False
    )
    size = _REPLY.size + _STATE.size + _CHANGES.size
    results = [_result(done.stdout, k * size) for k in range(len(done.stdout) // size)]
    if len(results) != len(cases):
        raise RuntimeError(
            f"{command[0]} ended with status {done.returncode} after {len(results)} of {len(cases)} cases: "
            f"{done.stderr[-500:].decode(errors='replace')}"
        )
    return results


def _result(data: bytes, offset: int) -> Result:
    signal, _, address, pc = _REPLY.unpack_from(data, offset)
    state = State.unpack(data, offset + _REPLY.size)
    count, *changes = _CHANGES.unpack_from(data, offset + _REPLY.size + _STATE.size)
    pairs = tuple(zip(changes[: 2 * count : 2], changes[1 : 2 * count : 2], strict=True))
    return Result(signal, pc, state, pairs, address)
