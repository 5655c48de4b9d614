"""Units made of pieces on the engine: words of two halves between narrow ones, also where a page ends."""

from __future__ import annotations

from pathlib import Path

import pyqemu_runtime
import pytest

from pyqemu.hostgen.hosts import x86_64
from pyqemu.hostgen.pack import build_pack
from pyqemu.translator.adl.load import DescribedTarget
from pyqemu.translator.adl.model import build
from pyqemu.translator.adl.parse import parse_text
from tests.regions.area import CODE, CODE_BYTES, PAGE, Area

DESCRIPTION = """
arch pieces {
  unit Wide b32 order le of 16
  unit Short b16 order le
  address b64
}
file G[4]: b64
exception undefined()
exception stop()
insn ADD { enc Short "0000 rd:2 imm:10"; asm "add r{rd}, #{imm}"; do { G[rd] := G[rd] + imm } }
insn SET { enc Wide "1111 rd:2 imm[21:12] imm[11:0] 0101"; asm "set r{rd}, #{imm}"; do { G[rd] := imm } }
insn STOP { enc Short "0001 000000000000"; asm "stop"; do { raise stop() } }
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> tuple[DescribedTarget, pyqemu_runtime.Cpu]:
    """The architecture, and a CPU of it."""
    target = DescribedTarget(build(parse_text(DESCRIPTION)))
    path = tmp_path_factory.mktemp("pack") / "pieces.pack"
    path.write_bytes(build_pack(target, x86_64.host(max(x86_64.supported_levels()))).data)
    return target, pyqemu_runtime.Cpu(pyqemu_runtime.Engine(pyqemu_runtime.Pack(str(Path(path)))))


@pytest.mark.parametrize("start", [0, 2, PAGE - 4, PAGE - 2])
def test_words_of_two_halves(engine: tuple[DescribedTarget, pyqemu_runtime.Cpu], area: Area, start: int) -> None:
    target, cpu = engine
    lines = ["add r1, #5", "set r2, #0x12345", "set r3, #0x6789", "add r2, #1", "stop"]
    code = b"".join(target.assemble(line)[0].code() for line in lines)
    area.put_code((bytes(start) + code).ljust(CODE_BYTES, b"\0"))
    cpu.pc = CODE + start
    before = cpu.get("G", 1)
    assert cpu.run() == "exception" and cpu.exception == "stop"
    assert cpu.pc == CODE + start + len(code) - 2
    assert [cpu.get("G", k) for k in (1, 2, 3)] == [before + 5, 0x12346, 0x6789]
    cpu.step_over()
    assert cpu.pc == CODE + start + len(code)
