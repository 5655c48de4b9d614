"""What a generator drew and made no case of."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Drawn:
    """Words drawn, how many of these were UNPREDICTABLE and drawn again; cases that were dropped, by reason."""

    words: int = 0
    unpredictable: int = 0
    dropped: Counter[str] = field(default_factory=Counter[str])

    def word(self, *, unpredictable: bool) -> None:
        """Counts a word."""
        self.words += 1
        self.unpredictable += unpredictable

    def add(self, other: Drawn) -> None:
        """Adds what another generator drew."""
        self.words += other.words
        self.unpredictable += other.unpredictable
        self.dropped += other.dropped
