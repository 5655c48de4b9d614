"""The errors that the translator raises; each says whose mistake it is."""

from __future__ import annotations


class UnsupportedError(Exception):
    """Something that pyqemu does not do yet; names the feature."""


class VerifyError(Exception):
    """IR that breaks the rules of the operation table: always a bug of pyqemu."""


class IrSyntaxError(Exception):
    """IR text that cannot be parsed; the message has line and column."""


class GuestFileError(Exception):
    """A guest's file that is not what it claims to be; says what is wrong with it."""
