"""Runs mutated programs inside fresh namespaces: `run_mutants.py ROOT PYQEMU_USER FIRST COUNT PROGRAM…`.

It is the namespaces' first process, so nothing that a program does outlives its run. ROOT is an empty folder; a file
system in memory is mounted there, and all runs see only that. For each seed from FIRST on, one line of JSON says what
happened: `verdict` is "exit", "signal", "stopped" (it waited, and was ended), "refused", or what pyqemu did wrong.
"""

from __future__ import annotations

import json
import os
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # -P leaves it out

from mutate import mutant  # pyright: ignore

CPU_SECONDS, WALL_SECONDS, GRACE_SECONDS = 2, 10, 10
MOST_MEMORY = 4 << 30
#: What all files of a run may take; and from where on the log may lack its end.
MOST_OUTPUT, MUCH_OUTPUT = 128 << 20, 16 << 20
#: Signals by which a host says that a program is faulty; a guest's own are in the log of -strace.
FAULTS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP, signal.SIGABRT, signal.SIGSYS}
REPORT = re.compile(rb"Sanitizer|runtime error:|internal error|terminate called|stack smashing|malloc\(\)|free\(\)")


def prepare(root: Path, pyqemu: Path) -> None:
    """Mounts and fills the root, and goes there."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={MOST_OUTPUT}", "tmpfs", root], check=True)
    (root / "proc").mkdir()
    subprocess.run(["mount", "-t", "proc", "-o", "ro", "proc", root / "proc"], check=True)
    listed = subprocess.run(["ldd", pyqemu], capture_output=True, text=True, check=False).stdout
    for library in re.findall(r"(?m)(/\S+) \(0x", listed):
        copy = root / library.lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, copy)
    os.chroot(root)
    os.chdir("/")


def start(emulator: int, null: int, memory: int) -> int:
    """Starts /program; gives its process id."""
    streams = [null, *(os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600) for name in ("/out", "/err"))]
    process = os.fork()
    if process:
        for stream in streams[1:]:
            os.close(stream)
        return process
    try:
        os.setsid()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 2))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if memory:
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        words = ["pyqemu-user", "-strace", "-D", "/log", "--", "/program"]
        os.execve(emulator, words, {"PATH": "/bin"})
    finally:
        os._exit(99)


def wait(process: int) -> tuple[int, bool]:
    """The process's wait status, and whether it had to be ended. Ends all that is left of the run."""
    handle, ended = os.pidfd_open(process), False
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    if not poll.poll(1000 * WALL_SECONDS):
        ended = True
        for number in (signal.SIGTERM, signal.SIGCONT):
            signal.pidfd_send_signal(handle, number)
        if not poll.poll(1000 * GRACE_SECONDS):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    os.close(handle)
    _, status = os.waitpid(process, 0)
    try:
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        return status, ended
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return status, ended


def verdict(status: int, ended: bool) -> tuple[str, str]:
    """What happened, and what tells it."""
    out, errors = Path("/out").read_bytes(), Path("/err").read_bytes()
    log = Path("/log").read_bytes() if Path("/log").is_file() else b""
    last = log.splitlines()[-1].decode(errors="replace") if log else ""
    text = errors[:2000].decode(errors="replace")
    code, whole = os.waitstatus_to_exitcode(status), len(log) + len(out) + len(errors) < MUCH_OUTPUT
    if REPORT.search(errors):
        return "REPORT", text
    if code == -signal.SIGKILL:
        return "HANG", last
    if code < 0:
        if whole and -code in FAULTS and f"--- {signal.Signals(-code).name} " not in last:
            return "CRASH", f"{signal.Signals(-code).name}; {last}; {text}"
        return ("stopped" if ended else "signal"), last
    if errors.startswith(b"pyqemu-user: "):
        right = code in (126, 127) and errors.count(b"\n") == 1 and not out and not log
        return ("refused" if right else "WRONG REFUSAL"), f"{code} {text}"
    left = code < 125 or code > 127 or " exit_group(" in last or not whole
    return ("exit" if left else "WRONG EXIT"), f"{code} {last}"


def main() -> None:
    """See the module's first lines."""
    root, pyqemu, first, count, *names = sys.argv[1:]
    programs = [Path(name).read_bytes() for name in names]
    emulator, null = os.open(pyqemu, os.O_RDONLY | os.O_CLOEXEC), os.open("/dev/null", os.O_RDWR)
    sanitized = b"__asan_init" in Path(pyqemu).read_bytes()
    prepare(Path(root), Path(pyqemu))
    for seed in range(int(first), int(first) + int(count)):
        data, kinds = mutant(programs, seed)
        for name in ("/program", "/out", "/err", "/log"):  # the run before may have filled the file system
            Path(name).unlink(missing_ok=True)
        Path("/program").write_bytes(data)
        os.chmod("/program", 0o755)
        status, ended = wait(start(emulator, null, 0 if sanitized else MOST_MEMORY))
        word, detail = verdict(status, ended)
        print(json.dumps({"seed": seed, "kinds": kinds, "verdict": word, "detail": detail}), flush=True)


main()
