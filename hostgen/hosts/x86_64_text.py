"""x86-64 code as text, by Capstone, in Intel's syntax."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from pyqemu.hostgen.host import HostInstruction

#: No instruction is longer.
_MOST_BYTES = 15
#: An operand in the CPU state, which r13 points to.
_STATE = re.compile(r"\[r13(?: \+ (?P<offset>0x[0-9a-f]+|\d+))?\]")
#: What an entry of several puts into the third argument's register: the address inside (x86_64_access.jump_inside).
_INSIDE = re.compile(r"r14, (?P<operand>\[rip (?P<distance>[+-] 0x[0-9a-f]+)\])")


@cache
def _engine() -> Any:
    import capstone  # slow to import, and needed by nobody but those who show code

    return capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)


def disassemble(code: bytes, offset: int) -> HostInstruction | None:
    """See `host.Host.disassemble`."""
    found: Any = next(_engine().disasm_lite(code[offset : offset + _MOST_BYTES], offset, 1), None)
    if found is None:
        return None
    _, size, mnemonic, operands = found
    text = f"{mnemonic} {operands}".rstrip()
    goes_on = mnemonic not in ("jmp", "ret", "int3", "ud2")
    if mnemonic.startswith(("j", "call")) and operands.startswith("0x"):
        return HostInstruction(offset, size, text, goes_on, int(operands, 16), operands)
    inside = _INSIDE.fullmatch(operands) if mnemonic == "lea" else None
    if inside:
        target = offset + size + int(inside["distance"].replace(" ", ""), 0)
        return HostInstruction(offset, size, text, goes_on, target, inside["operand"])
    state = _STATE.search(operands)
    place = None if state is None else int(state["offset"] or "0", 0)
    return HostInstruction(offset, size, text, goes_on, state=place)
