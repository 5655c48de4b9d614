"""Finding code of a program that is in T32 and A32."""

from __future__ import annotations

import struct

from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.program.discover import discover
from pyqemu.translator.program.flow import FlowReader
from pyqemu.translator.program.image import Image, Segment

BASE = 0x10000
CODE = struct.pack(
    "<4HI6H2I",
    *(0x4801, 0x4770, 0xBF00, 0xBF00),  # 0: ldr r0, [pc, #4]; bx lr
    BASE + 0xC | 1,  # 8
    *(0x2001, 0x4770),  # c: movs r0, #1; bx lr
    *(0xF000, 0xE802, 0x4770, 0xBF00),  # 10: blx 18; bx lr
    *(0xE3A00001, 0xE12FFF1E),  # 18: mov r0, #1; bx lr
)


def test_a32_and_t32(target: DescribedTarget) -> None:
    """Bit 0 of pointers tells what they lead to; a word among code that is loaded is data, and may be a pointer."""
    segment = Segment(BASE, 0, CODE, executable=True, writable=False)
    image = Image("le", 4, 40, (segment,), (segment,), roots=(BASE | 1, BASE + 0x10 | 1))
    found = discover(image, FlowReader(target, (), "t"))
    blocks = {address - BASE: node["context"]["t"] for address, node in found.graph.nodes(data=True)}
    assert blocks == {0: 1, 0xC: 1, 0x10: 1, 0x14: 1, 0x18: 0}
