"""Where floating-point and AdvSIMD instructions differ from Capstone 5.0.9, with reasons."""

from __future__ import annotations

import re

from tests.targets.harness.text import Exempt

#: What Capstone knows and is not described, by the feature that brings it.
NOT_HERE = {
    "FEAT_FCMA": r"fc(mla|add) .*",
    "FEAT_FHM": r"fml[as]l2? .*",
    "FEAT_BF16": r"bf\w+ .*",
    "FEAT_FRINTTS": r"frint(32|64)[xz] .*",
    "FEAT_JSCVT": r"fjcvtzs .*",
    "FEAT_SM3, FEAT_SM4": r"sm[34]\w+ .*",
    "FEAT_MOPS": r"(cpy|set)\w+ .*",
}
_NOT_HERE = re.compile("|".join(f"(?:{pattern})" for pattern in NOT_HERE.values()))


def _not_here(ours: str | None, theirs: str | None) -> bool:
    return ours is None and theirs is not None and _NOT_HERE.fullmatch(theirs) is not None


EXEMPT: tuple[Exempt, ...] = (Exempt(0, 0, "instructions of later versions (NOT_HERE)", _not_here),)
