"""Where the programs under test are: beside the Python that runs the tests, or what `PYQEMU_USER` says."""

from __future__ import annotations

import os
import shutil
import sysconfig
from pathlib import Path


def pyqemu_user() -> Path:
    """The native `pyqemu-user`; raises if it has not been built."""
    named = os.environ.get("PYQEMU_USER")
    if named:
        return Path(named).resolve(strict=True)
    found = shutil.which("pyqemu-user", path=sysconfig.get_path("scripts")) or shutil.which("pyqemu-user")
    if not found:
        raise FileNotFoundError("pyqemu-user is not installed; see README.md, or set PYQEMU_USER")
    return Path(found).resolve()
