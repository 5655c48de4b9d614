"""The order of passes over an instruction, and running passes (by_name.py has their names)."""

from __future__ import annotations

from collections.abc import Iterable

from pyqemu.translator.errors import VerifyError
from pyqemu.translator.ir.function import Function
from pyqemu.translator.ir.verifier import verify
from pyqemu.translator.passes.copyprop import CopyProp
from pyqemu.translator.passes.dce import Dce
from pyqemu.translator.passes.dead_state import DeadState
from pyqemu.translator.passes.fold import Fold
from pyqemu.translator.passes.forward_state import ForwardState
from pyqemu.translator.passes.rewrite import Pass
from pyqemu.translator.passes.simplify_cfg import SimplifyCfg

#: What an instruction's meaning goes through before code is made of it.
PIPELINE: tuple[Pass, ...] = (
    Fold(),
    SimplifyCfg(),
    ForwardState(),
    CopyProp(),
    Fold(),
    SimplifyCfg(),
    DeadState(),
    Dce(),
)


def run_passes(function: Function, passes: Iterable[Pass] = PIPELINE, check: bool = False) -> bool:
    """Runs `passes` in turn, and the verifier after each if `check`; whether anything changed."""
    changed = False
    for one in passes:
        changed |= one.run(function)
        if check:
            try:
                verify(function)
            except VerifyError as error:
                raise VerifyError(f"after {one}: {error}") from error
    return changed
