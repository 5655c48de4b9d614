// x86-64 instruction encodings and signal contexts.
#include "host_code.hpp"

#include <ucontext.h>

extern "C" {
size_t pyqemu_fetch_copy(void *to, const void *from, size_t bytes);
extern const char pyqemu_fetch_begin[], pyqemu_fetch_end[], pyqemu_fetch_recover[];
}

// Copies 16 bytes at a time, then single ones; rax counts what was copied, so that a fault only has to `ret`.
asm(R"(
  .pushsection .text
  .type pyqemu_fetch_copy, @function
  .globl pyqemu_fetch_copy, pyqemu_fetch_begin, pyqemu_fetch_end, pyqemu_fetch_recover
  .hidden pyqemu_fetch_copy, pyqemu_fetch_begin, pyqemu_fetch_end, pyqemu_fetch_recover
  .p2align 4
pyqemu_fetch_copy:
  xorl %eax, %eax
  subq $16, %rdx
  jb 2f
pyqemu_fetch_begin:
1:
  movdqu (%rsi,%rax), %xmm0
  movdqu %xmm0, (%rdi,%rax)
  addq $16, %rax
  cmpq %rdx, %rax
  jbe 1b
2:
  addq $16, %rdx
3:
  cmpq %rdx, %rax
  jae pyqemu_fetch_recover
  movb (%rsi,%rax), %cl
  movb %cl, (%rdi,%rax)
  incq %rax
  jmp 3b
pyqemu_fetch_end:
pyqemu_fetch_recover:
  ret
  .size pyqemu_fetch_copy, . - pyqemu_fetch_copy
  .popsection
)");

namespace pyqemu::host {

bool supports_level(std::string_view level) {
  __builtin_cpu_init();
  if (level == "x86-64-v4") return __builtin_cpu_supports("x86-64-v4");
  if (level == "x86-64-v3") return __builtin_cpu_supports("x86-64-v3");
  if (level == "x86-64-v2") return __builtin_cpu_supports("x86-64-v2");
  return level == "x86-64-v1" || level == "x86-64";
}

bool has_wide_vectors() {
  return __builtin_cpu_supports("avx2");
}

uintptr_t context_pc(const void *ucontext) {
  return static_cast<uintptr_t>(static_cast<const ucontext_t *>(ucontext)->uc_mcontext.gregs[REG_RIP]);
}

void go_on_at(void *ucontext, uintptr_t pc) {
  static_cast<ucontext_t *>(ucontext)->uc_mcontext.gregs[REG_RIP] = static_cast<greg_t>(pc);
}

void leave_to(void *ucontext, uintptr_t pc, uintptr_t sp) {
  constexpr greg_t kDirection = 0x400, kAlignmentCheck = 0x40000;
  greg_t *registers = static_cast<ucontext_t *>(ucontext)->uc_mcontext.gregs;
  registers[REG_RIP] = static_cast<greg_t>(pc);
  registers[REG_RSP] = static_cast<greg_t>(sp);
  registers[REG_EFL] &= ~(kDirection | kAlignmentCheck);
}

size_t fetch_copy(void *to, const void *from, size_t bytes) {
  return pyqemu_fetch_copy(to, from, bytes);
}

bool recover_fetch(void *ucontext) {
  uintptr_t pc = context_pc(ucontext);
  if (pc < reinterpret_cast<uintptr_t>(pyqemu_fetch_begin) ||
      pc >= reinterpret_cast<uintptr_t>(pyqemu_fetch_end))
    return false;
  static_cast<ucontext_t *>(ucontext)->uc_mcontext.gregs[REG_RIP] =
      static_cast<greg_t>(reinterpret_cast<uintptr_t>(pyqemu_fetch_recover));
  return true;
}

}  // namespace pyqemu::host
