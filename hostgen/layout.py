"""Where guest state lies in the CPU state (docs/pack.md), and the expressions that find it.

Files come first, then single registers, then the flags, one byte each. A file that some view reads with a
zero index has two elements more: one that always reads 0 and one that takes dropped writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from pyqemu.hostgen.pack_format import JUMP_CACHE_OFFSET, STATE_OFFSET
from pyqemu.translator.errors import UnsupportedError
from pyqemu.translator.static import StaticExpr, element, interval
from pyqemu.translator.target import Register


@cache
def storage_bits(width: int) -> int:
    """Bits that a value of `width` takes in memory: a power of two, at least 8."""
    return max(8, 1 << (width - 1).bit_length())


@dataclass(frozen=True, slots=True)
class Place:
    """A register (file) in the CPU state: byte offset of element 0, bytes from one to the next."""

    register: Register
    offset: int
    stride: int

    @property
    def zero_offset(self) -> int:
        """Of the element that reads 0; the one that takes dropped writes follows it."""
        return self.offset + self.register.count * self.stride

    @property
    def alignment(self) -> int:
        return min(self.stride, 16)


@dataclass(frozen=True, slots=True)
class Layout:
    """The whole state of an architecture."""

    places: dict[str, Place]
    flags: tuple[str, ...]
    flag_offset: int
    end: int

    def offset(self, name: str, index: StaticExpr | None, zero: int | None, *, write: bool) -> StaticExpr:
        """Offset from the start of the CPU state of register `name`, or of its element `index`."""
        place = self.places[name]
        if index is None:
            return place.offset
        count = place.register.count
        if isinstance(index, int) and 0 <= index < count and index != zero:
            return place.offset + index * place.stride
        low, high = interval(index)
        if low < 0 or (high >= count and high != zero):
            raise UnsupportedError(f"an index of {name} may be {low}…{high}, beyond its {count} elements")
        offsets = [place.offset + i * place.stride for i in range(max(count, high + 1))]
        if zero is not None:
            offsets[zero] = place.zero_offset + (place.stride if write else 0)
        return element(tuple(offsets[: high + 1]), index)

    def name_at(self, offset: int) -> str:
        """The register that has the byte at `offset`, for people; empty if it is none's."""
        for place in self.places.values():
            register = place.register
            index, rest = divmod(offset - place.offset, place.stride)
            inside = f"+{rest}" if rest else ""
            if 0 <= index < register.count:
                return (f"{register.name}[{index}]" if register.is_file else register.name) + inside
            if register.has_zero and register.count <= index < register.count + 2:
                return f"{register.name}[{'zero' if index == register.count else 'dropped'}]{inside}"
        return ""

    def flag_mask(self, name: str) -> int:
        """The bit of flag `name` in StencilRec.reads and writes; 0 for anything else."""
        return 1 << self.flags.index(name) if name in self.flags else 0


def lay_out(registers: Sequence[Register]) -> Layout:
    """Places for all registers; raises UnsupportedError if they do not fit below the jump cache."""
    places: dict[str, Place] = {}
    place = STATE_OFFSET
    plain = [register for register in registers if not register.is_flag]
    for register in [r for r in plain if r.is_file] + [r for r in plain if not r.is_file]:
        stride = storage_bits(register.width) // 8
        alignment = min(stride, 16)
        place = (place + alignment - 1) // alignment * alignment
        places[register.name] = Place(register, place, stride)
        place += stride * (register.count + (2 if register.is_file and register.has_zero else 0))
    flag_offset = place
    flags = [register for register in registers if register.is_flag]
    for flag in flags:
        places[flag.name] = Place(flag, place, 1)
        place += 1
    if place > JUMP_CACHE_OFFSET:
        raise UnsupportedError(f"guest state of {place} bytes does not fit below {JUMP_CACHE_OFFSET}")
    return Layout(places, tuple(flag.name for flag in flags), flag_offset, place)
