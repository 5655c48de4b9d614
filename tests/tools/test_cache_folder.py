"""The cache folder: its key, its files under other processes' hands, and its bound."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pyqemu.tools.cache_folder import BadCache, CacheFolder, default_path, open_cache
from pyqemu.tools.cache_size import bound, make_room
from pyqemu.tools.files import read_regular, remove_old, remove_stale, replacing, write_whole
from pyqemu.tools.installed import InstalledPack

INSTALLED, GONE = bytes([1] * 32), bytes([2] * 32)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CacheFolder:
    """A cache folder, where one pack is installed."""
    pack = InstalledPack(tmp_path / "some.v1.pack", INSTALLED, "v1", {})
    monkeypatch.setattr("pyqemu.tools.cache_size.installed_packs", lambda: iter([pack]))
    return open_cache(tmp_path / "cache")


def archive(cache: CacheFolder, number: int, age: float, digest: bytes = INSTALLED) -> Path:
    """An archive of 100 KiB that was last used so many seconds ago."""
    path = cache.archive(digest, 0, bytes([number] * 16), "jit")
    write_whole(path, os.urandom(100 << 10))
    then = time.time() - age
    os.utime(path, (then, then))
    return path


def test_key_is_made_once(tmp_path: Path) -> None:
    """And is the user's alone."""
    first = open_cache(tmp_path / "a/cache")
    assert len(first.key) == 32 and open_cache(first.path).key == first.key
    assert [path.name for path in first.path.iterdir()] == ["key"]
    assert (first.path / "key").stat().st_mode & 0o777 == 0o600
    assert first.path.stat().st_mode & 0o777 == 0o700


def test_key_is_made_while_others_clear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that removes what killed processes have left does not take the key that is being made."""
    made = os.link

    def link(source: Path, target: Path) -> None:
        remove_stale(source.parent)
        made(source, target)

    monkeypatch.setattr(os, "link", link)
    assert len(open_cache(tmp_path / "cache").key) == 32


@pytest.mark.parametrize("size", [0, 31, 33])
def test_damaged_key(tmp_path: Path, size: int) -> None:
    """Is not made anew: archives signed with the right one may come back with it."""
    open_cache(tmp_path / "cache")
    (tmp_path / "cache/key").write_bytes(bytes(size))
    with pytest.raises(BadCache):
        open_cache(tmp_path / "cache")


def test_key_that_is_a_pipe(tmp_path: Path) -> None:
    """Nobody waits for what may come out of it."""
    (tmp_path / "cache").mkdir(mode=0o700)
    os.mkfifo(tmp_path / "cache/key", 0o600)
    with pytest.raises(BadCache, match="regular"):
        open_cache(tmp_path / "cache")


def test_open_to_others(tmp_path: Path) -> None:
    """Says what to do about it."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o750)
    with pytest.raises(BadCache, match="chmod"):
        open_cache(tmp_path / "cache")


def test_default_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """As pyqemu-user finds it."""
    monkeypatch.delenv("PYQEMU_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/me")
    assert default_path() == Path("/home/me/.cache/pyqemu")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/mine")
    assert default_path() == Path("/var/mine/pyqemu")
    monkeypatch.setenv("PYQEMU_CACHE", "none")
    with pytest.raises(BadCache):
        default_path()


def test_replacing_leaves_nothing(tmp_path: Path) -> None:
    """Whatever happens meanwhile, an interruption included; the old file stays."""
    write_whole(tmp_path / "file", b"old")
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "file") as file:
        file.write(b"new")
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_stale_temporaries(tmp_path: Path) -> None:
    """The next writer removes those of killed writers, and not those that are being written."""
    (tmp_path / "killed.0123.tmp").write_bytes(b"half")
    with replacing(tmp_path / "one") as first:
        first.write(b"1")
        write_whole(tmp_path / "other", b"2")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "other"]


