"""Random regions: the interpreter, baseline code and optimised code have to agree on all that a guest can see.

    PYQEMU_TEST_CODE=0x50000000 python -m tests.targets.arm.regions --count 1000 --seed 7

Guest memory has to be in the low 4 GiB. Prints what was run and each failure as the least program that has it; ends
with status 1 if there was one. `--first N` goes on where an earlier run of the same seed ended.
"""

from __future__ import annotations

import sys

from tests.regions.command import run
from tests.targets.arm.regions.subject import workbench

if __name__ == "__main__":
    sys.exit(run(__doc__ or "", workbench))
