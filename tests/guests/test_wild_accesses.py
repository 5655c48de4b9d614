"""Accesses to addresses that no process of the host can have: the guest is told which, as its kernel would tell it.

No oracle: QEMU tells 0, as the host does.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.guests.architectures import ARCHITECTURES, Architecture
from tests.guests.waiting import patience
from tests.guests.ways import WAYS

SOURCE = Path(__file__).parent / "programs/wild/accesses.c"
#: None has what may be a tag. One byte of the last can be addressed, but is never mapped.
ADDRESSES = (0x8000_0000_0000, 0x71_2345_6789_ABCD, 0x40_0000_0000_0001, 0x7FFF_FFFF_FFFF)
ACCESSES = 18
SIGSEGV, SEGV_MAPERR = 11, 1


@pytest.mark.guest
@pytest.mark.parametrize("way", ["off", "sync"])
@pytest.mark.parametrize("guest", [a for a in ARCHITECTURES.values() if a.bits == 64], ids=str)
def test_wild_accesses(guest: Architecture, way: str, tmp_path: Path) -> None:
    """SIGSEGV, an address that is not mapped, and which: by baseline and by optimised code."""
    program = tmp_path / "accesses"
    subprocess.run([f"{guest.compiler}gcc", "-O2", "-static", SOURCE, "-o", program], check=True)
    (tmp_path / "cache").mkdir(mode=0o700)
    environment = WAYS[way].environment | {"PYQEMU_CACHE": str(tmp_path / "cache")}
    command = [*guest.pyqemu, str(program), *map(hex, ADDRESSES)]
    done = subprocess.run(
        command, capture_output=True, check=True, timeout=patience(60), text=True, env=os.environ | environment
    )
    told = f" {SIGSEGV} {SEGV_MAPERR}"
    assert done.stdout == "".join(f"{f'{told} {address:#x}' * ACCESSES}\n" for address in ADDRESSES)
