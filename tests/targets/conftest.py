"""What tests of all architectures share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.regions.area import Area


@pytest.fixture(scope="session")
def area() -> Iterator[Area]:
    """Guest memory at its fixed place, of which a process can have one."""
    from tests.regions.area import Area  # needs the binding, which other tests here do without

    yield Area()
