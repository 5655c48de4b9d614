// Accesses to addresses that are none: bits 63 to 47 (or 56, with five levels of page tables) are not all
// alike. No page fault comes of them but a general protection fault, or a stack fault if the address was made
// from rsp or rbp. The kernel then says neither where the access was nor, of a stack fault, that it is
// SIGSEGV. Where it was follows from the instruction.
#include "wild_access.hpp"

#include <ucontext.h>

#include <cstdint>
#include <cstring>

namespace pyqemu {
namespace {

constexpr int kRegisters[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

// Where an instruction's ModRM byte lies, and bits 3 of its index and base registers.
struct Operand {
  const uint8_t *modrm;
  unsigned index, base;
};

// Of the instructions with a memory operand that LLVM makes: those with prefixes, REX or VEX.
Operand operand_of(const uint8_t *code) {
  while (*code == 0x66 || *code == 0xf0 || *code == 0xf2 || *code == 0xf3) code++;
  if (*code == 0xc5) return {code + 3, 0, 0};
  if (*code == 0xc4) return {code + 4, ~code[1] >> 3 & 8u, ~code[1] >> 2 & 8u};
  unsigned rex = *code >> 4 == 4 ? *code++ : 0;
  if (*code == 0x0f) code += code[1] == 0x38 || code[1] == 0x3a ? 2 : 1;
  return {code + 1, rex << 2 & 8, rex << 3 & 8};
}

// The address of a memory operand; 0 if there is none, or one that is relative to the instruction.
uint64_t address_of(const Operand &operand, const greg_t *registers) {
  const uint8_t *at = operand.modrm;
  unsigned mode = *at >> 6, rm = *at & 7;
  at++;
  if (mode == 3 || (mode == 0 && rm == 5)) return 0;
  uint64_t address = 0;
  bool has_base = true;
  if (rm == 4) {
    uint8_t sib = *at++;
    unsigned index = (sib >> 3 & 7) | operand.index;
    if (index != 4) address = static_cast<uint64_t>(registers[kRegisters[index]]) << (sib >> 6);
    rm = sib & 7;
    has_base = mode != 0 || rm != 5;
  }
  if (has_base) address += static_cast<uint64_t>(registers[kRegisters[rm | operand.base]]);
  if (mode == 1) return address + static_cast<uint64_t>(int64_t{static_cast<int8_t>(*at)});
  if (mode == 0 && has_base) return address;
  int32_t displacement = 0;
  memcpy(&displacement, at, sizeof displacement);
  return address + static_cast<uint64_t>(int64_t{displacement});
}

}  // namespace

void tell_wild_access(siginfo_t *info, const void *ucontext) {
  if (info->si_code != SI_KERNEL || (info->si_signo != SIGSEGV && info->si_signo != SIGBUS)) return;
  const greg_t *registers = static_cast<const ucontext_t *>(ucontext)->uc_mcontext.gregs;
  const auto *code = reinterpret_cast<const uint8_t *>(registers[REG_RIP]);
  info->si_signo = SIGSEGV;
  info->si_addr = reinterpret_cast<void *>(address_of(operand_of(code), registers));
}

}  // namespace pyqemu
