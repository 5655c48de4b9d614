"""The commands that run cases."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from tests.guests import debian
from tests.paths import pyqemu_user
from tests.targets.harness.machine import Architecture, S, build_runner


def emulators(
    architecture: Architecture[S], folder: Path, guest: str, qemu_cpu: str, our_cpu: str | None
) -> dict[str, list[str]]:
    """Commands by name: QEMU for `guest`, and pyqemu-user with `our_cpu` if it is there.

    Skips the test without a cross compiler.
    """
    try:
        runner = str(build_runner(architecture, folder))
    except FileNotFoundError as error:
        pytest.skip(str(error))
    found = {"QEMU": [str(debian.qemu(guest)), "-cpu", qemu_cpu, runner]}
    if our_cpu is None:
        return found
    with contextlib.suppress(FileNotFoundError):
        found["pyqemu-user"] = [str(pyqemu_user()), "-cpu", our_cpu, runner]
    return found
