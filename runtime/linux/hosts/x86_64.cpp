// The Linux personality's assembly for x86-64 hosts.
#if defined(__x86_64__)

#include <signal.h>
#include <sys/syscall.h>

#include "host.hpp"

extern "C" {
int64_t pyqemu_interruptible(const volatile int *pending, long number, const uint64_t *arguments);
size_t pyqemu_guarded_copy(void *to, const void *from, size_t bytes);
void pyqemu_sigreturn();
extern const char pyqemu_call_begin[], pyqemu_call_insn[], pyqemu_call_end[], pyqemu_call_not_begun[],
    pyqemu_call_restart[], pyqemu_copy_begin[], pyqemu_copy_end[];
}

// rcx is cleared before the call and holds the address after `syscall` once the call has run: so the handler
// can tell a call that the kernel rewound from one that never began.
asm(R"(
.text
.globl pyqemu_interruptible
.hidden pyqemu_interruptible
.type pyqemu_interruptible, @function
pyqemu_interruptible:
  .cfi_startproc
  push %rbx
  .cfi_adjust_cfa_offset 8
  .cfi_rel_offset rbx, 0
  mov %rdi, %rbx
  mov %rsi, %rax
  mov %rdx, %r11
  mov (%r11), %rdi
  mov 8(%r11), %rsi
  mov 16(%r11), %rdx
  mov 24(%r11), %r10
  mov 32(%r11), %r8
  mov 40(%r11), %r9
  xor %ecx, %ecx
pyqemu_call_begin:
  cmpl $0, (%rbx)
  jne pyqemu_call_not_begun
pyqemu_call_insn:
  syscall
pyqemu_call_end:
  pop %rbx
  .cfi_remember_state
  .cfi_adjust_cfa_offset -8
  .cfi_restore rbx
  ret
  .cfi_restore_state
pyqemu_call_not_begun:
  mov $-513, %rax
  jmp pyqemu_call_end
pyqemu_call_restart:
  mov $-512, %rax
  jmp pyqemu_call_end
  .cfi_endproc
.size pyqemu_interruptible, .-pyqemu_interruptible

.globl pyqemu_guarded_copy
.hidden pyqemu_guarded_copy
.type pyqemu_guarded_copy, @function
pyqemu_guarded_copy:
  mov %rdx, %rcx
pyqemu_copy_begin:
  rep movsb
pyqemu_copy_end:
  mov %rcx, %rax
  ret
.size pyqemu_guarded_copy, .-pyqemu_guarded_copy

.globl pyqemu_sigreturn
.hidden pyqemu_sigreturn
.type pyqemu_sigreturn, @function
pyqemu_sigreturn:
  mov $15, %eax
  syscall
.size pyqemu_sigreturn, .-pyqemu_sigreturn
)");

namespace pyqemu::user::host {
namespace {

struct KernelAction {  // struct sigaction as the kernel has it
  Handler handler;
  uint64_t flags;
  void (*restorer)();
  uint64_t mask;
};

constexpr uint64_t kRestorer = 0x04000000;

uintptr_t at(const char *label) {
  return reinterpret_cast<uintptr_t>(label);
}

}  // namespace

int64_t interruptible(const volatile int *pending, long number, const uint64_t *arguments) {
  return pyqemu_interruptible(pending, number, arguments);
}

int64_t system_call(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f) {
  int64_t result = number;
  register uint64_t r10 asm("r10") = d;
  register uint64_t r8 asm("r8") = e;
  register uint64_t r9 asm("r9") = f;
  asm volatile("syscall"
               : "+a"(result)
               : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

int64_t system_call(long number, const uint64_t *v) {
  return system_call(number, v[0], v[1], v[2], v[3], v[4], v[5]);
}

size_t guarded_copy(void *to, const void *from, size_t bytes) {
  return pyqemu_guarded_copy(to, from, bytes);
}

uintptr_t program_counter(const ucontext_t *context) {
  return static_cast<uintptr_t>(context->uc_mcontext.gregs[REG_RIP]);
}

void interrupted_call(ucontext_t *context) {
  uintptr_t pc = program_counter(context);
  if (pc < at(pyqemu_call_begin) || pc >= at(pyqemu_call_end)) return;
  bool ran = static_cast<uintptr_t>(context->uc_mcontext.gregs[REG_RCX]) == at(pyqemu_call_end);
  const char *target = ran ? pyqemu_call_restart : pyqemu_call_not_begun;
  context->uc_mcontext.gregs[REG_RIP] = static_cast<greg_t>(at(target));
}

bool guarded_fault(ucontext_t *context) {
  uintptr_t pc = program_counter(context);
  if (pc < at(pyqemu_copy_begin) || pc >= at(pyqemu_copy_end)) return false;
  context->uc_mcontext.gregs[REG_RIP] = static_cast<greg_t>(at(pyqemu_copy_end));
  return true;
}

uint32_t fp_flags(uint32_t host_fp) {  // MXCSR: IE DE ZE OE UE PE
  return (host_fp & 1) | (host_fp >> 1 & 0x1e) | (host_fp & 2) << 4;
}

uint32_t with_fp_flags(uint32_t host_fp, uint32_t flags) {
  return (host_fp & ~0x3fu) | (flags & 1) | (flags & 0x1e) << 1 | (flags & 32) >> 4;
}

uint32_t with_fp_mode(uint32_t host_fp, uint32_t mode) {  // MXCSR has 1 down and 2 up
  return (host_fp & ~0x6000u) | (mode & 1) << 14 | (mode & 2) << 12;
}

bool fault_was_write(const ucontext_t *context) {
  return context->uc_mcontext.gregs[REG_ERR] & 2;
}

int set_handler(int signal, Handler handler, uint64_t flags, Handler *old) {
  KernelAction action{handler, flags | kRestorer, pyqemu_sigreturn, ~uint64_t{0}};
  KernelAction before{};
  int64_t result =
      system_call(SYS_rt_sigaction, static_cast<uint64_t>(signal), reinterpret_cast<uint64_t>(&action),
                  reinterpret_cast<uint64_t>(&before), sizeof(uint64_t));
  if (old) *old = before.handler;
  return static_cast<int>(result);
}

int get_handler(int signal, Handler *handler) {
  KernelAction before{};
  int64_t result = system_call(SYS_rt_sigaction, static_cast<uint64_t>(signal), 0,
                               reinterpret_cast<uint64_t>(&before), sizeof(uint64_t));
  *handler = before.handler;
  return static_cast<int>(result);
}

}  // namespace pyqemu::user::host

#endif
