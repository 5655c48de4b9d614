"""The records of a pack: Python's copy of runtime/core/pack_format.hpp (a test compares the two).

A record is a named tuple whose fields are spelt and ordered as in the C++ struct; `pack` gives its bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, IntFlag

PACK_MAGIC = 0x314B5051
PACK_VERSION = 5
NONE = 0xFFFFFFFF
NODE_BIT = 0x80000000
STATE_OFFSET = 256
JUMP_CACHE_OFFSET = 8192
JUMP_CACHE_ENTRIES = 4096


@dataclass(frozen=True, slots=True)
class Member:
    """`count` numbers of struct code `code` (0: one, not an array)."""

    name: str
    code: str
    count: int = 0

    @property
    def format(self) -> str:
        """What `struct` calls it."""
        return self.code if not self.count else f"{self.count}{self.code}"


class Record:
    """A C struct: `Record("Name", "I a b; H[2] c")`, with codes of the struct module. No implicit padding."""

    def __init__(self, name: str, members: str) -> None:
        self.name = name
        self.members: list[Member] = []
        for group in members.split(";"):
            kind, *names = group.split()
            code, _, count = kind.rstrip("]").partition("[")
            self.members += [Member(member, code, int(count or 0)) for member in names]
        self._struct = struct.Struct("<" + "".join(member.format for member in self.members))

    @property
    def size(self) -> int:
        """Bytes of one record."""
        return self._struct.size

    def offsets(self) -> dict[str, int]:
        """Offset in bytes of each member."""
        result: dict[str, int] = {}
        place = 0
        for member in self.members:
            result[member.name] = place
            place += struct.calcsize("<" + member.format)
        return result

    def pack(self, **values: int | bytes | Iterable[int]) -> bytes:
        """One record; members not given are 0. TypeError for an unknown one."""
        numbers: list[int | bytes] = []
        for member in self.members:
            value = values.pop(member.name, 0 if not member.count else b"" if member.code == "s" else ())
            if isinstance(value, int | bytes):
                numbers.append(value)
            else:
                items = list(value)
                numbers += items + [0] * (member.count - len(items))
        if values:
            raise TypeError(f"{self.name} has no member {', '.join(values)}")
        return self._struct.pack(*numbers)

    def unpack(self, data: bytes, offset: int = 0) -> dict[str, int | bytes | tuple[int, ...]]:
        """One record by member name; arrays are tuples."""
        numbers = list(self._struct.unpack_from(data, offset))
        result: dict[str, int | bytes | tuple[int, ...]] = {}
        for member in self.members:
            if member.count and member.code != "s":
                result[member.name] = tuple(numbers[: member.count])
                del numbers[: member.count]
            else:
                result[member.name] = numbers.pop(0)
        return result


PackHeader = Record(
    "PackHeader",
    "I magic version; s[32] digest; I arch_name host_level; I[4] root; B[4] unit_bytes unit_big_endian;"
    "I pc_shift address_bits state_bytes flag_count flag_offset context_count; I[4] context_name;"
    "I undefined_exception image_bytes enter; I[7] image_reserved;"
    "I head_poll head_none exit_direct exit_head undefined icache_coherent head_count count_down;"
    "s[32] stencil_digest; I[4] follows; B[4] unit_piece; I reserved",
)
DecodeNode = Record("DecodeNode", "B shift bits; H reserved; I first_child")
Candidate = Record("Candidate", "Q mask value inputs; I encoding guard last here")
EncodingRec = Record("EncodingRec", "I name shape_root; Q features; I guard_root; I[4] next; I guarded")
TermRec = Record("TermRec", "Q mask sign; q factor; I from reserved")
#: The members of its term are called as in C++: `term.mask`.
FormRec = Record(
    "FormRec",
    "B kind more_count; H reserved; I first count more;"
    "Q term.mask term.sign; q term.factor; I term.from term.reserved; q add; Q here_mask",
)
ProgOp = Record("ProgOp", "B op reserved; H a b c; i imm")
ShapeNode = Record("ShapeNode", "I form; i low; I count first_child")
HoleRec = Record("HoleRec", "I mask sign factor add; H table offset; B from count insn reserved")
#: Holes that are filled at a time.
HOLE_GROUP = 3
#: The holes of its first group are packed by themselves.
StencilRec = Record(
    "StencilRec",
    "I code first_hole first_reloc first_fuse dead writes live_before; I[2] exit_target;"
    "H size exit_offset fuse_count hole_count attributes;"
    "B hole_groups other_count jump_count exit_count insns; B[2] exit_way; B tail lead lead_bytes; s[72] holes",
)
RelocRec = Record("RelocRec", "H offset; B kind insn; I value; i addend")
FuseRec = Record("FuseRec", "I first second fused")
SyncRec = Record("SyncRec", "I stencil synced")
RegRec = Record("RegRec", "I name offset count; H width stride")
ExcRec = Record("ExcRec", "I name argument_count")
CpuRec = Record("CpuRec", "I name; I[2] feature_mask; I first_reset reset_count")
ResetRec = Record("ResetRec", "I reg index; Q value")
KvRec = Record("KvRec", "I key value")
CpuHeader = Record(
    "CpuHeader",
    "I poll exit_reason; Q pc exit_slot; I exception host_fp; Q[4] exc_args context;"
    "I fp_extra fp_mode; Q owner; Q[2] runtime; Q retired; Q[15] reserved",
)
#: Offsets of the members of the CPU state's first 256 bytes.
CPU = CpuHeader.offsets()

RECORDS = (
    PackHeader, DecodeNode, Candidate, EncodingRec, TermRec, FormRec, ProgOp, ShapeNode, HoleRec, StencilRec,
    RelocRec, FuseRec, SyncRec, RegRec, ExcRec, CpuRec, ResetRec, KvRec, CpuHeader,
)  # fmt: skip


class ProgOpCode(IntEnum):
    CONST = 0
    CONST64 = 1
    ADD = 2
    SUB = 3
    MUL = 4
    DIV = 5
    MOD = 6
    NEG = 7
    INV = 8
    AND = 9
    OR = 10
    XOR = 11
    SHL = 12
    SHR = 13
    USHR = 14
    EQ = 15
    NE = 16
    LT = 17
    LE = 18
    ULT = 19
    ULE = 20
    SELECT = 21
    BITS = 22
    SBITS = 23
    LOG2 = 24
    POPCOUNT = 25
    TABLE = 26
    FORM = 27
    CONTEXT = 28


class FormKind(IntEnum):
    SUM = 0
    CHOICE = 1
    PROGRAM = 2


class ExitWay(IntEnum):
    UNUSED = 0
    FIELD = 1
    TAIL = 2
    TRAMPOLINE = 3


class Attribute(IntFlag):
    """StencilAttributes."""

    NONE = 0
    ENDS_BLOCK = 1
    FALLS_THROUGH = 2
    FAULTS = 4
    INDIRECT = 8
    SYNCS = 16
    HAS_EXIT = 32
    ONLY_HOLES = 64
    GUARD = 128
    GUARDED = 256
    SAYS_NEXT = 512
    RAISES = 1024
    FALLS_BY_EXIT = 2048


class EdgeBit(IntFlag):
    """EdgeBits, without the register."""

    NONE = 0
    EDGE = 16
    WHOLE = 32
    NARROWED = 64
    COMMUTES = 128


class RelocKind(IntEnum):
    ABS32S = 0
    ABS32 = 1
    ABS64 = 2
    ABS8 = 3
    NEXT = 4
    EXIT = 5
    IMAGE = 6
    SKIP = 7


class ExitReason(IntEnum):
    LOOKUP = 0
    DIRECT = 1
    EXCEPTION = 2
    SYNC = 3
    LEFT = 4
    HEAD = 5


EXIT_KINDS = {"plain": 0, "call": 1, "return": 2}
