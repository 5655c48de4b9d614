"""The order of passes over regions."""

from __future__ import annotations

from collections.abc import Sequence

from pyqemu.translator.lift.region import Region
from pyqemu.translator.passes.dce import Dce
from pyqemu.translator.passes.defer_flags import DeferFlags, made_together
from pyqemu.translator.passes.defer_results import DeferResults
from pyqemu.translator.passes.promote_state import PromoteState
from pyqemu.translator.passes.rewrite import Pass
from pyqemu.translator.passes.simplify_cfg import SimplifyCfg
from pyqemu.translator.passes.unroll import Unroll
from pyqemu.translator.passes.zero_tests import ZeroTests
from pyqemu.translator.target import Register


def region_pipeline(region: Region, registers: Sequence[Register]) -> tuple[Pass, ...]:
    """What a lifted region goes through before code is made of it.

    Flags are deferred in loops only: elsewhere it costs a tenth more code, at exits and landings, and wins nothing.
    """
    flags = made_together(region.function, [register.name for register in registers if register.is_flag])
    deferred = flags if region.loops and not set(flags) & set(region.shared) else ()
    return (
        SimplifyCfg(),
        Unroll(),
        DeferFlags(deferred),
        PromoteState((*region.shared, *deferred), write_through=True),
        ZeroTests(),
        DeferResults(),
        Dce(),
    )
