"""Where 32-bit Arm differs from Capstone 5.0 and QEMU 10.0, with reasons."""

from __future__ import annotations

from tests.targets.harness.compare import Oracle
from tests.targets.harness.text import Exempt

#: Mistakes of QEMU's user mode, and where it goes another way that is allowed.
ORACLE: tuple[Oracle, ...] = ()

#: Words whose text or validity differs from Capstone's.
EXEMPT: tuple[Exempt, ...] = ()
