// The pack's image: `enter` as docs/pack.md has it, a helper with its thunk, and what exit stubs jump to.
#include "test_image.hpp"

#include "check.hpp"

extern "C" const char test_image_begin[], test_image_enter[], test_image_helper[], test_image_direct[],
    test_image_head[], test_image_end[];

asm(R"(
  .pushsection .rodata
  .globl test_image_begin, test_image_enter, test_image_helper, test_image_direct, test_image_head, test_image_end
  .hidden test_image_begin, test_image_enter, test_image_helper, test_image_direct, test_image_head, test_image_end
  .p2align 4
test_image_begin:
test_image_enter:
  push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15
  sub $24, %rsp
  mov %rdi, %r13; mov %rsi, %r12; mov %rdi, 8(%rsp)
  stmxcsr (%rsp); ldmxcsr 28(%r13)
  lea -8(%rsp), %rax; mov %rax, 112(%r13)
  call *%rdx
  mov 8(%rsp), %r13
  stmxcsr 28(%r13); ldmxcsr (%rsp)
  mov 4(%r13), %eax
  add $24, %rsp
  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp
  ret
test_image_helper:
  mov (%rsp), %rcx; mov %rcx, 120(%r13)
  push %rbp
  xor %ebp, %ebp
  mov (%r12,%rax), %rax
  pop %rbp
  ret
test_image_direct:
  mov %r14, 16(%r13); movl $1, 4(%r13)
  ret
test_image_head:
  mov %r14, 16(%r13); movl $5, 4(%r13)
  ret
test_image_end:
  .popsection
)");

namespace pyqemu::test {

std::string_view image_bytes() {
  return {test_image_begin, static_cast<size_t>(test_image_end - test_image_begin)};
}

uint32_t image_place(std::string_view name) {
  const char *found = name == "direct"  ? test_image_direct
                      : name == "head"  ? test_image_head
                      : name == "enter" ? test_image_enter
                                        : test_image_helper;
  REQUIRE(found != test_image_helper || name == "helper");
  return static_cast<uint32_t>(found - test_image_begin);
}

}  // namespace pyqemu::test
