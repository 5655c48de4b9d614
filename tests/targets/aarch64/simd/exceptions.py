"""Where floating-point and AdvSIMD instructions differ from Capstone 5.0.9, with reasons."""

from __future__ import annotations

import re

from tests.targets.harness.text import Exempt

#: What Capstone knows and is not described, by the feature that brings it.
NOT_HERE = {
    "FEAT_MOPS": r"(cpy|set)\w+ .*",
}
_NOT_HERE = re.compile("|".join(f"(?:{pattern})" for pattern in NOT_HERE.values()))


def _not_here(ours: str | None, theirs: str | None) -> bool:
    return ours is None and theirs is not None and _NOT_HERE.fullmatch(theirs) is not None


EXEMPT: tuple[Exempt, ...] = (Exempt(0, 0, "instructions of later versions (NOT_HERE)", _not_here),)
