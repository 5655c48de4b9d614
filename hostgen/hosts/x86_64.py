"""The x86-64 host: everything in hostgen that names it.

Total store order makes plain loads and stores acquire and release; a sequentially consistent store is
followed by a fence. MXCSR holds rounding mode and sticky flags while guest code runs; all exceptions are
masked in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyqemu.hostgen.emit import Emitter, Module, Operand, width_of
from pyqemu.hostgen.host import GuestAccess, HostInstruction, Level, StateMove
from pyqemu.hostgen.hosts import x86_64_access, x86_64_text
from pyqemu.hostgen.pack_format import CPU, RelocKind

#: By name on command lines. cx16 is not in x86-64-v1 proper, but only the first 64-bit CPUs lack it.
#: Everything that has AVX2 has carry-less multiplication too.
LEVELS: Mapping[str, Level] = {
    "v1": Level("x86-64-v1", "x86-64", "+cx16", frozenset()),
    "v3": Level("x86-64-v3", "x86-64-v3", "+cx16,+pclmul", frozenset({"round", "fma", "shuffle", "shift", "clmul"})),
}

#: What /proc/cpuinfo calls the features that a level beyond the first needs.
_NEEDS = {"v3": frozenset({"avx2", "bmi1", "bmi2", "fma", "f16c", "abm", "movbe", "pclmulqdq"})}


def supported_levels() -> frozenset[str]:
    """Names of the levels that this machine has."""
    flags: set[str] = set()
    with open("/proc/cpuinfo") as lines:
        for line in lines:
            if line.startswith("flags"):
                flags.update(line.partition(":")[2].split())
                break
    return frozenset(name for name in LEVELS if _NEEDS.get(name, frozenset()) <= flags)


_R_64, _R_PLT32, _R_32, _R_32S, _R_8 = 1, 4, 10, 11, 14
_KINDS = {_R_64: RelocKind.ABS64, _R_32: RelocKind.ABS32, _R_32S: RelocKind.ABS32S, _R_8: RelocKind.ABS8}
_SHIFTS = {"shl": "shl", "lshr": "shr", "ashr": "sar", "rotr": "ror"}
_SUFFIX = {32: "l", 64: "q"}


#: Generated code finds membase in r12, cpu in r13; it may change all registers but rsp. In this order, as
#: [r13 + displacement] takes no SIB byte, and [r12 + register] no displacement.
_ENTER = """
.intel_syntax noprefix
.text
.globl enter
.hidden enter
.type enter, @function
.p2align 4
enter:
push rbp
push rbx
push r12
push r13
push r14
push r15
sub rsp, 24
mov r13, rdi
mov r12, rsi
mov [rsp+8], rdi
stmxcsr [rsp]
ldmxcsr [r13+{host_fp}]
lea rax, [rsp-8]
mov [r13+{runtime}], rax
call rdx
mov r13, [rsp+8]
stmxcsr [r13+{host_fp}]
ldmxcsr [rsp]
mov eax, [r13+{exit_reason}]
add rsp, 24
pop r15
pop r14
pop r13
pop r12
pop rbx
pop rbp
ret
.size enter, .-enter
.att_syntax
"""


#: `mov` between a register and [r13 + disp32]: REX, opcode, ModRM, displacement.
_MOVE_BYTES, _MOVE_FIELD = 7, 3
_STORE, _LOAD = 0x89, 0x8B
_REX_32, _REX_64 = (0x41, 0x45), (0x49, 0x4D)  # REX.B for r13; without and with REX.R
#: Opcodes `op reg, r/m`: add, or, and, xor; and sub, whose operands cannot be exchanged.
_COMMUTING, _SUB = (0x03, 0x0B, 0x23, 0x33), 0x2B
_IMMEDIATE = (0x81, 0x83)


def _is_state(modrm: int) -> bool:
    """Whether it is [r13 + disp32] (with REX.B set)."""
    return modrm & 0xC7 == 0x85


def _register(rex: int, modrm: int) -> int:
    return (rex & 4) << 1 | modrm >> 3 & 7


def _targets(code: bytes) -> set[int]:
    """Where jumps lead within the code. Any byte is taken for the start of an instruction, so that the result
    has all that there are, and some more.
    """
    found: set[int] = set()
    for place, byte in enumerate(code):
        if byte & 0xF0 == 0x70 or byte == 0xEB or byte & 0xFC == 0xE0:
            found.add(place + 2 + int.from_bytes(code[place + 1 : place + 2], "little", signed=True))
        elif byte in (0xE8, 0xE9) or (byte & 0xF0 == 0x80 and place and code[place - 1] == 0x0F):
            found.add(place + 5 + int.from_bytes(code[place + 1 : place + 5], "little", signed=True))
    return found


def _after_load(code: bytes, width: int, register: int) -> tuple[bool, int | None]:
    """Of the instruction after a load into `register`: see `StateMove.narrowed` and `.partner`."""
    rex = 0
    if code[0] & 0xF0 == 0x40:
        rex, code = code[0], code[1:]
    if len(code) < 6 or (64 if rex & 8 else 32) != width:
        return False, None
    opcode, modrm = code[:2]
    if opcode in _IMMEDIATE:
        same = modrm >> 6 == 3 and modrm >> 3 & 7 != 7 and (rex & 1) << 3 | modrm & 7 == register  # 7: cmp
        return same, None
    if opcode not in (*_COMMUTING, _SUB) or not rex & 1 or not _is_state(modrm):
        return False, None
    if _register(rex, modrm) != register:
        return False, None
    return True, (1 if rex else 0) + 2 if opcode in _COMMUTING else None


@dataclass(frozen=True, slots=True)
class X86_64:
    """See `host.Host` for what the methods give."""

    level: Level
    triple: str = "x86_64-unknown-linux-gnu"
    elf_machine: int = 62
    jump_bytes: int = 5

    def reloc_kind(self, number: int) -> RelocKind | None:
        match number:
            case _ if number in _KINDS:
                return _KINDS[number]
            case 2 | 4:  # _R_PC32, _R_PLT32
                return None
            case _:
                raise AssertionError(f"x86-64 relocation {number} is not known")

    def turn_branch(self, code: bytes, near: int, far: int) -> bytes | None:
        """`jcc near; jmp far` at the end: the condition inverted, for the two fields to be exchanged."""
        start = len(code) - 11
        if near != start + 2 or far != start + 7 or start < 0:
            return None
        if code[start] != 0x0F or code[start + 1] & 0xF0 != 0x80 or code[far - 1] != 0xE9:
            return None
        return code[: start + 1] + bytes([code[start + 1] ^ 1]) + code[start + 2 :]

    def last_store(self, code: bytes, next_field: int) -> StateMove | None:
        end = next_field - 1
        start = end - _MOVE_BYTES
        if start < 0 or end in _targets(code):
            return None
        rex, opcode, modrm = code[start : start + _MOVE_FIELD]
        if rex not in _REX_64 or opcode != _STORE or not _is_state(modrm):
            return None
        return StateMove(_register(rex, modrm), 64, start + _MOVE_FIELD, _MOVE_BYTES)

    def first_load(self, code: bytes) -> StateMove | None:
        if len(code) <= _MOVE_BYTES or any(0 <= target <= _MOVE_BYTES for target in _targets(code)):
            return None
        rex, opcode, modrm = code[:_MOVE_FIELD]
        if rex not in (*_REX_32, *_REX_64) or opcode != _LOAD or not _is_state(modrm):
            return None
        width, register = 64 if rex in _REX_64 else 32, _register(rex, modrm)
        narrowed, partner = _after_load(code[_MOVE_BYTES:], width, register)
        field = None if partner is None else _MOVE_BYTES + partner
        return StateMove(register, width, _MOVE_FIELD, _MOVE_BYTES, narrowed, field)

    def elf_reloc(self, kind: RelocKind) -> int:
        return next((number for number, known in _KINDS.items() if known is kind), _R_PLT32)

    # --- floating-point environment ---

    # Assembly, as LLVM takes its intrinsics for these for accesses to the slot and no more: of two reads with an
    # operation between them it keeps one.

    def _read_mxcsr(self, e: Emitter) -> Operand:
        slot = e.slot("i32")
        e.do(f'call void asm sideeffect "stmxcsr $0", "=*m"(ptr elementtype(i32) {slot.ref}) strictfp')
        return e.load("i32", slot, 4)

    def _write_mxcsr(self, e: Emitter, value: Operand) -> None:
        slot = e.slot("i32")
        e.store(value, slot, 4)
        e.do(f'call void asm sideeffect "ldmxcsr $0", "*m"(ptr elementtype(i32) {slot.ref}) strictfp')

    def fp_flags(self, e: Emitter) -> Operand:
        """MXCSR has the same order with one bit (denormal operand) more at place 1."""
        mxcsr = self._read_mxcsr(e)
        rest = e.op("and", e.op("lshr", mxcsr, 1), 0x1E)
        return e.cast("trunc", e.op("or", e.op("and", mxcsr, 1), rest), "i8")

    def _sticky(self, e: Emitter, flags: Operand) -> Operand:
        wide = e.resize(flags, "i32")
        return e.op("or", e.op("and", wide, 1), e.op("shl", e.op("and", wide, 0x1E), 1))

    def fp_set_flags(self, e: Emitter, flags: Operand) -> None:
        kept = e.op("and", self._read_mxcsr(e), ~0x3F)
        self._write_mxcsr(e, e.op("or", kept, self._sticky(e, flags)))

    def fp_raise(self, e: Emitter, flags: Operand) -> None:
        self._write_mxcsr(e, e.op("or", self._read_mxcsr(e), self._sticky(e, flags)))

    def fp_set_mode(self, e: Emitter, mode: Operand) -> None:
        """MXCSR: 0 nearest, 1 down, 2 up, 3 zero."""
        m = e.op("and", e.resize(mode, "i32"), 3)
        swapped = e.op("or", e.op("shl", e.op("and", m, 1), 1), e.op("lshr", m, 1))
        kept = e.op("and", self._read_mxcsr(e), ~0x6000)
        self._write_mxcsr(e, e.op("or", kept, e.op("shl", swapped, 13)))

    def fp_mode(self, e: Emitter) -> Operand:
        m = e.op("and", e.op("lshr", self._read_mxcsr(e), 13), 3)
        swapped = e.op("or", e.op("shl", e.op("and", m, 1), 1), e.op("lshr", m, 1))
        return e.cast("trunc", swapped, "i8")

    # --- single instructions ---

    def byte_shuffle(self, e: Emitter, table: Operand, index: Operand) -> Operand:
        return e.call("<16 x i8>", "llvm.x86.ssse3.pshuf.b.128", table, index)

    def carryless_multiply(self, e: Emitter, a: Operand, b: Operand) -> Operand:
        return e.call("<2 x i64>", "llvm.x86.pclmulqdq", a, b, "i8 0")

    def shift_by_hole(self, e: Emitter, op: str, a: Operand, symbol: str) -> Operand | None:
        """LLVM puts a symbolic amount into CL; the instruction with an 8-bit immediate is better."""
        if a.type not in ("i32", "i64"):
            return None
        text = f"{_SHIFTS[op]}{_SUFFIX[width_of(a.type)]} $1, $0"
        constraints = '"=r,i,0,~{flags}"'  # not ~{cc}: LLVM ignores it, and keeps a comparison's flags across the shift
        return e.let(a.type, f'call {a.type} asm "{text}", {constraints}(ptr {symbol}, {a})')

    # --- entry ---

    def guest_access(self, bits: int, *, vector: bool, store: bool) -> GuestAccess | None:
        return x86_64_access.access(bits, vector=vector, store=store, avx="fma" in self.level.has)

    def jump_inside(self, here: int, inside: int, start: int) -> bytes:
        return x86_64_access.jump_inside(here, inside, start)

    def disassemble(self, code: bytes, offset: int) -> HostInstruction | None:
        return x86_64_text.disassemble(code, offset)

    def define_entry(self, module: Module) -> None:
        """Assembly, because the runtime counts on what it finds on the stack (docs/pack.md)."""
        module.assembly += [line.strip() for line in _ENTER.format(**CPU).strip().splitlines()]


def host(level: str) -> X86_64:
    """The host at level v1 or v3."""
    return X86_64(LEVELS[level])


__all__ = ["LEVELS", "X86_64", "host"]
