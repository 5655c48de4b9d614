"""Runs stencils by themselves: compiled, linked by hand into executable memory, entered through the image's
`enter`.

Plays the runtime's part in its simplest form: decode-time byte code is evaluated here, and NEXT and the
exits lead to a few bytes that say which way was taken.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pyqemu.hostgen import lower_bits, lower_fp, lower_int, lower_state  # noqa: F401  (they fill the table)
from pyqemu.hostgen.hosts.x86_64 import host
from pyqemu.hostgen.image import Image
from pyqemu.hostgen.layout import lay_out
from pyqemu.hostgen.library import Compiled, Library
from pyqemu.hostgen.lower import Machine
from pyqemu.hostgen.pack_format import CPU, JUMP_CACHE_ENTRIES, JUMP_CACHE_OFFSET, ProgOpCode, RelocKind
from pyqemu.hostgen.program import Program
from pyqemu.hostgen.stencils import make_stencil
from pyqemu.translator.ir.builder import Builder
from pyqemu.translator.ir.function import Function
from pyqemu.translator.target import Register

REGISTERS = (
    Register("S", 64, 32, True, False, True),
    Register("V", 128, 8, True, False, False),
    Register("Q", 64, 1, False, False, False),
    *(Register(name, 1, 1, False, True, False) for name in "NZCO"),
)
CONTEXT = ("fz", "mode")
EXCEPTIONS = ("undefined", "trap")
NEXT_REASON, SKIP_REASON, EXIT_REASON = 100, 101, 200
_MASK = (1 << 64) - 1
_MXCSR = 0x1F80
STATE_BYTES = JUMP_CACHE_OFFSET + 16 * JUMP_CACHE_ENTRIES


def evaluate_program(program: Program, fields: Mapping[str, int], here: int, ctx: Sequence[int]) -> list[int]:
    """All values of a program, as the runtime's byte code has them: int64, wrapping."""
    values = [*(fields[name] for name in program.fields), here, *ctx]
    for step in program.steps:
        args = [values[number] for number in step.args]
        values.append(_signed(_step(step.code, args, step.imm, step.table)))
    return values


def _signed(value: int) -> int:
    value &= _MASK
    return value - (value >> 63 << 64)


def _step(code: ProgOpCode, args: list[int], imm: int, table: tuple[int, ...]) -> int:
    a, b, c = (*args, 0, 0, 0)[:3]
    match code:
        case ProgOpCode.CONST:
            return imm
        case ProgOpCode.CONST64:
            return table[0]
        case ProgOpCode.TABLE:
            return table[a] if 0 <= a < min(b, len(table)) else 0
        case ProgOpCode.DIV:
            return a // b if b else 0
        case ProgOpCode.MOD:
            return a % b if b else a
        case ProgOpCode.SHL:
            return a << b if 0 <= b < 64 else 0
        case ProgOpCode.SHR:
            return a >> b if b >= 0 else 0
        case ProgOpCode.USHR:
            return (a & _MASK) >> b if 0 <= b < 64 else 0
        case ProgOpCode.SELECT:
            return b if a else c
        case ProgOpCode.BITS:
            return a & ((1 << b) - 1)
        case ProgOpCode.SBITS:
            return ((a & ((1 << b) - 1)) ^ (1 << b >> 1)) - (1 << b >> 1)
        case ProgOpCode.LOG2:
            return a.bit_length() - 1
        case ProgOpCode.POPCOUNT:
            return (a & _MASK).bit_count()
        case ProgOpCode.NEG:
            return -a
        case ProgOpCode.INV:
            return ~a
        case _:
            x, y = (a & _MASK, b & _MASK) if code in (ProgOpCode.ULT, ProgOpCode.ULE) else (a, b)
            return {
                ProgOpCode.ADD: a + b, ProgOpCode.SUB: a - b, ProgOpCode.MUL: a * b,
                ProgOpCode.AND: a & b, ProgOpCode.OR: a | b, ProgOpCode.XOR: a ^ b,
                ProgOpCode.EQ: a == b, ProgOpCode.NE: a != b, ProgOpCode.LT: x < y, ProgOpCode.LE: x <= y,
                ProgOpCode.ULT: x < y, ProgOpCode.ULE: x <= y,
            }[code]  # fmt: skip


@dataclass(slots=True)
class State:
    """Guest state before or after: registers by name, flags of the FP environment, how it was left."""

    registers: dict[str, list[int]]
    fp_flags: int = 0
    fp_mode: int = 0
    reason: int = 0
    pc: int = 0
    exception: int = 0
    exc_args: tuple[int, ...] = ()
    context: tuple[int, ...] = (0, 0, 0, 0)


def empty_state(registers: Sequence[Register] = REGISTERS) -> State:
    return State({register.name: [0] * register.count for register in registers})


def made(name: str, build: Callable[[Builder], None]) -> Function:
    """A function, of what `build` adds to it."""
    function = Function(name)
    build(Builder(function))
    return function


@dataclass(slots=True)
class Code:
    """Stencils of functions, compiled for one host level."""

    level: str
    tininess_before: bool = False
    outlined: Mapping[str, Function] = field(default_factory=dict[str, Function])

    def compile(self, functions: Sequence[Function], fields: Sequence[str] = ()) -> list[Runnable]:
        """Stencils of all functions, in order."""
        target = host(self.level)
        machine = Machine(target, lay_out(REGISTERS), CONTEXT, EXCEPTIONS, 2, self.tininess_before)
        library = Library(target)
        numbers = [library.add(make_stencil(f.name, f, machine, fields=fields, unit_bytes=4)) for f in functions]
        image = Image(machine, self.outlined)
        library.compile(image, 1)
        image.link()
        arena = Arena(image)
        return [Runnable(arena, library.compiled[library.number(number)], machine) for number in numbers]


