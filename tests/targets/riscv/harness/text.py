"""LLVM's texts as ours look; ours."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

from pyqemu.translator.adl.load import DescribedTarget
from tests.targets.harness.text import Disassembler, our_text

EXTENSIONS = ("m", "a", "f", "d", "c", "zba", "zbb", "zbc", "zbs", "zfh")
_LLVM = ("llvm-mc", "--disassemble", "-mattr=" + ",".join(f"+{name}" for name in EXTENSIONS))
_BRANCH = re.compile(r"((?:j|jal|b\w+) (?:\w+, )*)(-?\d+)")


def size(word: int) -> int:
    """Bytes of an instruction."""
    return 4 if word & 3 == 3 else 2


def text_of(target: DescribedTarget, word: int, here: int) -> str:
    """Our text, also of what is undefined."""
    return our_text(target, word, "I" if size(word) == 4 else "C", here)[1] or "undefined"


def disassembler(target: DescribedTarget) -> Disassembler:
    """What gives llvm-mc's texts; None for what it calls invalid."""

    def texts(words: Sequence[int], here: int) -> list[str | None]:
        lines = [" ".join(f"{byte:#x}" for byte in word.to_bytes(size(word), "little")) for word in words]
        command = [*_LLVM, f"-triple={target.name}"]
        done = subprocess.run(command, input="\n".join(lines), capture_output=True, check=False, text=True)
        invalid = {int(number) for number in re.findall(r"<stdin>:(\d+):\d+: warning: invalid", done.stderr)}
        found = iter(line.strip() for line in done.stdout.splitlines() if line.startswith("\t") and "\t." not in line)
        result = [
            None if number in invalid else _normalise(next(found), here, target.address_width)
            for number in range(1, len(words) + 1)
        ]
        assert next(found, None) is None
        return result

    return texts


def _normalise(text: str, here: int, width: int) -> str:
    """With addresses for offsets."""
    text = " ".join(text.split())
    branch = _BRANCH.fullmatch(text)
    if branch is None or text.startswith(("bset", "bclr", "binv", "bext")):
        return text
    return f"{branch[1]}{(here + int(branch[2])) & (1 << width) - 1:#x}"
