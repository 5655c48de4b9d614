"""Finds the modules that requests are about."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from pyqemu.tools.files import read_regular
from pyqemu.tools.pyqemu_worker.requests import Request, Unfound
from pyqemu.translator.errors import GuestFileError
from pyqemu.translator.lift.module import Module, read_module

#: Bytes of a guest file that is read.
_MOST_BYTES = 1 << 30
#: Modules that are remembered.
_MOST_KEPT = 16


class Modules:
    """A module's file is at the path that the request says; or was given to us in the spool, as `KEY.module`, by a guest
    that sees other files than we do (docs/archive.md).
    """

    def __init__(self, spool: Path) -> None:
        self._spool = spool
        self._given: dict[bytes, Module] = {}

    def find(self, request: Request) -> Module:
        """The module of `request`. Raises Unfound."""
        key = request.module_key
        module = _read(request.module, key) or self._given.get(key)
        if module is not None:
            return module
        copy = self._spool / f"{key.hex()}.module"
        module = _read(copy, key, follow=False)
        if module is None:
            raise Unfound(f"{request.module} is not there, or another file by now")
        self._keep(key, module)
        copy.unlink(missing_ok=True)
        return module

    def _keep(self, key: bytes, module: Module) -> None:
        self._given[key] = module
        if len(self._given) > _MOST_KEPT:
            del self._given[next(iter(self._given))]


def _read(path: Path, key: bytes, *, follow: bool = True) -> Module | None:
    with suppress(OSError, GuestFileError):
        module = read_module(read_regular(path, _MOST_BYTES, follow=follow))
        if module.key == key:
            return module
    return None
