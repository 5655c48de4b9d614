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


class AssemblyError(Exception):
    """A line of assembly that is no instruction: the user's mistake. `column` counts from 1."""

    def __init__(self, line: str, column: int, message: str, advice: str = "") -> None:
        super().__init__(line, column, message, advice)
        self.line = line
        self.column = column
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        """`column: message`, the line with a caret below, and the advice."""
        text = [f"column {self.column}: {self.message}", f"  {self.line}", "  " + " " * (self.column - 1) + "^"]
        if self.advice:
            text.append(f"  {self.advice}")
        return "\n".join(text)
