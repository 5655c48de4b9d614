"""Tables of a pack in the making."""

from __future__ import annotations

from collections.abc import Sequence


class Pool:
    """Runs of equal-sized records; equal runs are held once."""

    def __init__(self) -> None:
        self.items: list[bytes] = []
        self._known: dict[tuple[bytes, ...], int] = {}

    def add(self, run: Sequence[bytes]) -> int:
        """Index of the run's first record."""
        if not run:
            return 0
        key = tuple(run)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = len(self.items)
            self.items += run
        return known

    @property
    def data(self) -> bytes:
        return b"".join(self.items)
