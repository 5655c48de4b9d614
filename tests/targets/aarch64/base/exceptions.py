"""Where the base instructions differ from Capstone 5.0.9 and QEMU 10.0, with reasons."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.targets.aarch64.harness.machine import State
from tests.targets.harness.compare import Oracle
from tests.targets.harness.text import Exempt

#: Mnemonics that Capstone knows and that are not described, by the feature that brings them.
NOT_HERE = {
    "FEAT_PAuth": r"pac\w+|aut\w+|xpac\w+|ldra[ab]|br[ab]\w+|blra\w+|reta[ab]|ereta[ab]",
    "FEAT_MTE": r"addg|subg|subps?|cmpp|irg|gmi|st2?z?2?g|ldg|ldgm|stz?gm|stgp",
    "FEAT_MOPS": r"cpyf?[pme]\w*|setg?[pme]\w*",
    "FEAT_LS64": r"ld64b|st64bv?0?",
    "FEAT_TME": r"tstart|ttest|tcommit|tcancel",
    "FEAT_WFxT": r"wfet|wfit",
    "FEAT_SME": r"smstart|smstop",
    "FEAT_SPECRES": r"cfp|dvp|cpp",
    "registers and operations that EL0 may not use": r"mrs|msr|sysl?|at|dc|ic|tlbi|dcps[123]",
}
_NOT_HERE = re.compile("|".join(f"(?:{pattern})" for pattern in NOT_HERE.values()))


def _not_here(ours: str | None, theirs: str | None) -> bool:
    return ours is None and theirs is not None and _NOT_HERE.fullmatch(theirs.split()[0]) is not None


def _rejected(ours: str | None, theirs: str | None) -> bool:
    return theirs is None


def _says(start: str) -> Callable[[str | None, str | None], bool]:
    return lambda _, theirs: theirs is not None and theirs.startswith(start)


EXEMPT: tuple[Exempt, ...] = (
    Exempt(0, 0, "instructions of later versions, or not for EL0 (NOT_HERE)", _not_here),
    Exempt(0x3B200C00, 0x38000800, "Capstone takes LDTR with Rn = Rt for a write-back form", _rejected),
    Exempt(
        0xFFC00000,
        0xF9800000,
        "Capstone prints nothing for a prefetch operation without a name",
        _says("prfm ,"),
    ),
    Exempt(0xFFE00C00, 0xF8800000, "likewise PRFUM", _says("prfum ,")),
    Exempt(0xFFE00C00, 0xF8A00800, "likewise PRFM (register)", _says("prfm ,")),
    Exempt(0xFF000000, 0xD8000000, "likewise PRFM (literal)", _says("prfm ,")),
    Exempt(0xFFFFFFE0, 0xD50B7D20, "Capstone has no name for DC CVADP", _says("sys ")),
    Exempt(0xFFFFF3FF, 0xD503323F, "FEAT_XS: DSB with nXS", _says("dsb ")),
    Exempt(0xFFFFFFFF, 0xD5033C9F, "DFB is Armv8-R's", _says("dfb")),
)



def _at_the_last_byte(state: State, word: int) -> bool:
    base = word >> 5 & 31
    return (state.sp if base == 31 else state.x[base]) == (1 << 64) - 1


def _misaligned(state: State, word: int) -> bool:
    base, offset = word >> 5 & 31, (word >> 12 & 511 ^ 256) - 256
    return ((state.sp if base == 31 else state.x[base]) + offset) % (1 << (word >> 30)) != 0


#: Mistakes of QEMU's user mode, and where it goes another way that is allowed.
ORACLE: tuple[Oracle, ...] = (
    Oracle(0x3F200C00, 0x19000000, "QEMU's max has LSE2: within 16 bytes nothing is misaligned", _misaligned),
    Oracle(
        0xFFFFFFE0,
        0xD53BE000,
        "QEMU gives 0 for CNTFRQ_EL0, though CNTVCT_EL0 counts at 62.5 MHz",
        register=lambda word: word & 31,
    ),
    Oracle(0xFFFFFFE0, 0xD51B4400, "QEMU keeps FPCR.Len and Stride, which AArch64 state does not use"),
    Oracle(
        0x3FC00000,
        0x08000000,
        "QEMU marks an open monitor by the address 2^64 - 1: a store-exclusive there goes on and faults",
        _at_the_last_byte,
    ),
)
