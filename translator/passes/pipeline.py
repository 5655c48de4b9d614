"""The order of passes, and running them by name: `fold; dead_state dead=N,Z; dce`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from pyqemu.translator.errors import VerifyError
from pyqemu.translator.ir.function import Function
from pyqemu.translator.ir.verifier import verify
from pyqemu.translator.passes.copyprop import CopyProp
from pyqemu.translator.passes.dce import Dce
from pyqemu.translator.passes.dead_state import DeadState
from pyqemu.translator.passes.defer_flags import DeferFlags
from pyqemu.translator.passes.fold import Fold
from pyqemu.translator.passes.forward_state import ForwardState
from pyqemu.translator.passes.promote_state import PromoteState
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

#: Passes by the names that tests and tools use.
PASSES: Mapping[str, Any] = {
    "fold": Fold,
    "copyprop": CopyProp,
    "dce": Dce,
    "dead_state": DeadState,
    "defer_flags": DeferFlags,
    "forward_state": ForwardState,
    "promote_state": PromoteState,
    "simplify_cfg": SimplifyCfg,
}


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


def parse_passes(text: str) -> tuple[Pass, ...]:
    """`fold; dead_state dead=N,Z`, or `pipeline`; ValueError for what is no pass or option."""
    passes: list[Pass] = []
    for part in text.split(";"):
        name, *options = part.split()
        if name == "pipeline" and not options:
            passes.extend(PIPELINE)
        elif name in PASSES:
            passes.append(PASSES[name](**dict(_option(PASSES[name], option) for option in options)))
        else:
            raise ValueError(f"no pass {name!r}; there are {', '.join(PASSES)}")
    return tuple(passes)


def _option(cls: Any, option: str) -> tuple[str, Any]:
    """`dead=N,Z` or `loads` as a field of the pass and its value."""
    key, has_value, value = option.partition("=")
    if key not in {field.name for field in dataclasses.fields(cls)}:
        raise ValueError(f"no option {key!r} of {cls.__name__}")
    return key, tuple(value.split(",")) if has_value else True
