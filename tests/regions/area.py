"""Guest memory in this process: a module's code, which nobody can write, one page of data, and nothing around them."""

from __future__ import annotations

import ctypes
import mmap
import os

from pyqemu_runtime import Memory

from pyqemu.translator.ir.interp import GuestFault

PAGE = 4096
_GUARD = 0x100000  # short offsets from a good address do not reach beyond it
CODE_BYTES = 0x10000
#: Guest address of the module's offset 0. Nothing else of a process lies near. Architectures with 32-bit addresses are
#: for processes that have it below 4 GiB.
CODE = int(os.environ.get("PYQEMU_TEST_CODE", "0x100000000000"), 0)
DATA = CODE + CODE_BYTES + _GUARD
_BEGIN, _END = CODE - _GUARD, DATA + PAGE + _GUARD
_POLL_BYTES = 4
_NO_ACCESS = 0
_LIBC = ctypes.CDLL(None, use_errno=True)


class Area:
    """The memory itself. There can be one at a time."""

    def __init__(self) -> None:
        self._memory = Memory(_END - _BEGIN, _BEGIN)
        assert mmap.PAGESIZE == PAGE
        self._protect(_BEGIN, _END - _BEGIN, _NO_ACCESS)
        self._protect(DATA, PAGE, mmap.PROT_READ | mmap.PROT_WRITE)
        self.code = b""

    def put_code(self, code: bytes) -> None:
        """Makes `code` the module's."""
        assert len(code) <= CODE_BYTES
        self.code = code + bytes(CODE_BYTES - len(code))
        self._protect(CODE, CODE_BYTES, mmap.PROT_READ | mmap.PROT_WRITE)
        self._memory.write(CODE, self.code)
        self._protect(CODE, CODE_BYTES, mmap.PROT_READ)

    @property
    def data(self) -> bytes:
        """What is on the data page."""
        return self._memory.read(DATA, PAGE)

    @data.setter
    def data(self, contents: bytes) -> None:
        self._memory.write(DATA, contents)

    def fetch(self, offset: int, size: int) -> bytes | None:
        """`size` bytes of code at module offset `offset`; see translator.lift.instructions.GuestCode."""
        found = self.code[offset : offset + size] if offset >= 0 else b""
        return found if len(found) == size else None

    @staticmethod
    def _protect(address: int, size: int, access: int) -> None:
        if _LIBC.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(size), access):
            raise OSError(ctypes.get_errno(), "mprotect")


class Neighbours:
    """What else of this process a guest address may mean. Guests that get there are not run."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []
        with open("/proc/self/maps") as lines:
            for line in lines:
                first, last = (int(number, 16) for number in line.split()[0].split("-"))
                self._ranges.append((first - (64 << 20), last + (64 << 20)))  # the heap grows

    def has(self, address: int) -> bool:
        """Whether something of the process's own may lie at `address`."""
        if _BEGIN <= address < _END:
            return False
        return any(first <= address < last for first, last in self._ranges)


class GuestMemory:
    """The same memory as the interpreter sees it. `poll`: address of a CPU's poll word, which may be written."""

    def __init__(self, code: bytes, data: bytes, poll: int | None) -> None:
        self.data = bytearray(data)
        self.polled = False
        self._code = code
        self._poll = poll

    def load(self, address: int, size: int) -> bytes:
        """`size` bytes at guest address `address`."""
        if DATA <= address <= DATA + PAGE - size:
            return bytes(self.data[address - DATA : address - DATA + size])
        if CODE <= address <= CODE + CODE_BYTES - size:
            return self._code[address - CODE : address - CODE + size]
        raise GuestFault(self._first_bad(address, size, write=False), "read")

    def store(self, address: int, data: bytes) -> None:
        """Puts `data` at guest address `address`."""
        if DATA <= address <= DATA + PAGE - len(data):
            self.data[address - DATA : address - DATA + len(data)] = data
        elif address == self._poll and len(data) == _POLL_BYTES:
            self.polled |= any(data)
        else:
            raise GuestFault(self._first_bad(address, len(data), write=True), "write")

    def _first_bad(self, address: int, size: int, *, write: bool) -> int:
        """The byte that a host faults at: the first that is not there."""
        for place in range(address, address + size):
            if not (DATA <= place < DATA + PAGE or (not write and CODE <= place < CODE + CODE_BYTES)):
                return place & ((1 << 64) - 1)
        raise AssertionError("an access that is good")


def page_of(pattern: bytes) -> bytes:
    """A page of data that repeats a pattern."""
    return (pattern * (PAGE // len(pattern) + 1))[:PAGE]
