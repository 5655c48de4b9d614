"""Requests to the worker: right ones, and such as nobody should send."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from pathlib import Path

import pytest

from pyqemu.tools.cache_folder import open_cache
from pyqemu.tools.installed import installed_packs
from pyqemu.tools.pyqemu_worker.requests import BadRequest, parse_request, read_request
from pyqemu.translator.lift.module import read_module
from tests.guests.ways import script

HELLO = Path(__file__).parents[2] / "examples/aarch64/hello"
RIGHT = {
    "digest": "4f" * 32, "features": "1f", "context": "0 0 0 0", "module": "65" * 16 + " /usr/bin/guest", "hot": "1f40",
}  # fmt: skip


def text(**changes: str) -> str:
    """A request, with other values for some words."""
    return "pyqemu-request 1\n" + "".join(f"{word} {value}\n" for word, value in {**RIGHT, **changes}.items())


def test_right_request() -> None:
    """All of it."""
    found = parse_request(text() + "hot 2a08\nhot 1f40\n")
    assert (found.digest, found.features, found.context) == (bytes([0x4F] * 32), 0x1F, (0, 0, 0, 0))
    assert (found.module, found.module_key, found.offsets) == (Path("/usr/bin/guest"), b"e" * 16, (0x1F40, 0x2A08))


@pytest.mark.parametrize("name", ["a\rb", "a\x0cb", "a\x1cb", "a\u2028b", "a\x85b", " a ", "\udcff"])
def test_path_is_the_rest_of_the_line(name: str) -> None:
    """Only a newline ends it."""
    assert parse_request(text(module="65" * 16 + " /x/" + name)).module == Path("/x/" + name)


@pytest.mark.parametrize(
    "request_text",
    [
        "", "\n", "pyqemu-request 2\n", "pyqemu-request 1\n", text().replace("digest", "digests"),
        text(digest="4f"), text(digest="zz" * 32), text(digest="4f" * 33), text(features="-1"), text(features="0x1f"),
        text(features="1" * 17), text(features=""), text(features="1_0"), text(context="0 0 0 0 0"),
        text(context="0 0 0 -1"), text(context="1" * 40), text(module="65 /usr/bin/guest"), text(module="65" * 16),
        text(module="65" * 16 + " relative"), text(module="65" * 16 + " /a\nb"), text(hot="-4"), text(hot="one"),
        text(hot="1" * 17), text() + "hot 1\n" * 4096,
    ],
)  # fmt: skip
def test_wrong_requests(request_text: str) -> None:
    """Are told from right ones; the newline in a path makes a line of its own, which says nothing."""
    if "/a\nb" in request_text:
        assert parse_request(request_text).module == Path("/a")
        return
    with pytest.raises(ValueError):
        parse_request(request_text)


def test_files_that_are_no_requests(tmp_path: Path) -> None:
    """Too long, or nothing that can be read."""
    (tmp_path / "long").write_text(text() + "x" * (1 << 20))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "bytes").write_bytes(b"\xff" * 100)
    for name, error in (("long", OSError), ("pipe", OSError), ("bytes", BadRequest), ("missing", OSError)):
        with pytest.raises(error):
            read_request(tmp_path / name)


def _serve(cache: Path, seconds: float = 60) -> str:
    """Runs a worker until it finds nothing more to do; what it says."""
    command = [script("pyqemu-worker"), "--verbose", "--idle", "0.1", cache]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=True)
    assert done.stdout == "" and "bug of pyqemu" not in done.stderr and "Traceback" not in done.stderr, done.stderr
    return done.stderr


def _spool(cache: Path) -> Path:
    open_cache(cache)
    (cache / "spool").mkdir(mode=0o700)
    return cache / "spool"


def _right(**changes: str) -> str:
    """A request that can be answered, for the small example."""
    pack = next(iter(installed_packs()))
    module = read_module(HELLO.read_bytes())
    values = {"digest": pack.digest.hex(), "module": f"{module.key.hex()} {HELLO}", "hot": f"{module.entry:x}"}
    return text(**{**values, **changes})


def test_hostile_requests(tmp_path: Path) -> None:
    """Each is removed or handed back, and the right one among them is answered."""
    spool, key = _spool(tmp_path / "cache"), read_module(HELLO.read_bytes()).key.hex()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "huge").touch()
    os.truncate(tmp_path / "huge", 1 << 40)
    modules = [tmp_path / "pipe", tmp_path / "huge", tmp_path, "/dev/zero", "/dev/tty", "/no/such", "/a\0b", __file__]
    texts = [_right(module=f"{key} {module}") for module in modules]
    texts += [_right(hot=offset) for offset in ("ffffffffffffffff", "0", "3", "7fffffff", "1000000000000000")]
    texts += [_right(features="f" * 16), _right(context="1 2 3 4"), _right(digest="00" * 32), "", "nonsense", _right()]
    for number, content in enumerate(texts):
        (spool / f"{number:03}.request").write_text(content)
    os.mkfifo(spool / "pipe.request")
    (spool / "folder.request").mkdir()
    (spool / "link.request").symlink_to("/dev/zero")
    said = _serve(tmp_path / "cache")
    assert said.count("\n") >= len(texts)
    unfound = [f"{number:03}.unfound" for number in range(len(modules))]
    left = sorted(path.name for path in spool.iterdir())
    assert left == [*unfound, "folder.request", "link.request", "lock", "pipe.request"]
    assert len(list((tmp_path / "cache").glob("*-1f/*.jit.pqa"))) == 1


def test_request_that_killed_a_worker(tmp_path: Path) -> None:
    """The next worker leaves it alone, and removes it."""
    spool = _spool(tmp_path / "cache")
    for name in ("deadly", "good"):
        (spool / f"{name}.request").write_text(_right())
    (spool / "lock").write_text("deadly.request")
    said = _serve(tmp_path / "cache")
    assert "deadly" not in said and "good.request: /" in said
    assert [path.name for path in spool.iterdir()] == ["lock"] and (spool / "lock").read_bytes() == b""


def test_second_worker(tmp_path: Path) -> None:
    """Leaves at once, and leaves what there is to the first."""
    spool = _spool(tmp_path / "cache")
    (spool / "one.request").write_text("nonsense")
    with (spool / "lock").open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        assert _serve(tmp_path / "cache") == ""
    assert (spool / "one.request").exists()


def test_folder_that_is_removed(tmp_path: Path) -> None:
    """A worker whose folder was made again does not sign with the key of the old one: it ends."""
    spool = _spool(tmp_path / "cache")
    command = [script("pyqemu-worker"), "--idle", "1000", tmp_path / "cache"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as worker:
        try:
            while not (spool / "lock").exists():
                time.sleep(0.01)
            (tmp_path / "cache").rename(tmp_path / "old")
            _spool(tmp_path / "cache")
            (spool / "one.request").write_text(_right())
            assert worker.wait(30) == 0 and worker.stderr and worker.stderr.read() == b""
        finally:
            worker.kill()
    assert (spool / "one.request").exists()


@pytest.mark.parametrize("what", ["a file", "a lock that is a folder", "a lock that is a link"])
def test_spool_that_cannot_be_used(what: str, tmp_path: Path) -> None:
    """One line."""
    open_cache(tmp_path / "cache")
    spool = tmp_path / "cache/spool"
    if what == "a file":
        spool.touch()
    else:
        spool.mkdir()
        (spool / "lock").mkdir() if "folder" in what else (spool / "lock").symlink_to("/etc/passwd")
    done = subprocess.run([script("pyqemu-worker"), tmp_path / "cache"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stderr.startswith("pyqemu-worker: ") and done.stderr.count("\n") == 1
