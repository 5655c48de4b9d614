"""Passes by name, with their options as text: `defer_flags{flags=NF;ZF}, promote_state, dce{loads}`.

Passes are parted by commas. Options stand in braces, parted by blanks: the name of a field of the pass, and its values
parted by semicolons; an option that is on or off is given by its name alone. `pipeline` stands for `pipeline.PIPELINE`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pyqemu.translator.passes.const_prop import ConstProp
from pyqemu.translator.passes.copyprop import CopyProp
from pyqemu.translator.passes.cse import Cse
from pyqemu.translator.passes.dce import Dce
from pyqemu.translator.passes.dead_state import DeadState
from pyqemu.translator.passes.defer_flags import DeferFlags
from pyqemu.translator.passes.defer_results import DeferResults
from pyqemu.translator.passes.fold import Fold
from pyqemu.translator.passes.forward_state import ForwardState
from pyqemu.translator.passes.pipeline import PIPELINE
from pyqemu.translator.passes.promote_state import PromoteState
from pyqemu.translator.passes.rewrite import Pass
from pyqemu.translator.passes.simplify_cfg import SimplifyCfg
from pyqemu.translator.passes.unroll import Unroll
from pyqemu.translator.passes.zero_tests import ZeroTests

#: Passes by the names that tests and tools use.
PASSES: Mapping[str, Any] = {
    "const_prop": ConstProp,
    "copyprop": CopyProp,
    "cse": Cse,
    "dce": Dce,
    "dead_state": DeadState,
    "defer_flags": DeferFlags,
    "defer_results": DeferResults,
    "fold": Fold,
    "forward_state": ForwardState,
    "promote_state": PromoteState,
    "simplify_cfg": SimplifyCfg,
    "unroll": Unroll,
    "zero_tests": ZeroTests,
}
_NAMES = {cls: name for name, cls in PASSES.items()}
_ITEM = re.compile(r"\s*(?P<name>[^\s,{}]+)\s*(?:\{(?P<options>[^{}]*)\})?\s*(?:,|\Z)")


class PassSyntaxError(ValueError):
    """Text that is no list of passes; says what is wrong with it."""


def parse_passes(text: str) -> tuple[Pass, ...]:
    """The passes that `text` lists; raises PassSyntaxError."""
    passes: list[Pass] = []
    place = 0
    while text[place:].strip():
        item = _ITEM.match(text, place)
        if item is None:
            raise PassSyntaxError(f"a pass expected at {text[place:].strip()!r}")
        passes += _passes(item["name"], item["options"] or "")
        place = item.end()
    return tuple(passes)


def name_of(one: Pass) -> str:
    """A pass's name."""
    return _NAMES[type(one)]


def pass_text(one: Pass) -> str:
    """A pass as `parse_passes` reads it; options that have their defaults are left out."""
    options = [_option_text(field, getattr(one, field.name)) for field in _fields(type(one))]
    shown = " ".join(option for option in options if option)
    return name_of(one) + (f"{{{shown}}}" if shown else "")


def passes_text(passes: Iterable[Pass]) -> str:
    """Passes as `parse_passes` reads them."""
    return ", ".join(map(pass_text, passes))


def _fields(cls: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(cls)


def _option_text(field: dataclasses.Field[Any], value: Any) -> str:
    if value == field.default:
        return ""
    return field.name if value is True else f"{field.name}={';'.join(value)}"


def _passes(name: str, options: str) -> Iterable[Pass]:
    if name == "pipeline" and not options:
        return PIPELINE
    if name not in PASSES:
        raise PassSyntaxError(f"no pass {name!r}; there are {', '.join(PASSES)}")
    return (PASSES[name](**dict(_option(name, option) for option in options.split())),)


def _option(name: str, option: str) -> tuple[str, Any]:
    """`dead=N;Z` or `loads` as a field of the pass and its value."""
    key, has_value, value = option.partition("=")
    field = next((field for field in _fields(PASSES[name]) if field.name == key), None)
    if field is None:
        raise PassSyntaxError(f"no option {key!r} of {name}; {_known(name)}")
    is_switch = isinstance(field.default, bool)
    if is_switch == bool(has_value):
        raise PassSyntaxError(f"option {key!r} of {name} {'takes no value' if is_switch else 'wants a value'}")
    return key, True if is_switch else tuple(value.split(";"))


def _known(name: str) -> str:
    options = [field.name for field in _fields(PASSES[name])]
    return f"it has {', '.join(options)}" if options else "it has none"
