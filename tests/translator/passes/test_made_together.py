"""Which flags of a region are deferred."""

from __future__ import annotations

import pytest

from pyqemu.translator.ir.parser import parse_function
from pyqemu.translator.passes.defer_flags import made_together

FLAGS = ("N", "Z", "C", "V", "Q", "FN", "FZ")


@pytest.mark.parametrize(
    ("groups", "deferred"),
    [
        ("", "N Z C V Q FN FZ"),
        ("NZCV", "N Z C V"),
        ("NZCV NZ NZC", "N Z C V"),
        ("NZ ZC CV", "N Z C V"),
        ("NZ NZ Q", "N Z"),
        ("Q NZ Q", "Q"),
        ("Z", "Z"),
    ],
)
def test_made_together(groups: str, deferred: str) -> None:
    """Those that are made at once, or each with some of the others; of several such sets the one that is made most."""
    lines: list[str] = []
    for group in groups.split():
        lines += [f"  write<{flag}> %0" for flag in group]
        lines.append("  write<S[0]> %1")
    text = "func @f {\n^entry:\n  %0:i1 = const<1>\n  %1:i64 = const<0>\n" + "\n".join(lines) + "\n  next\n}\n"
    assert made_together(parse_function(text), FLAGS) == tuple(deferred.split())
