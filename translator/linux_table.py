"""Flattens an architecture's `linux.toml` into key and value strings, for the pack.

`[reg] sp = "GPR[31]"` becomes `reg.sp` → `GPR[31]`; numbers become decimal; an array of strings below `[syscall]`
names consecutive numbers; `items` of a signal frame become one string, `offset:width:source …`, with repeated ones
written out. Below `[variant.NAME]` a table has what is different for that variant of the architecture: keys as
flattened that it has not in common with the others, or in place of these. Knows nothing of packs, and not what the keys
mean.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast


class LinuxTableError(Exception):
    """A mistake in a `linux.toml`; names the key."""


def flatten(path: Path, variant: str | None = None) -> dict[str, str]:
    """The table at `path` as strings, sorted by key; of a variant of the architecture, if there are several. Raises
    LinuxTableError for what cannot be written so.
    """
    with path.open("rb") as file:
        try:
            table = tomllib.load(file)
        except tomllib.TOMLDecodeError as error:
            raise LinuxTableError(f"{path}: {error}") from error
    variants: dict[str, dict[str, Any]] = table.pop("variant", {})
    result = _flat(path, table) | _flat(path, variants.get(variant or "", {}))
    return dict(sorted(result.items()))


def _flat(path: Path, table: dict[str, Any]) -> dict[str, str]:
    result: dict[str, str] = {}
    for key, value in _walk("", table):
        if key in result:
            raise LinuxTableError(f"{path}: {key} is given twice")
        result[key] = value
    return result


def _walk(prefix: str, table: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        key = prefix + name
        if isinstance(value, dict):
            yield from _walk(key + ".", cast(dict[str, Any], value))
        elif isinstance(value, list):
            yield from _list(key, cast(list[Any], value))
        elif isinstance(value, bool) or not isinstance(value, int | str):
            raise LinuxTableError(f"{key}: a number, a string or an array is wanted")
        else:
            yield key, str(value)


def _list(key: str, values: list[Any]) -> Iterator[tuple[str, str]]:
    if all(isinstance(value, str) for value in values):
        base, _, first = key.rpartition(".")
        if not first.isdigit():
            raise LinuxTableError(f"{key}: an array of names stands for consecutive numbers; the key is the first")
        for number, name in enumerate(values, int(first)):
            yield f"{base}.{number}", name
        return
    yield key, " ".join(item for value in values for item in _frame_items(key, value))


def _frame_items(key: str, value: Any) -> Iterator[str]:
    match value:
        case [int(offset), int(width), str(source)]:
            yield f"{offset}:{width}:{source}"
        case [int(offset), int(width), str(source), int(count)]:
            for index in range(count):
                yield f"{offset + index * width}:{width}:{source}[{index}]"
        case _:
            raise LinuxTableError(f"{key}: {value}: [offset, width, source] or [offset, width, source, count]")
