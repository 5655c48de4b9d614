"""Checks finished stencils: no guest state is stored before the last guest access that can fault (design:
exact faults).

Disassembles with Capstone, follows which registers hold addresses of CPU state or of guest memory, and
walks all ways through the code. Compilers may move a store up where they can prove that it does not matter;
this holds that they did not.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pyqemu.hostgen.library import Compiled
from pyqemu.hostgen.lower_state import function_symbol
from pyqemu.hostgen.pack_format import STATE_OFFSET, Attribute, RelocKind
from pyqemu.translator.ir.function import Function
from pyqemu.translator.ir.ops import OPS, Effect

_CPU, _MEM = "cpu", "mem"
_READS_ONLY = ("cmp", "test", "ucomis", "vucomis", "comis", "vcomis", "bt", "prefetch")


@dataclass(frozen=True, slots=True)
class Finding:
    """A guest access that comes after a store to guest state."""

    stencil: str
    access: str
    store: str


@dataclass(slots=True)
class _Place:
    """What is known before an instruction: registers that hold addresses, the last store to state."""

    pointers: dict[int, str]
    stored: str = ""

    def joined(self, other: _Place) -> tuple[_Place, bool]:
        """With what `other` knows; whether anything is new."""
        pointers = dict(self.pointers)
        for register, kind in other.pointers.items():
            if kind == _MEM or register not in pointers:
                pointers[register] = kind
        stored = self.stored or other.stored
        return _Place(pointers, stored), pointers != self.pointers or stored != self.stored


class _Checker:
    """One stencil's instructions and relocations (x86-64)."""

    def __init__(self, one: Compiled, writers: frozenset[str]) -> None:
        import capstone  # not needed to build packs
        from capstone import x86

        self._x86: Any = x86
        engine: Any = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
        engine.detail = True
        self._one = one
        self._writers = writers
        self._code: dict[int, Any] = {insn.address: insn for insn in engine.disasm(one.code, 0)}
        self._relocs = {reloc.offset: reloc for reloc in one.relocs}
        self.findings: list[Finding] = []

    def run(self) -> list[Finding]:
        x86 = self._x86
        start = _Place({x86.X86_REG_R13: _CPU, x86.X86_REG_R12: _MEM})
        known: dict[int, _Place] = {}
        work: list[tuple[int, _Place]] = [(0, start)]
        while work:
            address, place = work.pop()
            insn = self._code.get(address)
            if insn is None:
                continue
            before, changed = known[address].joined(place) if address in known else (place, True)
            if not changed:
                continue
            known[address] = before
            after = self._step(insn, before)
            work += [(target, after) for target in self._successors(insn)]
        return self.findings

    def _successors(self, insn: Any) -> list[int]:
        following = insn.address + insn.size
        name = insn.mnemonic
        if name == "ret":
            return []
        if not name.startswith("j"):
            return [following]
        leaves = any(insn.address <= offset < following for offset in self._relocs)
        operand = insn.operands[0]
        targets = [] if leaves or operand.type != self._x86.X86_OP_IMM else [operand.imm]
        return targets if name == "jmp" else [*targets, following]

    def _step(self, insn: Any, before: _Place) -> _Place:
        pointers, stored = dict(before.pointers), before.stored
        text = f"{insn.mnemonic} {insn.op_str}"
        for operand in insn.operands:
            if operand.type != self._x86.X86_OP_MEM or insn.mnemonic in ("lea", "nop"):
                continue
            kind = self._kind(operand, pointers)
            if kind == _MEM and before.stored:
                self.findings.append(Finding(self._one.stencil.label, text, before.stored))
            if kind == _CPU and self._writes(insn, operand) and not self._is_header(insn, operand):
                stored = stored or text
        if insn.mnemonic == "call" and self._calls_writer(insn):
            stored = stored or text
        self._track(insn, pointers)
        return _Place(pointers, stored)

    def _calls_writer(self, insn: Any) -> bool:
        reloc = self._relocs.get(insn.address + 1)
        return reloc is not None and reloc.symbol in self._writers

    def _kind(self, operand: Any, pointers: dict[int, str]) -> str:
        kinds = {pointers.get(operand.mem.base), pointers.get(operand.mem.index)}
        return _MEM if _MEM in kinds else _CPU if _CPU in kinds else ""

    def _writes(self, insn: Any, operand: Any) -> bool:
        return bool(operand.access & 2) and not insn.mnemonic.startswith(_READS_ONLY)

    def _is_header(self, insn: Any, operand: Any) -> bool:
        """The runtime's part of the CPU state: exit reasons, PC, exceptions."""
        filled = any(
            insn.address <= offset < insn.address + insn.size and reloc.kind is RelocKind.ABS32S
            for offset, reloc in self._relocs.items()
        )
        return not filled and operand.mem.index == 0 and 0 <= operand.mem.disp < STATE_OFFSET

    def _track(self, insn: Any, pointers: dict[int, str]) -> None:
        """lea, add and mov carry addresses on; anything else that writes a register ends it."""
        _, written = insn.regs_access()
        if not insn.operands or insn.operands[0].type != self._x86.X86_OP_REG:
            return
        target = insn.operands[0].reg
        kind = ""
        if insn.mnemonic == "lea":
            kind = self._kind(insn.operands[1], pointers)
        elif insn.mnemonic in ("mov", "add") and insn.operands[1].type == self._x86.X86_OP_REG:
            kinds = [pointers.get(insn.operands[1].reg, "")]
            kinds += [pointers.get(target, "")] if insn.mnemonic == "add" else []
            kind = _MEM if _MEM in kinds else _CPU if _CPU in kinds else ""
        elif insn.mnemonic == "add":
            kind = pointers.get(target, "")
        if kind:
            pointers[target] = kind
        elif target in written:
            pointers.pop(target, None)


def _writers(functions: Mapping[str, Function]) -> frozenset[str]:
    """Symbols of the outlined functions that write state, themselves or by others."""
    found: set[str] = set()
    while True:
        more = {name for name, function in functions.items() if name not in found and _writes(function, found)}
        if not more:
            return frozenset(map(function_symbol, found))
        found |= more


def _writes(function: Function, writers: Container[str]) -> bool:
    return any(
        op.attrs["fn"] in writers if op.name == "call" else bool(OPS[op.name].effects & Effect.WRITES_STATE)
        for block in function.blocks
        for op in block.ops
    )


def late_accesses(stencils: Iterable[Compiled], functions: Mapping[str, Function]) -> list[Finding]:
    """Everything that is wrong in a pack's stencils; `functions` are those that they call, by name."""
    writers = _writers(functions)
    faulting = (one for one in stencils if one.stencil.attributes & Attribute.FAULTS)
    return [finding for one in faulting for finding in _Checker(one, writers).run()]
