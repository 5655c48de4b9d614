"""`pyqemu-arch run`: a program on a bare machine, and the state in which it stops."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Callable, Iterator

from pyqemu.tools.assembler import image_of
from pyqemu.tools.command import Mistake, context_of, number
from pyqemu.tools.machine import Devices, Machine, Stop, register_value
from pyqemu.tools.pyqemu_arch.code import assemble_for, read_text

#: The exit status of a program that went wrong.
WRONG = 3
_WIDTH = 110
_ROW = 16  # bytes


def run(options: argparse.Namespace) -> int:
    """Runs it and prints the end. Raises Mistake, AssemblerErrors, DescriptionError and OSError."""
    machine = Machine(
        options.folder, cpu=options.cpu, variant=options.variant, out=options.out,
        memory=number(options.memory, "--memory"),
    )  # fmt: skip
    base = number(options.base, "--base")
    machine.load(_image(options, machine, base), base)
    machine.pc = base if options.entry is None else number(options.entry, "--entry")
    for name, value in context_of(machine.target, options.ctx).items():
        machine.set_context(name, value)
    for name, value in map(register_value, options.set):
        machine[name] = value
    dumps = [_range(machine, text) for text in options.dump]
    stop = machine.run(_devices(machine, options.device), options.timeout)
    sys.stdout.flush()
    if options.json:
        print(json.dumps(_as_json(machine, stop, dumps)))
    elif not options.quiet:
        print(stop)
        print(textwrap.fill(_state(machine), _WIDTH))
        for address, size in dumps:
            print("\n".join(_rows(machine.read(address, size), address)))
    undefined = machine.target.exceptions[machine.target.undefined_exception].name
    return 0 if stop.how == "exception" and stop.exception != undefined else WRONG


def _image(options: argparse.Namespace, machine: Machine, base: int) -> bytes:
    if options.file.suffix != ".s":
        data: bytes = options.file.read_bytes()
        return data
    placed = assemble_for(options, machine.target, read_text(options.file), str(options.file), base)
    return image_of(placed, base)


def _devices(machine: Machine, given: list[str]) -> Devices:
    """Devices by exception, from `--device EXCEPTION=WHAT`. Raises Mistake."""
    known = {"putc": _put_character, "ignore": _ignore}
    widths = {exception.name: exception.argument_widths for exception in machine.target.exceptions}
    made: dict[str, Callable[..., None]] = {}
    for text in given:
        name, _, what = text.partition("=")
        if name not in widths:
            raise Mistake(f"--device {text}: no exception {name!r}; there are {', '.join(widths)}")
        if what not in known:
            raise Mistake(f"--device {text}: no device {what!r}; there are {', '.join(known)}")
        if what == "putc" and not widths[name]:
            raise Mistake(f"--device {text}: {name} has no argument")
        made[name] = known[what]
    return made


def _put_character(code: int, *_: int) -> None:
    sys.stdout.buffer.write(bytes([code & 255]))
    sys.stdout.buffer.flush()


def _ignore(*_: int) -> None:
    pass


def _range(machine: Machine, text: str) -> tuple[int, int]:
    """Address and size. Raises Mistake."""
    address, colon, size = text.partition(":")
    if not colon:
        raise Mistake(f"--dump {text}: ADDRESS:SIZE is wanted")
    found = number(address, f"--dump {text}"), number(size, f"--dump {text}")
    machine.read(*found)
    return found


def _state(machine: Machine) -> str:
    """All registers; of files those that are not 0."""
    texts: list[str] = []
    for name, width, value in _registers(machine):
        if value or not name.endswith("]"):
            texts.append(f"{name}={value}" if width == 1 else f"{name}={value:#0{2 + (width + 3) // 4}x}")
    return " ".join(texts)


def _registers(machine: Machine) -> Iterator[tuple[str, int, int]]:
    """Name, width and value of each register and element."""
    for register in machine.target.registers:
        names = [f"{register.name}[{i}]" for i in range(register.count)] if register.is_file else [register.name]
        for name in names:
            yield name, register.width, machine[name]


def _rows(data: bytes, address: int) -> Iterator[str]:
    for at in range(0, len(data), _ROW):
        yield f"{address + at:8x}:  {data[at : at + _ROW].hex(' ')}"


def _as_json(machine: Machine, stop: Stop, dumps: list[tuple[int, int]]) -> dict[str, object]:
    return {
        "how": stop.how,
        "pc": stop.pc,
        "exception": stop.exception,
        "arguments": stop.arguments,
        "address": stop.address,
        "registers": {name: value for name, _, value in _registers(machine)},
        "memory": {hex(address): machine.read(address, size).hex() for address, size in dumps},
    }