class Arena:
    """Executable memory: the image, then one stencil's copy at a time."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.memory = mmap.mmap(-1, 1 << 20, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self.base = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self.memory[: len(image.data)] = image.data
        self.free = (len(image.data) + 63) // 64 * 64
        entry = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
        self.enter = entry(self.base + image.offset("enter"))
        raw = ctypes.create_string_buffer(STATE_BYTES + 64)
        self._keep = raw
        self.cpu = (ctypes.addressof(raw) + 63) // 64 * 64
        ctypes.memset(self.cpu + JUMP_CACHE_OFFSET, 0xFF, 16 * JUMP_CACHE_ENTRIES)
        ctypes.memset(self.cpu + STATE_BYTES - 16, 0, 16)  # the entry of address ~0 must not have it


def _way(reason: int) -> bytes:
    """`mov dword [r13+4], reason; ret`."""
    return b"\x41\xc7\x45\x04" + struct.pack("<I", reason) + b"\xc3"


@dataclass(slots=True)
class Runnable:
    """One stencil, ready to be run on states."""

    arena: Arena
    compiled: Compiled
    machine: Machine

    def run(
        self, state: State, *, fields: Mapping[str, int] | None = None, here: int = 0x1000, membase: int = 0
    ) -> State:
        """The state after it."""
        program = self.compiled.stencil.program
        context = state.context[: len(program.context)]
        values = evaluate_program(program, fields or dict.fromkeys(program.fields, 0), here, context)
        return self.run_with([values], state, membase)

    def run_with(self, values: Sequence[Sequence[int]], state: State, membase: int = 0) -> State:
        """As `run`, with the values of its program, or of both instructions' if it is fused."""
        self._link(values)
        self._put(state)
        self.arena.enter(self.arena.cpu, membase, self.arena.base + self.arena.free)
        return self._get()

    def _link(self, values: Sequence[Sequence[int]]) -> None:
        arena = self.arena
        code = bytearray(self.compiled.code)
        ways = {RelocKind.NEXT: _way(NEXT_REASON), RelocKind.EXIT: b""}
        for reloc in self.compiled.relocs:
            match reloc.kind:
                case RelocKind.NEXT:
                    target = len(code)
                    code += ways[RelocKind.NEXT]
                case RelocKind.SKIP:
                    target = len(code)
                    code += _way(SKIP_REASON)
                case RelocKind.EXIT:
                    target = len(code)
                    code += _way(EXIT_REASON + reloc.value)
                case RelocKind.IMAGE:
                    target = arena.image.offset(reloc.symbol) - arena.free
                case _:
                    self._fill(code, reloc.offset, reloc.kind, values[reloc.insn][reloc.value] + reloc.addend)
                    continue
            struct.pack_into("<i", code, reloc.offset, target + reloc.addend - reloc.offset)
        arena.memory[arena.free : arena.free + len(code)] = bytes(code)

    def _fill(self, code: bytearray, offset: int, kind: RelocKind, value: int) -> None:
        formats = {RelocKind.ABS8: "<b", RelocKind.ABS32S: "<i", RelocKind.ABS32: "<I"}
        if kind is RelocKind.ABS64:
            struct.pack_into("<Q", code, offset, value & _MASK)
        else:
            struct.pack_into(formats[kind], code, offset, value)  # raises where it does not fit

    # --- CPU state ---

    def _put(self, state: State) -> None:
        raw = bytearray(JUMP_CACHE_OFFSET)
        for name, elements in state.registers.items():
            place = self.machine.layout.places[name]
            for index, value in enumerate(elements):
                start = place.offset + index * place.stride
                raw[start : start + place.stride] = value.to_bytes(place.stride, "little")
        flags = state.fp_flags
        mxcsr = _MXCSR | flags & 1 | (flags & 30) << 1 | (0, 2, 1, 3)[state.fp_mode] << 13
        struct.pack_into("<I", raw, CPU["host_fp"], mxcsr)
        struct.pack_into("<I", raw, CPU["fp_extra"], flags & 32)
        struct.pack_into("<I", raw, CPU["fp_mode"], state.fp_mode)
        struct.pack_into("<4Q", raw, CPU["context"], *state.context)
        ctypes.memmove(self.arena.cpu, bytes(raw), len(raw))

    def _get(self) -> State:
        raw = ctypes.string_at(self.arena.cpu, JUMP_CACHE_OFFSET)
        registers: dict[str, list[int]] = {}
        for place in self.machine.layout.places.values():
            register = place.register
            starts = [place.offset + index * place.stride for index in range(register.count)]
            registers[register.name] = [int.from_bytes(raw[s : s + place.stride], "little") for s in starts]

        def number(name: str, code: str) -> int:
            return struct.unpack_from(code, raw, CPU[name])[0]

        mxcsr = number("host_fp", "<I")
        flags = mxcsr & 1 | (mxcsr >> 1) & 30 | number("fp_extra", "<I")
        return State(
            registers, flags, (0, 2, 1, 3)[mxcsr >> 13 & 3], number("exit_reason", "<I"), number("pc", "<Q"),
            number("exception", "<I"), struct.unpack_from("<4Q", raw, CPU["exc_args"]),
            struct.unpack_from("<4Q", raw, CPU["context"]),
        )  # fmt: skip
