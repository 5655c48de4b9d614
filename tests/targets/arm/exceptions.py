"""Where 32-bit Arm differs from Capstone 5.0, LLVM 19 and QEMU 10.0, with reasons."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.targets.arm.harness.machine import State
from tests.targets.arm.harness.text import THUMB
from tests.targets.harness.compare import Oracle
from tests.targets.harness.machine import PAGE
from tests.targets.harness.text import Exempt


def _across(words: int, state: State, word: int) -> bool:
    """Whether a load of so many words begins in one page and ends in another."""
    base, size = state.r[word >> 16 & 15], 4 * words
    first = base if word >> 23 & 1 else base - size
    return first // PAGE != (first + size + 4) // PAGE


def _ldm_across(state: State, word: int) -> bool:
    return _across((word & 0xFFFF).bit_count(), state, word)


def _vldm_across(state: State, word: int) -> bool:
    return _across(word & 0xFF, state, word)


def _vld_across(state: State, word: int) -> bool:
    base = state.r[word >> 16 & 15]
    return base // PAGE != (base + 31) // PAGE


def _t16_across(state: State, word: int) -> bool:
    base = state.r[13 if word >> 12 == THUMB >> 12 | 0xB else word >> 8 & 7]
    return base // PAGE != (base + 4 * (word & 0x1FF).bit_count()) // PAGE


#: Mistakes of QEMU's user mode, and where it goes another way that is allowed.
ORACLE: tuple[Oracle, ...] = (
    Oracle(0x10000FFFF, 0x10000DE01, "a breakpoint of Linux, which raises SIGTRAP"),
    Oracle(0x1FFFFFFFF, 0x1F7F0A000, "likewise"),
    Oracle(0x10000F800, 0x10000C800, "an LDM of T16 that faults half way", _t16_across),
    Oracle(0x10000FE00, 0x10000BC00, "likewise a POP", _t16_across),
    Oracle(0x10E100000, 0x08100000, "an LDM that faults half way: QEMU has loaded registers; UNKNOWN", _ldm_across),
    Oracle(0x1FE500000, 0x1E8100000, "likewise of T32", _ldm_across),
    Oracle(0x0E100E00, 0x0C100A00, "likewise a VLDM", _vldm_across),
    Oracle(0x1FF300000, 0x0F4200000, "likewise a VLD1 or its kin", _vld_across),
    Oracle(0x1FF300000, 0x1F9200000, "likewise of T32", _vld_across),
)


def _not_for_el0(ours: str | None, theirs: str | None) -> bool:
    return ours is None and theirs is not None


def _rejected(ours: str | None, theirs: str | None) -> bool:
    return theirs is None


def _says(part: str) -> Callable[[str | None, str | None], bool]:
    return lambda _, theirs: theirs is not None and part in theirs


def _negative(ours: str | None, theirs: str | None) -> bool:
    return ours is not None and ("#-" in ours or ours.endswith(", #0"))


def _beyond_last(ours: str | None, theirs: str | None) -> bool:
    return ours is not None and re.search(r"\bd3[2-9]\b", ours) is not None


def _cut(ours: str | None, theirs: str | None) -> bool:
    return ours is not None and (theirs is None or ours.startswith(theirs[:-1]))


#: What Capstone does not know, in A32 and T32. test_assemble.py has lines of these.
_LATER: tuple[Exempt, ...] = (
    Exempt(0xFF300F10, 0xFC200810, "VFMAL and VFMSL"),
    Exempt(0xFFA00F10, 0xFE000810, "likewise by scalar"),
    Exempt(0xFFB00F10, 0xFCA00D00, "VUSDOT"),
    Exempt(0xFFB00F00, 0xFE800D00, "VUSDOT and VSUDOT by element"),
    Exempt(0xFF300F40, 0xFC200C40, "VSMMLA and its kin"),
)
#: Words whose text or validity differs from Capstone's.
EXEMPT: tuple[Exempt, ...] = (
    *_LATER,
    Exempt(0xFFFFFFFF, 0xF57FF070, "SB", _rejected),
    Exempt(0x0FB000F0, 0x01000000, "SPSR is not EL0's", _not_for_el0),
    Exempt(0x0FF000F0, 0x01600000, "likewise", _not_for_el0),
    Exempt(0x0FF00000, 0x03600000, "likewise", _not_for_el0),
    Exempt(0xFFFFFFFF, 0xF57FF04C, "DFB is Armv8-R's", _says("dfb")),
    Exempt(0x0FFFFFFF, 0x0320F012, "TSB CSYNC has no name in Armv8.0", _says("tsb")),
    Exempt(0x0FE00070, 0x07C00010, "UNPREDICTABLE: BFI with its last bit below its first", _negative),
    Exempt(0x0FF01CF0, 0x01B01C90, "UNPREDICTABLE: LDREXD of an odd register; Capstone prints the even one"),
    Exempt(0x0FF00CF1, 0x01A00C91, "likewise STREXD"),
    Exempt(0x0FB000F0, 0x01000090, "Armv8 leaves out SWP; Linux has it nevertheless", _rejected),
    Exempt(0x0E000E00, 0x0C000A00, "UNPREDICTABLE: VLDM beyond the last register; FLDMX with d16 and more", _cut),
    Exempt(0x0FBA0EC0, 0x0EBA0AC0, "UNPREDICTABLE: VCVT with less than no bits after the point", _negative),
    Exempt(0x0FBA0ED0, 0x0EBA0A40, "likewise", _negative),
    Exempt(0x0FBA0FC0, 0x0EBA09C0, "likewise of half precision", _negative),
    Exempt(0x0FBA0FD0, 0x0EBA0940, "likewise", _negative),
    Exempt(0x0E10FF10, 0x0E10FF10, "UNPREDICTABLE: MRC to the PC", _says("apsr_nzcv")),
    Exempt(0xFFB00010, 0xF2B00000, "VEXT by bytes; Capstone writes the largest element that fits", _says("vext")),
    Exempt(0xFFB00C10, 0xF3B00800, "UNPREDICTABLE: VTBL beyond the last register", _beyond_last),
    Exempt(0xFF100000, 0xF4000000, "likewise VLD1 and its kin", _beyond_last),
)
#: The same of T16 and T32, whose words of coprocessors are those of A32.
EXEMPT_THUMB: tuple[Exempt, ...] = (
    *_LATER,
    Exempt(0xFFFFFFFF, 0xF3BF8F70, "SB", _rejected),
    *(exempt for exempt in EXEMPT if exempt.mask >> 28 == 0 and exempt.value >> 24 & 0xF >= 0xC),
    Exempt(0xFFB00010, 0xEFB00000, "VEXT by bytes; Capstone writes the largest element that fits", _says("vext")),
    Exempt(0xFFB00C10, 0xFFB00800, "UNPREDICTABLE: VTBL beyond the last register", _beyond_last),
    Exempt(0xFF100000, 0xF9000000, "likewise VLD1 and its kin", _beyond_last),
    Exempt(0xFFFFFF78, 0x00004468, "Capstone has the operands of ADD of SP the other way round", _says("add")),
    Exempt(0xFFFFFFFF, 0x0000DEF9, "a UDF that Capstone does not know", _rejected),
    Exempt(0xFFFFFFFF, 0x0000DEFE, "a UDF that LLVM calls trap", _says("trap")),
    Exempt(0xFE508000, 0xE8008000, "UNPREDICTABLE: STM of the PC; Capstone takes some for an instruction of Armv8"),
    Exempt(0xFFFFFFF0, 0x0000BFF0, "UNPREDICTABLE: IT with condition 15", _says("it")),
    Exempt(0xFFF0F000, 0xE840F000, "UNPREDICTABLE: STREX of the PC, which is TT of Armv8-M to Capstone", _says("tt")),
    Exempt(0xFFFFFFFF, 0xF3AF8012, "TSB CSYNC has no name in Armv8.0", _says("tsb")),
    Exempt(0xFFFFFFFF, 0xF3BF8F4C, "DFB is Armv8-R's", _says("dfb")),
    Exempt(0xFFF00000, 0xF3F00000, "SPSR is not EL0's", _not_for_el0),
    Exempt(0xFFF00000, 0xF3900000, "likewise", _not_for_el0),
    Exempt(0xFFF00000, 0xF3600000, "UNPREDICTABLE: BFI with its last bit below its first", _negative),
    Exempt(0xFFFFF600, 0x0000B400, "PUSH and POP of one register are written as STMDB and LDM", _says("p")),
)
