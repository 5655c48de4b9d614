"""A bare machine: memory and a CPU of an architecture that a user describes, on the engine.

    machine = Machine("acc16", cpu="full")      # a folder with main.arch; the pack is built if it is not current
    machine.load(machine.assemble("add #1\\nhalt"))
    stop = machine.run()                        # until something stops it
    print(stop, machine["A"])

There is no operating system: an exception stops the machine, and whoever runs it says what it means.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyqemu.tools.assembler import assemble, image_of
from pyqemu.tools.command import Mistake, model_of, number
from pyqemu.tools.own_architecture import OwnArchitecture, best_level, own_architectures
from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.target import alignment

_WIDE = 32  # bits of an address up to which all that can be addressed is memory
_DEFAULT_BYTES = 16 << 20  # of memory, where addresses are wider
_NEAR, _FAR = 1 << 16, 1 << 40  # bytes around the memory that fault
#: What is done with exceptions, by name; it gets their arguments.
Devices = Mapping[str, Callable[..., None]]
_ELEMENT = re.compile(r"(\w+)\[(\d+)\]\Z")


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a machine stopped, with its program counter then: `how` is `exception`, `fault` (of an access to guest
    address `address`), `bad fetch` (there is no memory at the program counter), `not aligned` (the program counter is
    no multiple of `alignment`, where instructions begin) or `interrupted`.
    """

    how: str
    pc: int
    exception: str = ""
    arguments: tuple[int, ...] = ()
    address: int | None = None
    alignment: int = 1

    def __str__(self) -> str:
        match self.how:
            case "exception":
                arguments = ", ".join(map(hex, self.arguments))
                return f"{self.exception}({arguments}) at {self.pc:#x}"
            case "fault":
                return f"fault at {self.pc:#x}: there is no memory at {self.address:#x}"
            case "bad fetch":
                return f"no memory at {self.pc:#x}, where the next instruction would be"
            case "not aligned":
                return f"not aligned at {self.pc:#x}: instructions begin at multiples of {self.alignment}"
            case _:
                return f"interrupted at {self.pc:#x}"


class Machine:
    """Memory from guest address 0 on, and one CPU. With addresses of up to 32 bits all of them are memory; else there
    are `memory` bytes, and addresses far beyond these may be anything in this process.

    `cpu`: a CPU model, as for pyqemu-user. Raises Mistake, and what OwnArchitecture.build raises.
    """

    def __init__(
        self, folder: Path | str, *, cpu: str | None = None, variant: str | None = None, memory: int = _DEFAULT_BYTES,
        out: Path | None = None,
    ) -> None:  # fmt: skip
        described = next(iter(own_architectures(Path(folder), variant, out)))
        self.target = _built(described)
        self.model = model_of(self.target, cpu)
        width = self.target.address_width
        self.size = 1 << width if width <= _WIDE else memory
        runtime: Any = importlib.import_module("pyqemu_runtime")
        self._memory: Any = runtime.Memory(self.size, guard=_NEAR if width <= _WIDE else _FAR)
        self._base: int = self._memory.address
        self._engine: Any = runtime.Engine(runtime.Pack(str(described.pack(best_level()))), membase=self._base)
        self._cpu: Any = runtime.Cpu(self._engine, cpu or "")

    # --- memory ---

    def load(self, data: bytes, address: int = 0) -> None:
        """Puts bytes at a guest address, code among them. Raises Mistake where there is no memory."""
        self._inside(address, len(data))
        self._memory.write(self._base + address, data)
        self._engine.invalidate(address, len(data))

    def read(self, address: int, size: int) -> bytes:
        """Bytes at a guest address. Raises Mistake where there is no memory."""
        self._inside(address, size)
        data: bytes = self._memory.read(self._base + address, size)
        return data

    def _inside(self, address: int, size: int) -> None:
        if not 0 <= address <= address + size <= self.size:
            raise Mistake(f"{size} bytes at {address:#x} are not all in the memory, which has {self.size:#x}")

    def assemble(self, text: str, address: int = 0) -> bytes:
        """Code for a guest address, from the description's own assembly (see `assembler`). Raises AssemblerErrors."""
        return image_of(assemble(self.target, text, base=address, features=self.model.features), address)

    # --- registers ---

    def __getitem__(self, name: str) -> int:
        """A register or flag, `A`, or an element of a file, `R[3]`. Raises Mistake."""
        value: int = self._cpu.get(*self._register(name))
        return value

    def __setitem__(self, name: str, value: int) -> None:
        """Raises Mistake for a name that is none, or a value that does not fit."""
        register, index = self._register(name)
        width = next(r.width for r in self.target.registers if r.name == register)
        if not 0 <= value < 1 << width:
            raise Mistake(f"{name} has {width} bits, {value:#x} does not fit")
        self._cpu.set(register, value, index)

    def _register(self, name: str) -> tuple[str, int]:
        match = _ELEMENT.match(name)
        register, index = (match[1], int(match[2])) if match else (name, 0)
        found = next((r for r in self.target.registers if r.name == register), None)
        if found is None or found.is_file != bool(match) or index >= found.count:
            known = (f"{r.name}[0…{r.count - 1}]" if r.is_file else r.name for r in self.target.registers)
            raise Mistake(f"{name} is no register; there are {', '.join(known)}")
        return register, index

    @property
    def pc(self) -> int:
        """The program counter, a guest address."""
        value: int = self._cpu.pc
        return value

    @pc.setter
    def pc(self, address: int) -> None:
        self._cpu.pc = address

    def set_context(self, name: str, value: int) -> None:
        """Gives a context variable a value."""
        self._cpu.set_context(name, value)

    # --- running ---

    def run(self, devices: Devices | None = None, seconds: float | None = None) -> Stop:
        """Runs until something stops the machine, or for so long. An exception that `devices` names is handed to its
        device, in another thread, and the program goes on behind it. Ctrl-C stops the machine, and is raised then.
        Raises Mistake for a name that no exception has.
        """
        known = [exception.name for exception in self.target.exceptions]
        for name in devices or {}:
            if name not in known:
                raise Mistake(f"no exception is called {name}; there are {', '.join(known)}")
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(self._run, devices or {})
            try:
                done = wait([running], seconds).done
            except BaseException:
                self._cpu.interrupt()
                raise
            if not done:
                self._cpu.interrupt()
                if running.result().how != "interrupted":  # it has ended meanwhile, and must not stop the next one
                    self._cpu.run()
            return running.result()

    def _run(self, devices: Devices) -> Stop:
        while (stop := self._stop(self._cpu.run())).exception in devices:
            devices[stop.exception](*stop.arguments)
            self.step_over()
        return stop

    def step_over(self) -> None:
        """Goes on behind the instruction that raised an exception."""
        self._cpu.step_over()

    def _stop(self, how: str) -> Stop:
        match how:
            case "exception":
                return Stop(how, self.pc, self._cpu.exception, tuple(self._cpu.exception_args))
            case "fault":
                return Stop(how, self.pc, address=(self._cpu.fault_address - self._base) % (1 << 64))
            case "bad fetch" if self.pc % (smallest := alignment(self.target.units)):
                return Stop("not aligned", self.pc, alignment=smallest)
            case _:
                return Stop(how, self.pc)


def _built(described: OwnArchitecture) -> DescribedTarget:
    if not described.is_current(best_level()):
        described.build([best_level()])
    return described.target


def register_value(text: str) -> tuple[str, int]:
    """`NAME=VALUE` of a command line. Raises Mistake."""
    name, equals, value = text.partition("=")
    if not equals:
        raise Mistake(f"{text}: NAME=VALUE is wanted")
    return name, number(value, text)
