"""Makes wrong ELF programs out of right ones. The same seed makes the same program."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

#: Offset and size of the fields of an ELF header and of a program header.
HEADER = [(0, 4), (4, 1), (5, 1), (6, 1), (7, 1), (16, 2), (18, 2), (20, 4), (24, 8), (32, 8), (40, 8), (48, 4)]
HEADER += [(52, 2), (54, 2), (56, 2), (58, 2), (60, 2), (62, 2)]
SEGMENT = [(0, 4), (4, 4), (8, 8), (16, 8), (24, 8), (32, 8), (40, 8), (48, 8)]
#: Values at which something may change, of up to 64 bits.
EXTREMES = [0, 1, 2, 3, 4, 5, 7, 8, 0xFF, 0xFFF, 0x1000, 0x1001, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
EXTREMES += [1 << 40, (1 << 47) - 1, (1 << 47) - 4096, 1 << 47, 1 << 48, (1 << 63) - 1, 1 << 63, (1 << 64) - 4096]
EXTREMES += [(1 << 64) - 1]

Dice = random.Random


def _segments(data: bytearray) -> list[int]:
    """Offsets of the program headers of a right program."""
    offset, count = struct.unpack_from("<Q", data, 32)[0], struct.unpack_from("<H", data, 56)[0]
    return [offset + 56 * i for i in range(count)]


def _code(dice: Dice, data: bytearray) -> int:
    """The offset of an instruction near the entry point, or anywhere in the code."""
    entry = struct.unpack_from("<Q", data, 24)[0]
    for at in _segments(data):
        kind, flags, offset, address, _, size, _, _ = struct.unpack_from("<IIQQQQQQ", data, at)
        if kind == 1 and flags & 1 and address <= entry < address + size:
            start, end = offset + entry - address, offset + size
            near = dice.random() < 0.8
            return start + 4 * dice.randrange(64 if near else max(1, (end - start) // 4)) % max(4, end - start)
    raise ValueError("no code at the entry point")


def _put(dice: Dice, data: bytearray, offset: int, size: int) -> None:
    """Gives a field another value: an extreme one, one nearby, or any."""
    old = int.from_bytes(data[offset : offset + size], "little")
    match dice.randrange(4):
        case 0 | 1:
            value = dice.choice(EXTREMES)
        case 2:
            value = old + dice.choice([-4096, -8, -1, 1, 8, 64, 4096, 1 << 20])
        case _:
            value = dice.getrandbits(8 * size)
    data[offset : offset + size] = (value % (1 << 8 * size)).to_bytes(size, "little")


def header_field(dice: Dice, data: bytearray) -> None:
    """Changes a field of the ELF header."""
    offset, size = dice.choice(HEADER)
    _put(dice, data, offset, size)


def segment_field(dice: Dice, data: bytearray) -> None:
    """Changes a field of a program header."""
    offset, size = dice.choice(SEGMENT)
    _put(dice, data, dice.choice(_segments(data)) + offset, size)


def segment_kind(dice: Dice, data: bytearray) -> None:
    """Makes a program header one of another kind, interpreters among them."""
    struct.pack_into("<I", data, dice.choice(_segments(data)), dice.choice([0, 1, 2, 3, 4, 6, 7, 0x6474E551]))


def copied_segment(dice: Dice, data: bytearray) -> None:
    """Makes a program header the same as another one, so that they overlap."""
    source, target = dice.choice(_segments(data)), dice.choice(_segments(data))
    data[target : target + 56] = data[source : source + 56]


def flipped_bits(dice: Dice, data: bytearray) -> None:
    """Flips up to eight bits in the headers."""
    end = 64 + 56 * len(_segments(data))
    for _ in range(dice.randrange(1, 9)):
        bit = dice.randrange(8 * end)
        data[bit // 8] ^= 1 << bit % 8


def flipped_code(dice: Dice, data: bytearray) -> None:
    """Flips up to four bits in the code."""
    for _ in range(dice.randrange(1, 5)):
        bit = dice.randrange(32)
        data[_code(dice, data) + bit // 8] ^= 1 << bit % 8


def random_code(dice: Dice, data: bytearray) -> None:
    """Writes up to sixteen random words over code."""
    at = _code(dice, data)
    words = dice.randrange(1, 17)
    data[at : at + 4 * words] = dice.randbytes(4 * words)


def moved_code(dice: Dice, data: bytearray) -> None:
    """Copies a piece of the file over code."""
    source, target, size = dice.randrange(len(data)), _code(dice, data), 4 * dice.randrange(1, 64)
    piece = data[source : source + size]
    data[target : target + len(piece)] = piece


def cut(dice: Dice, data: bytearray) -> None:
    """Cuts the end off: mostly in the headers or right behind."""
    del data[dice.choice([dice.randrange(len(data)), dice.randrange(min(len(data), 512))]) :]


def spliced(dice: Dice, data: bytearray) -> None:
    """Takes a piece out, or puts one in."""
    at, size = dice.randrange(len(data)), dice.randrange(1, 200)
    if dice.random() < 0.5:
        del data[at : at + size]
    else:
        data[at:at] = dice.randbytes(size)


#: Those that need the headers as they were come first.
KINDS: tuple[Callable[[Dice, bytearray], None], ...] = (
    flipped_code, random_code, moved_code, segment_kind, segment_field, copied_segment, flipped_bits, header_field,
    cut, spliced,
)  # fmt: skip


def mutant(programs: list[bytes], seed: int) -> tuple[bytes, str]:
    """A program made from one of `programs` by one to three kinds of change, and their names."""
    dice = random.Random(seed)
    data = bytearray(dice.choice(programs))
    count = dice.choice([1, 1, 1, 2, 3])
    chosen = sorted({dice.randrange(len(KINDS)) for _ in range(count)})
    done: list[str] = []
    for kind in (KINDS[number] for number in chosen):
        kind(dice, data)
        done.append(kind.__name__)
    return bytes(data), "+".join(done)
