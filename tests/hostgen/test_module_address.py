"""Which decode-time values are addresses of a module."""

from __future__ import annotations

import pytest

from pyqemu.hostgen.module_address import offset_of
from pyqemu.translator.static import Here, StaticExpr, apply

PLACE = apply("add", Here(), 0x1236)


@pytest.mark.parametrize(
    ("expr", "offset"),
    [
        (Here(), 0), (PLACE, 0x1236), (apply("and", PLACE, -4), 0x1234), (apply("and", PLACE, -8192), None),
        (apply("or", PLACE, 1), 0x1237), (apply("or", PLACE, 4096), None), (apply("or", PLACE, -1), None),
        (apply("mul", PLACE, 3), None), (7, None),
    ],
)  # fmt: skip
def test_offsets(expr: StaticExpr, offset: int | None) -> None:
    """A module begins at a multiple of 4096: low bits can be cleared and set."""
    assert offset_of(expr) == offset
