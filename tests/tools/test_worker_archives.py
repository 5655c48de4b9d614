"""The worker's two archives of a module: what goes into which, and when."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from pyqemu.hostgen.archive import ArchiveKind
from pyqemu.hostgen.region_object import CompiledRegion
from pyqemu.tools.pyqemu_worker.archives import ModuleArchives
from pyqemu.translator.lift.module import Module, read_module

CONTEXT = 0, 0, 0, 0
HELLO = Path(__file__).parents[2] / "examples/aarch64/hello"


def region(number: int) -> CompiledRegion:
    """One with an entry at `number`."""
    return CompiledRegion(f"r{number}", ((number, 4),), 1, b"", (), ((number, 0),), (), (), CONTEXT)


class Written:
    """Stands for files of archives: what each had when it was written last."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.regions: dict[str, list[int]] = {}

    def __call__(self, path: Path, regions: Sequence[CompiledRegion]) -> None:
        path.write_bytes(b"x" * len(self.names))
        self.names.append(path.name)
        self.regions[path.name] = [one.entries[0][0] for one in regions]


@pytest.fixture
def module() -> Module:
    """Any."""
    return read_module(HELLO.read_bytes())


def archives(folder: Path, module: Module) -> ModuleArchives:
    """Of that module, in `folder`."""
    kind = ArchiveKind(bytes(32), module.key, 0, module.extent, bytes(32))
    return ModuleArchives(folder / "main", folder / "recent", kind, module)


def has(kept: ModuleArchives, entries: Sequence[int]) -> bool:
    """Whether there are regions for entries in the first context."""
    return kept.has(CONTEXT, entries)


def test_an_answer_writes_few_regions(tmp_path: Path, module: Module) -> None:
    """The recent archive never has more than 200, and each region is in one of the two."""
    kept, written = archives(tmp_path, module), Written()
    total = 0
    for number in range(1000):
        kept.refresh()
        path = kept.add([region(number)], written)
        assert number in written.regions[path.name] and has(kept, [number]) and not has(kept, [number, 5000])
        total += len(written.regions[path.name])
    there = [name for name in ("main", "recent") if (tmp_path / name).exists()]
    assert sorted(entry for name in there for entry in written.regions[name]) == list(range(1000))
    assert len(written.regions["recent"]) <= 200
    assert total < 130 * 1000  # one archive alone would be 500 a time


def test_what_others_have_written_is_read(tmp_path: Path, module: Module) -> None:
    """What cannot be read is as nothing."""
    kept, written = archives(tmp_path, module), Written()
    kept.refresh()
    kept.add([region(1)], written)
    kept.refresh()
    assert has(kept, [1]) and not kept.has((1, 0, 0, 0), [1])
    (tmp_path / "main").write_bytes(b"nonsense")
    kept.refresh()
    assert not has(kept, [1])
    kept.add([region(2)], written)
    assert written.regions["main"] == [2]


def test_a_failed_write_loses_nothing(tmp_path: Path, module: Module) -> None:
    """A full disk, say."""
    kept, written = archives(tmp_path, module), Written()
    kept.add([region(number) for number in range(250)], written)

    def fail(path: Path, regions: Sequence[CompiledRegion]) -> None:
        raise OSError

    for made in ([region(300)], [region(number) for number in range(300, 600)]):
        with pytest.raises(OSError):
            kept.add(made, fail)
        assert has(kept, [0, 249]) and not has(kept, [300])
    kept.add([region(300)], written)
    assert written.regions["recent"] == [300]
