"""Waiting for what other processes do."""

from __future__ import annotations

import os
import time
from collections.abc import Callable


def patience(seconds: float) -> float:
    """`seconds`, or far more where all code is optimised before it runs (tests/guests/ways.py)."""
    return seconds * (20 if os.environ.get("PYQEMU_JIT") == "sync" else 1)


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Until `condition` holds; AssertionError if that takes too long."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)
