"""What pyqemu's commands have in common: how they read their options, and what they say of mistakes and bugs."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import NoReturn

from pyqemu.translator.cpu_models import UnknownModelError, cpu_model
from pyqemu.translator.target import CpuModel, Target

MISTAKE, BUG, INTERRUPTED = 1, 2, 130


class Mistake(Exception):
    """Something that the user has to put right; says what, in one line."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and exits with 1: 2 is for mistakes of pyqemu."""

    def error(self, message: str) -> NoReturn:
        self.exit(MISTAKE, f"{self.prog.split()[0]}: {message}; see {self.prog} --help\n")


def carry_out(
    name: str, given: Sequence[str], action: Callable[[], int], mistakes: tuple[type[Exception], ...] = (Mistake,)
) -> int:
    """The exit status of command `name`: that of `action`, or 1 for one of the user's `mistakes`, which is said in one
    line. Anything else that is raised is pyqemu's, and shown with the arguments `given`.
    """
    try:
        status = action()
        sys.stdout.flush()
    except mistakes as error:
        print(f"{name}: {error}", file=sys.stderr)
        return MISTAKE
    except BrokenPipeError:  # whoever reads has seen enough; nothing is to be said at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return MISTAKE
    except OSError as error:
        print(f"{name}: {error.filename or 'stdout'}: {error.strerror}", file=sys.stderr)
        return MISTAKE
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception:
        traceback.print_exc()
        print(f"{name}: this is a bug of pyqemu; please report it with the text above and", file=sys.stderr)
        print(f"  the arguments: {given}", file=sys.stderr)
        return BUG
    return status


def number(text: str, where: str) -> int:
    """A number that is not negative, as C writes it. Raises Mistake."""
    try:
        value = int(text, 0)
    except ValueError:
        raise Mistake(f"{where}: {text!r} is no number") from None
    if value < 0:
        raise Mistake(f"{where}: {text} is negative")
    return value


def context_of(target: Target, given: Sequence[str]) -> dict[str, int]:
    """All context variables, from `--ctx NAME=VALUE`; those not given are 0. Raises Mistake."""
    values = {variable.name: 0 for variable in target.context}
    widths = {variable.name: variable.width for variable in target.context}
    for text in given:
        name, _, value = text.partition("=")
        if name not in values:
            raise Mistake(f"--ctx {text}: no context variable {name!r}; there are {', '.join(values) or 'none'}")
        values[name] = number(value, f"--ctx {text}")
        if values[name] >> widths[name]:
            raise Mistake(f"--ctx {text}: {name} has {widths[name]} bits")
    return values


def model_of(target: Target, name: str | None) -> CpuModel:
    """The CPU model that `--cpu` names, the first one if it is None. Raises Mistake.

    A description without models has one without a name and without features.
    """
    if not target.cpus:
        if name is not None:
            raise Mistake(f"--cpu {name}: the description has no CPU models")
        return CpuModel("", frozenset(), ())
    try:
        return cpu_model(target, name)
    except UnknownModelError as error:
        raise Mistake(f"--cpu {error}") from None
