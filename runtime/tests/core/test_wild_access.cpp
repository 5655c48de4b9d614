// What is said of accesses to addresses that none can have: instructions in the forms that LLVM makes are
// run.
#include <setjmp.h>
#include <signal.h>

#include <cstdint>
#include <vector>

#include "check.hpp"
#include "wild_access.hpp"

using namespace pyqemu;

namespace {

constexpr uint64_t kWild = 0x0123456789abcdef, kIndex = 0x10001;

sigjmp_buf back;
siginfo_t told;

void handler(int, siginfo_t *info, void *context) {
  told = *info;
  tell_wild_access(&told, context);
  siglongjmp(back, 1);
}

struct Form {
  const char *name;
  void (*run)(uint64_t base, uint64_t index);  // does not come back
  uint64_t (*address)(uint64_t base, uint64_t index);
};

// An instruction whose base is in register `b` and whose index is in register `i`.
#define FORM(b, i, instruction, expected)                                                                    \
  Form {                                                                                                     \
    instruction,                                                                                             \
        [](uint64_t base, uint64_t index) {                                                                  \
          asm volatile("mov %0, %%r11\n mov %1, %%" i "\n mov %%r11, %%" b "\n" instruction "\n"             \
                       :                                                                                     \
                       : "a"(base), "d"(index)                                                               \
                       : "r11", "memory");                                                                   \
        },                                                                                                   \
        []([[maybe_unused]] uint64_t base, [[maybe_unused]] uint64_t index) -> uint64_t { return expected; } \
  }

const std::vector<Form> &plain() {
  static const std::vector<Form> forms = {
      FORM("rdi", "rsi", "movb (%%rdi), %%cl", base),
      FORM("rbp", "rsi", "movb 0(%%rbp), %%cl", base),  // the stack's segment
      FORM("rsp", "rsi", "movb (%%rsp), %%cl", base),
      FORM("r12", "rsi", "movl (%%r12), %%r9d", base),
      FORM("r13", "rsi", "movl -4(%%r13), %%r9d", base - 4),
      FORM("rdi", "rsi", "movq 0x12345(%%rdi), %%rcx", base + 0x12345),
      FORM("rdi", "rsi", "movw %%cx, -0x12345(%%rdi)", base - 0x12345),
      FORM("rdi", "rsi", "movzwl (%%rdi,%%rsi), %%ecx", base + index),
      FORM("rdi", "r14", "movsbq 1(%%rdi,%%r14,2), %%rcx", base + 2 * index + 1),
      FORM("r13", "r12", "movslq -0x1000(%%r13,%%r12,8), %%rcx", base + 8 * index - 0x1000),
      FORM("rbp", "r12", "movq %%rcx, (%%rbp,%%r12,4)", base + 4 * index),
      FORM("rdi", "rsi", "movw $0x1234, 2(%%rdi)", base + 2),
      FORM("rdi", "rsi", "movq $0x12345678, (%%rdi,%%rsi)", base + index),
      FORM("r15", "rsi", "lock cmpxchgl %%ecx, (%%r15)", base),
      FORM("r15", "rsi", "lock cmpxchg16b 0x20(%%r15)", base + 0x20),
      FORM("rdi", "rsi", "lock xaddw %%cx, (%%rdi)", base),
      FORM("rdi", "rsi", "xchgb %%cl, (%%rdi)", base),
      FORM("rdi", "rsi", "addq %%rcx, (%%rdi)", base),
      FORM("rdi", "rsi", "cmpb $1, 7(%%rdi)", base + 7),
      FORM("rdi", "r9", "movss (%%rdi,%%r9), %%xmm9", base + index),
      FORM("r10", "rsi", "movups %%xmm1, 0x100(%%r10)", base + 0x100),
      FORM("r10", "rsi", "pmovzxbw (%%r10), %%xmm1", base),
      FORM("r10", "rsi", "pinsrb $3, 1(%%r10), %%xmm1", base + 1),
  };
  return forms;
}

const std::vector<Form> &vex() {
  static const std::vector<Form> forms = {
      FORM("rdi", "rsi", "vmovups 0x40(%%rdi), %%ymm3", base + 0x40),         // two bytes of prefix
      FORM("r10", "rsi", "vmovq %%xmm1, (%%r10)", base),                      // three
      FORM("rdi", "r9", "vmovsd (%%rdi,%%r9,8), %%xmm12", base + 8 * index),  //
      FORM("r13", "r9", "vpbroadcastb -1(%%r13,%%r9), %%ymm1", base + index - 1),
      FORM("r10", "rsi", "vpextrw $5, %%xmm1, 2(%%r10)", base + 2),
      FORM("r10", "rsi", "movbeq (%%r10), %%rcx", base),
      FORM("r10", "rsi", "shlxq %%rcx, (%%r10,%%rsi), %%rcx", base + index),
  };
  return forms;
}

void faults(const std::vector<Form> &forms) {
  for (const Form &form : forms) {
    told = {};
    if (sigsetjmp(back, 1) == 0) form.run(kWild, kIndex);
    auto found = reinterpret_cast<uint64_t>(told.si_addr);
    bool good = told.si_signo == SIGSEGV && told.si_code == SI_KERNEL && found == form.address(kWild, kIndex);
    if (!good) fprintf(stderr, "%s: signal %d, address %#lx\n", form.name, told.si_signo, found);
    CHECK(good);
  }
}

// Faults of other kinds are told as they are.
void others() {
  if (sigsetjmp(back, 1) == 0) plain()[0].run(8, 0);
  CHECK(told.si_signo == SIGSEGV && told.si_code == SEGV_MAPERR &&
        told.si_addr == reinterpret_cast<void *>(8));
  if (sigsetjmp(back, 1) == 0) raise(SIGBUS);
  CHECK(told.si_signo == SIGBUS && told.si_code <= 0);
}

}  // namespace

int main() {
  static char stack[65536];
  stack_t alternate = {stack, 0, sizeof stack};
  sigaltstack(&alternate, nullptr);
  struct sigaction action = {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (int signal : {SIGSEGV, SIGBUS}) sigaction(signal, &action, nullptr);
  faults(plain());
  if (__builtin_cpu_supports("avx2")) faults(vex());
  others();
  return result();
}
