"""Requests as pyqemu-user writes them (docs/archive.md, "Requests")."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pyqemu.tools.files import read_regular

SUFFIX = ".request"
#: A request whose module was not found: whoever sent it may give that file, as `modules` says.
UNFOUND = ".unfound"
_FIRST_LINE = "pyqemu-request 1"
_MOST_BYTES = 1 << 20
_MOST_HOT = 4096
_CONTEXT_VALUES = 4
_DIGEST_BYTES, _KEY_BYTES = 32, 16
_NUMBER = re.compile("[0-9a-f]{1,16}")


class BadRequest(Exception):
    """A request that cannot be answered; says why."""


class Unfound(BadRequest):
    """One whose module is not at the path that it says."""


@dataclass(frozen=True, slots=True)
class Request:
    """Hot code of one module: `digest` is the pack's, `features` the CPU model's mask; `offsets` are module offsets."""

    digest: bytes
    features: int
    context: tuple[int, ...]
    module_key: bytes
    module: Path
    offsets: tuple[int, ...]


def read_request(path: Path) -> Request:
    """The request in a file. Raises BadRequest, OSError."""
    data = read_regular(path, _MOST_BYTES, follow=False)
    try:
        return parse_request(data.decode("utf-8", "surrogateescape"))
    except ValueError as error:
        raise BadRequest(f"not a request: {error}") from error


def parse_request(text: str) -> Request:
    """The request that a file's contents are. Raises ValueError."""
    first, *lines = text.removesuffix("\n").split("\n")  # a path may have all that splitlines() takes for an end
    if first != _FIRST_LINE:
        raise ValueError(f"begins with {first[:40]!r}")
    values: dict[str, str] = {}
    offsets: list[int] = []
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "hot":
            offsets.append(_number(rest))
        else:
            values[word] = rest
    if missing := {"digest", "features", "context", "module"} - values.keys():
        raise ValueError(f"no {', '.join(sorted(missing))}")
    key, _, name = values["module"].partition(" ")
    context = tuple(map(_number, values["context"].split()))
    if len(context) > _CONTEXT_VALUES or len(offsets) > _MOST_HOT or not name.startswith("/"):
        raise ValueError("too much of something, or the module's path is not absolute")
    digest, module_key = _bytes(values["digest"], _DIGEST_BYTES), _bytes(key, _KEY_BYTES)
    features = _number(values["features"])
    return Request(digest, features, context, module_key, Path(name), tuple(dict.fromkeys(offsets)))


def _number(text: str) -> int:
    """A number of 64 bits at most, in hex."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not a number")
    return int(text, 16)


def _bytes(text: str, size: int) -> bytes:
    data = bytes.fromhex(text)
    if len(data) != size:
        raise ValueError(f"{text[:80]!r} has not {size} bytes")
    return data
