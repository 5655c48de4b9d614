"""The records of an archive: Python's copy of runtime/core/archive_format.hpp (a test compares the two).

docs/archive.md says what they mean.
"""

from __future__ import annotations

from enum import IntFlag

from pyqemu.hostgen.pack_format import Record

ARCHIVE_MAGIC = 0x31524151
ARCHIVE_VERSION = 3
MAC_BYTES = 16
#: Context variables that an archive has room for.
CONTEXT_VALUES = 4
#: Text and table begin at multiples of this, in the file and in memory.
PAGE = 4096

ArchiveHeader = Record(
    "ArchiveHeader",
    "I magic version; s[32] digest; s[16] module_key; Q features extent;"
    "I text_bytes support exit_count; I[3] reserved; s[16] support_mac mac",
)
ContextRec = Record("ContextRec", "Q[4] values")
IndexRec = Record("IndexRec", "I guest region")
NO_REGION = 0xFFFFFFFF
RegionRec = Record(
    "RegionRec",
    "I name flags code code_bytes first_entry entry_count first_range range_count first_byte byte_count"
    " first_exit exit_count first_fault fault_count insn_count context; s[16] mac",
)
EntryRec = Record("EntryRec", "I guest code")
RangeRec = Record("RangeRec", "I guest bytes")
ExitRec = Record("ExitRec", "q target; I kind reserved")
FaultRec = Record("FaultRec", "I access landing guest")
PatchRec = Record("PatchRec", "I region offset symbol; i addend")


class RegionFlags(IntFlag):
    """RegionRec.flags."""

    NONE = 0
    USES_SUPPORT = 1


def index_place(guest: int, bits: int) -> int:
    """Which of 2**bits records of the index is the first one to look at for a module offset."""
    return (guest * 0x9E3779B1 & 0xFFFFFFFF) >> (32 - bits)
