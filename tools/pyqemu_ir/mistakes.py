"""The user's mistakes."""

from __future__ import annotations


class Mistake(Exception):
    """Something that the user has to put right; says what, in one line."""
