"""Programs on the engine, with or without optimised regions."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyqemu_runtime

from pyqemu.hostgen.layout import lay_out
from pyqemu.hostgen.pack_format import CPU, STATE_OFFSET
from pyqemu.translator.target import Target
from tests.regions.area import Area
from tests.regions.states import End, Snapshot, Start

_MXCSR = 0x1F80
_ROUNDING = (0, 2, 1, 3)  # its own inverse
_PATIENCE = 5.0  # seconds


class Host:
    """An engine with one CPU; its blocks have at most `longest` instructions."""

    def __init__(
        self, target: Target, pack: Path, model: str, area: Area, *, regions: bool, longest: int = 64
    ) -> None:
        self._engine = pyqemu_runtime.Engine(pyqemu_runtime.Pack(str(pack)), regions=regions, max_block_insns=longest)
        self._cpu = pyqemu_runtime.Cpu(self._engine, model)
        self._state: memoryview = self._cpu.state
        self._area = area
        self._layout = lay_out(target.registers)
        self._places = [self._layout.places[register.name] for register in target.registers]
        self._context = [variable.name for variable in target.context]
        self.poll_address: int = self._cpu.address + CPU["poll"]

    def add_archive(self, path: Path, key: bytes, origin: int) -> None:
        """Lets regions be used."""
        self._engine.add_archive(str(path), key, origin)

    @property
    def stats(self) -> dict[str, int]:
        """The engine's counts."""
        return self._engine.stats

    def run(self, start: Start, resuming: Mapping[str, int], *, stop: bool = False) -> End:
        """From a start to the end. `stop`: where the guest has written its poll word, and came to look at it."""
        self._put(start)
        if not stop:
            return self.go_on(resuming)
        self._cpu.interrupt()
        struct.pack_into("<I", self._state, CPU["poll"], 0)
        end = self.go_on(resuming)
        self._forget_interrupt(end)
        return end

    def interrupt_after(self, start: Start, resuming: Mapping[str, int], seconds: float) -> End:
        """Starts, and lets another thread interrupt."""
        timer = threading.Timer(seconds, self._cpu.interrupt)
        self._put(start)
        timer.start()
        end = self.go_on(resuming)
        timer.join()
        self._forget_interrupt(end)
        return end

    def _forget_interrupt(self, end: End) -> None:
        """A run that ended otherwise has not seen it."""
        if end.how != "interrupted":
            self._cpu.interrupt()
            assert self._cpu.run() == "interrupted"

    def go_on(self, resuming: Mapping[str, int]) -> End:
        """From the state that is there to the end; `interrupted` if that takes far too long."""
        cpu = self._cpu
        with _Watchdog(cpu):
            while (how := cpu.run()) == "exception" and cpu.exception in resuming:
                cpu.step_over()
        detail: tuple[object, ...] = ()
        if how == "exception":
            detail = cpu.exception, *cpu.exception_args
        elif how == "fault":
            detail = (cpu.fault_address,)
        return End(how, cpu.pc, detail, self._get())

    def _put(self, start: Start) -> None:
        state, raw = start.state, self._state
        registers = bytearray(self._layout.end)
        for place, values in zip(self._places, state.registers, strict=True):
            stride = place.stride
            data = b"".join(value.to_bytes(stride, "little") for value in values)
            registers[place.offset : place.offset + len(data)] = data
        raw[STATE_OFFSET : len(registers)] = registers[STATE_OFFSET:]
        flags = state.fp_flags
        mxcsr = _MXCSR | flags & 1 | (flags & 30) << 1 | _ROUNDING[state.fp_mode] << 13
        struct.pack_into("<I", raw, CPU["host_fp"], mxcsr)
        struct.pack_into("<I", raw, CPU["fp_extra"], flags & 32)
        struct.pack_into("<I", raw, CPU["fp_mode"], state.fp_mode)
        struct.pack_into(f"<{len(state.context)}Q", raw, CPU["context"], *state.context)
        self._cpu.pc = start.pc
        self._area.data = state.data

    def _get(self) -> Snapshot:
        raw = bytes(self._state)
        registers = tuple(
            tuple(
                int.from_bytes(raw[at : at + place.stride], "little")
                for at in range(place.offset, place.offset + place.register.count * place.stride, place.stride)
            )
            for place in self._places
        )
        (mxcsr,), (extra,) = (struct.unpack_from("<I", raw, CPU[name]) for name in ("host_fp", "fp_extra"))
        context = struct.unpack_from(f"<{len(self._context)}Q", raw, CPU["context"])
        flags = mxcsr & 1 | mxcsr >> 1 & 30 | extra
        return Snapshot(registers, flags, _ROUNDING[mxcsr >> 13 & 3], context, self._area.data)


class _Watchdog:
    """Interrupts a CPU that runs for too long; one thread for all of them, since there are very many runs."""

    _running: tuple[Any, float] | None = None
    _thread: threading.Thread | None = None

    def __init__(self, cpu: Any) -> None:
        self._cpu = cpu
        if _Watchdog._thread is None:
            _Watchdog._thread = threading.Thread(target=_Watchdog._watch, daemon=True)
            _Watchdog._thread.start()

    def __enter__(self) -> None:
        _Watchdog._running = self._cpu, time.monotonic()

    def __exit__(self, *_: object) -> None:
        _Watchdog._running = None

    @classmethod
    def _watch(cls) -> None:
        while True:
            time.sleep(1)
            running = cls._running
            if running is not None and time.monotonic() - running[1] > _PATIENCE:
                running[0].interrupt()
