"""First loads and last stores that packs speak of, against a disassembler."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import capstone
import pytest
from capstone import x86

from pyqemu.hostgen.edges import Lead, Tail, find_lead, find_tail
from pyqemu.hostgen.hosts.x86_64 import host
from pyqemu.hostgen.library import Compiled
from pyqemu.hostgen.pack import build_pack
from pyqemu.translator.adl.load import load

X86: Any = x86
_TOY = Path(__file__).parents[1] / "targets/toy"
_NAMES = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"]


def _registers(number: int, width: int) -> str:
    if number >= 8:
        return f"r{number}" + ("d" if width == 32 else "")
    return ("e" if width == 32 else "r") + _NAMES[number]


def _disassemble(one: Compiled) -> list[Any]:
    engine: Any = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    engine.detail = True
    code = list(engine.disasm(one.code, 0))
    assert sum(insn.size for insn in code) == len(one.code)
    return code


def _jump_targets(one: Compiled, code: list[Any]) -> set[int]:
    fields = {reloc.offset for reloc in one.relocs}
    return {
        insn.operands[0].imm
        for insn in code
        if insn.mnemonic.startswith("j") and insn.operands[0].type == X86.X86_OP_IMM
        if not fields & set(range(insn.address, insn.address + insn.size))
    }


def check_edges(one: Compiled, tail: Tail | None, lead: Lead | None) -> None:
    """Everything that a stencil's record says of its ends is so."""
    code = _disassemble(one)
    targets = _jump_targets(one, code)
    if tail is not None:
        store, last = code[-2:]
        assert last.mnemonic == "jmp" and last.address not in targets
        assert f"{store.mnemonic} {store.op_str}" == f"mov qword ptr [r13], {_registers(tail.register, 64)}"
        assert tail.field == last.address - 4
    if lead is not None:
        load_, after = code[:2]
        register, size = _registers(lead.register, lead.width), {32: "dword", 64: "qword"}[lead.width]
        assert not targets & {0, after.address}
        assert f"{load_.mnemonic} {load_.op_str}" == f"mov {register}, {size} ptr [r13]"
        assert load_.size == lead.size
        assert lead.field == load_.size - 4
        if lead.narrowed:
            assert after.mnemonic in ("add", "or", "and", "xor", "sub", "adc", "sbb")
            assert after.op_str.startswith(f"{register}, ")
        if lead.partner is not None:
            assert after.mnemonic in ("add", "or", "and", "xor")
            assert after.op_str == f"{register}, {size} ptr [r13]"
            assert lead.partner == after.address + after.size - 4


@pytest.mark.parametrize("level", ["v1", "v3"])
def test_edges_are_what_a_disassembler_sees(level: str) -> None:
    machine = host(level)
    found = 0
    for one in build_pack(load(_TOY), machine).stencils:
        tail, lead = find_tail(one, machine), find_lead(one, machine)
        check_edges(one, tail, lead)
        found += tail is not None and lead is not None
    assert found > 0


def test_code_that_is_not_to_be_entered_in_the_middle() -> None:
    machine = host("v1")
    load_ = bytes.fromhex("498b8500000000")
    store = bytes.fromhex("49898500000000")
    assert machine.last_store(load_ + store + bytes.fromhex("e900000000"), 15) is not None
    around = load_ + bytes.fromhex("7407") + store + bytes.fromhex("e900000000")
    assert machine.last_store(around, 17) is None  # a jump over the store
    again = load_ + bytes.fromhex("ffc0 75f5") + store  # a loop to the load
    assert machine.first_load(again) is None
    again = load_ + bytes.fromhex("ffc0 75fc") + store  # to the instruction after it
    assert machine.first_load(again) is None
    assert machine.first_load(load_ + bytes.fromhex("ffc0 ffc0 75fc") + store) is not None
