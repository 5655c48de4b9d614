"""Guest accesses of optimised regions on x86-64: the instruction itself, so that its address and the state at
it are known exactly (hostgen/region_access.py), and the jump into the middle of a region.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyqemu.hostgen.host import GuestAccess

#: By bits, for general registers. Narrow loads clear the rest of the register.
_LOADS: Mapping[int, GuestAccess] = {
    8: GuestAccess("i32", "movzbl $1, ${0:k}", "r"),
    16: GuestAccess("i32", "movzwl $1, ${0:k}", "r"),
    32: GuestAccess("i32", "movl $1, ${0:k}", "r"),
    64: GuestAccess("i64", "movq $1, $0", "r"),
}
_STORES: Mapping[int, GuestAccess] = {
    8: GuestAccess("i8", "movb $1, $0", "qi"),
    16: GuestAccess("i16", "movw $1, $0", "ri"),
    32: GuestAccess("i32", "movl $1, $0", "ri"),
    64: GuestAccess("i64", "movq $1, $0", "re"),
}
#: By bits, for vector registers: type and mnemonic.
_VECTOR = {32: ("float", "movss"), 64: ("double", "movsd"), 128: ("<2 x i64>", "movups")}


def access(bits: int, *, vector: bool, store: bool, avx: bool) -> GuestAccess | None:
    """The instruction that moves `bits` between memory and a register of either kind; None if there is none."""
    if vector and bits in _VECTOR:
        ty, name = _VECTOR[bits]
        name = f"v{name}" if avx else name
        return GuestAccess(ty, f"{name} $1, $0", "x")
    return (_STORES if store else _LOADS).get(bits)


def jump_inside(here: int, inside: int, start: int) -> bytes:
    """At offset `here`: sets the third argument's register (r14) to offset `inside`, and jumps to `start`."""
    lea = b"\x4c\x8d\x35" + (inside - (here + 7)).to_bytes(4, "little", signed=True)
    return lea + b"\xe9" + (start - (here + 12)).to_bytes(4, "little", signed=True)
