"""Runs inside fresh namespaces: `enter_root.py ROOT CWD BINFMT EMULATOR [OPTION…] -- PROGRAM [ARG…]`.

Mounts /proc, /dev and the cache folder into ROOT, goes there, and starts PROGRAM: through EMULATOR, which is not
visible in ROOT and so is started by a descriptor; or, with a binfmt_misc registration, by itself.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys


def mount(*arguments: str) -> None:
    """mount(8) with an error that says what failed."""
    subprocess.run(["mount", *arguments], check=True)


def bring_up_loopback() -> None:
    """In a new network namespace it is there, and down."""
    siocsifflags, iff_up = 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, siocsifflags, struct.pack("16sH14x", b"lo", iff_up))


def main() -> None:
    """See the module's first lines."""
    root, cwd, binfmt, emulator, *rest = sys.argv[1:]
    options, program = rest[: rest.index("--")], rest[rest.index("--") + 1 :]
    search = os.environ["PATH"]
    os.environ["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
    if binfmt:
        mount("-t", "binfmt_misc", "none", "/proc/sys/fs/binfmt_misc")
        with open("/proc/sys/fs/binfmt_misc/register", "w") as register:
            register.write(binfmt)
    bring_up_loopback()
    descriptor = os.open(emulator, os.O_RDONLY | os.O_CLOEXEC)
    mount("-t", "proc", "proc", f"{root}/proc")
    mount("--rbind", "/dev", f"{root}/dev")
    cache = os.environ.get("PYQEMU_CACHE", "none")
    if cache != "none":
        os.makedirs(f"{root}{cache}", exist_ok=True)
        mount("--bind", cache, f"{root}{cache}")
    os.environ["PATH"] = search
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and children would inherit that
    os.chroot(root)
    os.chdir(cwd)
    if binfmt:
        os.execve(program[0], program, os.environ)
    os.execve(descriptor, ["pyqemu-user", *options, *program], os.environ)


main()
