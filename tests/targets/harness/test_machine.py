"""Cases that end the emulated process are found among the others."""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.targets.harness.machine import MOST_LOST, Architecture, Case, Stop, run_cases

#: Stands for an emulator: replies to each request with its page as the signal, and ends at page 7. Replies are written
#: `every` so many, as runner.c writes many at a time.
EMULATOR = """
import struct, sys
held = []
while len(request := sys.stdin.buffer.read(80)) == 80:
    page = struct.unpack_from("<I", request)[0]
    if page == 7:
        sys.exit(3)
    held.append(struct.pack("<IIQQ", page, 0, 0, 0) + request[72:] + bytes(8 + 16 * 16))
    if len(held) == int(sys.argv[1]):
        sys.stdout.buffer.write(b"".join(held))
        held = []
sys.stdout.buffer.write(b"".join(held))
"""


@dataclass(frozen=True, slots=True)
class State:
    """One register."""

    x: int

    def pack(self) -> bytes:
        return struct.pack("<Q", self.x)

    @classmethod
    def unpack(cls, data: bytes) -> State:
        return cls(*struct.unpack("<Q", data))


ARCHITECTURE: Architecture[State] = Architecture(
    "", (), Path(), State, 8, lambda _: Stop(b""), lambda word: word.to_bytes(4, "little"), lambda *_: "", lambda _: ""
)


@pytest.mark.parametrize("every", [1, 3, 1000])
def test_lost_cases(every: int) -> None:
    pages = [1, 2, 7, 3, 4, 5, 7, 7, 6, 8, 9, 7]
    cases = [Case((0,), State(number), page) for number, page in enumerate(pages)]
    results = run_cases(ARCHITECTURE, [sys.executable, "-c", EMULATOR, str(every)], cases)
    assert [result and (result.signal, result.state.x) for result in results] == [
        None if page == 7 else (page, number) for number, page in enumerate(pages)
    ]


def test_an_emulator_that_always_ends() -> None:
    cases = [Case((0,), State(0), 7)] * (MOST_LOST + 1)
    with pytest.raises(RuntimeError, match="ends with 3"):
        run_cases(ARCHITECTURE, [sys.executable, "-c", EMULATOR, "1"], cases)
