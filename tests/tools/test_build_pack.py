"""When packs are made again, and when they are only given a new digest."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pyqemu.tools import build_pack
from pyqemu.tools.installed import read_pack
from pyqemu.tools.pack_digests import PACKAGES, Digests, digests_of, has_part, toolchain

TOY = Path(__file__).parents[1] / "targets/toy"
#: Builds a pack, and prints the files of the modules that were loaded.
BUILD = """
import json, sys
from pathlib import Path
from pyqemu.tools.build_pack import build
build(Path(sys.argv[1]), Path(sys.argv[2]), ["v1"], 1)
print(json.dumps([m.__file__ for n, m in sys.modules.items() if n.startswith("pyqemu.") and getattr(m, "__file__", 0)]))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[Path]]:
    """A folder with the toy's pack, and the modules that made it."""
    out = tmp_path_factory.mktemp("packs")
    command = [sys.executable, "-P", "-c", BUILD, str(TOY), str(out)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return out, {Path(name).resolve() for name in json.loads(done.stdout)}


def test_modules_that_make_packs_have_part(built: tuple[Path, set[Path]]) -> None:
    """What is loaded to build a pack and the target's file is in the stencils' digest."""
    _, modules = built
    of_digest = {path for path in toolchain() if has_part(path)}
    empty = {PACKAGES / "tools/__init__.py"}
    assert {path.relative_to(PACKAGES) for path in modules - of_digest - empty} == set()
    assert len(modules) > 80


def _imports(path: Path) -> Iterator[str]:
    """Modules that a file imports, anywhere in it, as files below PACKAGES."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (name.removeprefix("pyqemu.").replace(".", "/") for name in names)


def test_nothing_that_has_part_imports_what_has_none() -> None:
    """Not even later, for what the toy does not have; but for the assembler, which makes no packs."""
    left_out = {path.relative_to(PACKAGES).with_suffix("").as_posix() for path in toolchain() if not has_part(path)}
    found = {
        (path.relative_to(PACKAGES).as_posix(), name)
        for path in toolchain()
        if path.suffix == ".py" and has_part(path)
        for name in _imports(path)
        if name in left_out
    }
    assembler = {("translator/adl/load.py", f"translator/adl/{name}") for name in ("asm_parse", "asm_term")}
    assert found == assembler


@pytest.mark.parametrize(
    ("changed", "matters"),
    [
        ("translator/lift/trace.py", False),
        ("translator/program/discover.py", False),
        ("hostgen/regions.py", False),
        ("translator/passes/fold.py", True),
        ("translator/adl/grammar.lark", True),
        ("hostgen/lower_int.py", True),
        ("tools/build_pack.py", True),
    ],
)
def test_what_digests_depend_on(changed: str, matters: bool, tmp_path: Path) -> None:
    for house in ("translator", "hostgen", "tools"):
        shutil.copytree(PACKAGES / house, tmp_path / house, ignore=shutil.ignore_patterns("__pycache__"))
    before = digests_of(TOY, None, "v1", tmp_path)
    assert before == digests_of(TOY, None, "v1")
    with (tmp_path / changed).open("a") as file:
        file.write("\n")
    after = digests_of(TOY, None, "v1", tmp_path)
    assert after.whole != before.whole
    assert (after.stencils != before.stencils) == matters


def _build_with(monkeypatch: pytest.MonkeyPatch, out: Path, digests: Digests) -> bool:
    """Builds what is not current by these digests; whether the description had to be loaded for it."""
    loaded: list[Path] = []
    load = build_pack.load

    def noting(folder: Path, variant: str | None) -> build_pack.DescribedTarget:
        loaded.append(folder)
        return load(folder, variant)

    monkeypatch.setattr(build_pack, "load", noting)
    monkeypatch.setattr(build_pack, "digests_of", lambda *_: digests)
    build_pack.build(TOY, out, ["v1"], 1)
    return bool(loaded)


def test_packs_are_given_another_digest(
    built: tuple[Path, set[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "packs"
    shutil.copytree(built[0], out)
    path = out / "toy.v1.pack"
    assert sorted(file.name for file in out.iterdir()) == ["toy.target", "toy.v1.pack"]
    first, before = Digests(b"w" * 32, b"s" * 32), path.read_bytes()
    assert _build_with(monkeypatch, out, first)
    made = path.read_bytes()
    assert made != before
    assert read_pack(path).digest == first.whole
    assert not _build_with(monkeypatch, out, first) and path.read_bytes() == made

    renamed = replace(first, whole=b"r" * 32)
    assert not _build_with(monkeypatch, out, renamed)
    assert read_pack(path).digest == renamed.whole
    assert path.read_bytes() == made.replace(first.whole, renamed.whole) and made.count(first.whole) == 1
    assert sorted(file.name for file in out.iterdir()) == ["toy.target", "toy.v1.pack"]

    other = replace(renamed, stencils=bytes(32))
    assert _build_with(monkeypatch, out, other)


@pytest.mark.parametrize("damage", [lambda _: b"", lambda _: bytes(5000), lambda pack: pack[: len(pack) // 2]])
def test_what_is_no_pack_is_made_again(
    damage: Callable[[bytes], bytes], built: tuple[Path, set[Path]], tmp_path: Path
) -> None:
    path = tmp_path / "toy.v1.pack"
    digests, pack = digests_of(TOY, None, "v1"), (built[0] / path.name).read_bytes()
    assert not build_pack.is_current(path, digests)
    path.write_bytes(pack)
    assert build_pack.is_current(path, digests)
    path.write_bytes(damage(pack))
    assert not build_pack.is_current(path, digests)