def test_read_regular(tmp_path: Path) -> None:
    """Neither more than is wanted, nor what would block, nor what has no end."""
    (tmp_path / "file").write_bytes(b"12345")
    assert read_regular(tmp_path / "file", 5) == b"12345"
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "huge").touch()
    os.truncate(tmp_path / "huge", 1 << 40)
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero"), tmp_path / "huge", Path("a\0b"), tmp_path / "no"):
        with pytest.raises(OSError):
            read_regular(path, 1 << 20)
    with pytest.raises(OSError):
        read_regular(tmp_path / "file", 4)
    with pytest.raises(OSError):
        read_regular(tmp_path / "link", 5, follow=False)


def test_remove_old(tmp_path: Path) -> None:
    """By age and name."""
    for name in ("lock", "old.request", "old.new", "young.new"):
        (tmp_path / name).touch()
        if not name.startswith("young"):
            os.utime(tmp_path / name, (0, 0))
    remove_old(tmp_path, ("lock", ".request"), 60)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "old.request", "young.new"]


@pytest.mark.parametrize(
    ("setting", "size"), [("", 1 << 30), ("500", 500 << 20), ("64K", 64 << 10), ("3m", 3 << 20), ("2G", 2 << 30)]
)
def test_bound(setting: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """MiB, unless a unit is named."""
    monkeypatch.setenv("PYQEMU_CACHE_SIZE", setting)
    assert bound() == size


@pytest.mark.parametrize("setting", ["-1", "1T", "a lot", "1.5G", "99999999999"])
def test_wrong_bound(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is said."""
    monkeypatch.setenv("PYQEMU_CACHE_SIZE", setting)
    with pytest.raises(BadCache, match="PYQEMU_CACHE_SIZE"):
        bound()


def test_longest_unused_goes_first(cache: CacheFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the new one fits, and no more; keys and spool stay."""
    monkeypatch.setenv("PYQEMU_CACHE_SIZE", "400K")
    old, older, young = archive(cache, 1, 500), archive(cache, 2, 900), archive(cache, 3, 10)
    make_room(cache, cache.archive(INSTALLED, 0, bytes(16), "aot"), 100 << 10)
    assert old.exists() and older.exists() and young.exists()
    make_room(cache, cache.archive(INSTALLED, 0, bytes(16), "aot"), 150 << 10)
    assert (old.exists(), older.exists(), young.exists()) == (True, False, True)
    make_room(cache, old, 250 << 10)  # which takes the place of the old one
    assert (old.exists(), young.exists()) == (True, True)
    make_room(cache, old, 350 << 10)
    assert (old.exists(), young.exists()) == (True, False)
    assert (cache.path / "key").exists()


def test_packs_that_are_gone_go_first(cache: CacheFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though they were used since; their folder goes with them."""
    monkeypatch.setenv("PYQEMU_CACHE_SIZE", "300K")
    old, gone = archive(cache, 1, 900), archive(cache, 2, 1, GONE)
    make_room(cache, cache.archive(INSTALLED, 0, bytes(16), "aot"), 150 << 10)
    assert old.exists() and not gone.parent.exists()


def test_too_large(cache: CacheFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is removed for what cannot fit."""
    monkeypatch.setenv("PYQEMU_CACHE_SIZE", "300K")
    kept = archive(cache, 1, 900)
    with pytest.raises(BadCache, match="PYQEMU_CACHE_SIZE"):
        make_room(cache, cache.archive(INSTALLED, 0, bytes(16), "aot"), 301 << 10)
    assert kept.exists()


def test_interrupt_while_the_key_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C just when the temporary file is there leaves nothing of it."""

    def interrupt(*_: object) -> None:
        assert list(tmp_path.glob("key.*"))
        raise KeyboardInterrupt

    monkeypatch.setattr("fcntl.flock", interrupt)
    with pytest.raises(KeyboardInterrupt):
        open_cache(tmp_path)
    assert not list(tmp_path.glob("key*"))
