"""Cases, their results, and the runner: runner.c with an architecture's machine.h, under an emulator."""

from __future__ import annotations

import functools
import shutil
import struct
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Protocol, Self, TypeVar

from pyqemu.translator.adl.load import DescribedTarget

CODE = 0x10000000
DATA = 0x10010000
PAGE = 4096
PAGES = 16
CODE_BYTES = 64
CHANGES = 16
#: Cases of one run that may end the emulated process.
MOST_LOST = 8
SIGILL, SIGTRAP, SIGBUS, SIGSEGV = 4, 5, 7, 11

_REQUEST = struct.Struct(f"<II{CODE_BYTES}s")
_REPLY = struct.Struct("<IIQQ")
_CHANGES = struct.Struct(f"<Q{2 * CHANGES}Q")
_FLAGS = ("-O1", "-fno-pie", "-static", "-nostdlib", "-fno-stack-protector", "-fno-builtin")


class State(Protocol):
    """All registers that a case sets and compares: a frozen dataclass whose fields are ints, or tuples of them."""

    def pack(self) -> bytes:
        """As machine.h's struct state."""
        ...

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """From machine.h's struct state."""
        ...


S = TypeVar("S", bound=State)


@dataclass(frozen=True, slots=True)
class Stop:
    """The instruction that ends sequences, and the signal that it raises."""

    code: bytes
    signal: int = SIGTRAP


@dataclass(frozen=True, slots=True)
class Architecture(Generic[S]):
    """What the harness has to know of one architecture."""

    compiler: str
    flags: tuple[str, ...]  # of the compiler: where the runner lies, above all
    folder: Path  # has machine.h
    state: type[S]
    state_bytes: int
    stop: Callable[[S], Stop]  # what follows a sequence that begins in a state
    bytes_of: Callable[[int], bytes]  # a word's, as in memory
    text: Callable[[DescribedTarget, int, int], str]  # a word's assembly at an address
    inputs: Callable[[Case[S]], str]  # what a mismatch's report says of the state before

    def code(self, words: Sequence[int]) -> bytes:
        """The words' bytes."""
        return b"".join(self.bytes_of(word) for word in words)


@dataclass(frozen=True)  # no slots: Python cannot make an object of a generic frozen class that has them
class Case(Generic[S]):
    """A sequence of words, a state to run it on, and which of the data page's contents it sees."""

    words: tuple[int, ...]
    state: S
    page: int = 0
    name: str = ""  # of the encoding that it is about


@dataclass(frozen=True)
class Result(Generic[S]):
    """The signal that ended a case, where, the state then, and words of the data page that changed."""

    signal: int
    pc: int
    state: S
    changes: tuple[tuple[int, int], ...] = ()
    address: int = field(default=0, compare=False)


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


def build_runner(architecture: Architecture[S], folder: Path) -> Path:
    """Compiles runner.c into `folder`; raises FileNotFoundError without a cross compiler."""
    compiler = shutil.which(architecture.compiler)
    if compiler is None:
        raise FileNotFoundError(f"{architecture.compiler} is not installed")
    source, target = Path(__file__).with_name("runner.c"), folder / "runner"
    folder.mkdir(parents=True, exist_ok=True)
    command = [compiler, *_FLAGS, *architecture.flags, f"-I{architecture.folder}", str(source), "-o", str(target)]
    subprocess.run(command, check=True)
    return target


def run_cases(
    architecture: Architecture[S], command: Sequence[str], cases: Sequence[Case[S]]
) -> list[Result[S] | None]:
    """The results of all cases, run by `command` (an emulator with its options, and the runner).

    None for a case that ends the emulated process, as one that jumps into the runner may: those around it are run
    again, in ever smaller parts. Raises RuntimeError if that happens often.
    """
    results: list[Result[S] | None] = []
    size = len(cases)
    while len(results) < len(cases):
        part = cases[len(results) : len(results) + size]
        done = _run(architecture, command, part)
        found = _results(architecture, done.stdout)
        results += found
        size = len(cases) if len(found) == len(part) else (len(part) - len(found) + 1) // 2
        if len(part) == 1 and not found:
            results.append(None)
            if results.count(None) > MOST_LOST:
                said = done.stderr[-500:].decode(errors="replace")
                raise RuntimeError(f"{command[0]} ends with {done.returncode}: {said}")
    return results


def _run(
    architecture: Architecture[S], command: Sequence[str], cases: Sequence[Case[S]]
) -> subprocess.CompletedProcess[bytes]:
    requests = b"".join(_request(architecture, case) for case in cases)
    return subprocess.run(command, input=requests, capture_output=True, check=False)


def _results(architecture: Architecture[S], data: bytes) -> list[Result[S]]:
    """All whole replies; what was not written when the process ended is missing."""
    size = _REPLY.size + architecture.state_bytes + _CHANGES.size
    return [_result(architecture, data[at : at + size]) for at in range(0, len(data) // size * size, size)]


def _request(architecture: Architecture[S], case: Case[S]) -> bytes:
    code = architecture.code(case.words)
    assert len(code) <= CODE_BYTES
    return _REQUEST.pack(case.page, len(code), code) + case.state.pack()


def _result(architecture: Architecture[S], data: bytes) -> Result[S]:
    signal, _, address, pc = _REPLY.unpack_from(data)
    state = architecture.state.unpack(data[_REPLY.size : -_CHANGES.size])
    count, *changes = _CHANGES.unpack_from(data, len(data) - _CHANGES.size)
    pairs = tuple(zip(changes[: 2 * count : 2], changes[1 : 2 * count : 2], strict=True))
    return Result(signal, pc, state, pairs, address)
