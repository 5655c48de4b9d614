"""Collects text tests (`*.ir`), one item a case; `--bless` rewrites their expectations."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import textrunner
from .guests.ways import WAYS, enter, start_worker


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bless", action="store_true", help="write what comes out of text tests into their files")
    parser.addoption("--way", choices=WAYS, default="", help="how guest programs are run (tests/guests/ways.py)")


def pytest_configure(config: pytest.Config) -> None:
    """Without a way, guests have no cache: what a user has at home must not matter."""
    way = WAYS.get(config.getoption("way"))
    is_main = not hasattr(config, "workerinput")
    if way is None:
        os.environ.setdefault("PYQEMU_CACHE", "none")
        return
    enter(way, first=is_main)
    if is_main and way.folder and way.jit != "off":
        config.add_cleanup(start_worker(way.cache))


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.suffix == ".ir":
        return TextFile.from_parent(parent, path=file_path)
    return None


class TextFile(pytest.File):
    """A file of text tests."""

    def collect(self) -> Iterator[pytest.Item]:
        if self.config.getoption("bless"):
            textrunner.bless(self.path)
        for number, case in enumerate(textrunner.read_cases(self.path)):
            yield TextCase.from_parent(self, name=f"{number}: {case.passes}", number=number)


class TextCase(pytest.Item):
    """One case of a file."""

    def __init__(self, *, number: int, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.number = number

    def runtest(self) -> None:
        textrunner.check(self.path, self.number)
