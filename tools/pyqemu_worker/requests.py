"""Requests as pyqemu-user writes them (docs/archive.md, "Requests")."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SUFFIX = ".request"
_FIRST_LINE = "pyqemu-request 1"
_MOST_BYTES = 1 << 20


class BadRequest(Exception):
    """A request that cannot be answered; says why."""


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
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise BadRequest("too long")
    try:
        return parse_request(data.decode("utf-8", "surrogateescape"))
    except ValueError as error:
        raise BadRequest(f"not a request: {error}") from error


def parse_request(text: str) -> Request:
    """The request that a file's contents are. Raises ValueError."""
    first, *lines = text.splitlines()
    if first != _FIRST_LINE:
        raise ValueError(f"begins with {first[:40]!r}")
    values: dict[str, str] = {}
    offsets: list[int] = []
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "hot":
            offsets.append(int(rest, 16))
        else:
            values[word] = rest
    if missing := {"digest", "features", "context", "module"} - values.keys():
        raise ValueError(f"no {', '.join(sorted(missing))}")
    key, _, name = values["module"].partition(" ")
    context = tuple(int(value, 16) for value in values["context"].split())
    digest, features = bytes.fromhex(values["digest"]), int(values["features"], 16)
    return Request(digest, features, context, bytes.fromhex(key), Path(name), tuple(dict.fromkeys(offsets)))
