// Threads: clone, futexes with times, lists of robust futexes, thread pointers.
#include <linux/futex.h>
#include <linux/sched.h>

#include "calls.h"

static volatile uint32_t word, gone, robust[4];
static volatile long seen_pointer;
static char stacks[2][16384] __attribute__((aligned(16)));
static struct robust_list_head head;
static struct {
  struct robust_list list;
  uint32_t futex;
} held;

static long thread_pointer(void) {
#if defined(__riscv)
  long value;
  __asm__("mv %0, tp" : "=r"(value));
  return value;
#elif defined(__aarch64__)
  long value;
  __asm__("mrs %0, tpidr_el0" : "=r"(value));
  return value;
#elif defined(__arm__)
  long value;
  __asm__("mrc p15, 0, %0, c13, c0, 3" : "=r"(value));
  return value;
#else
  long value;
  CALL(__NR_arch_prctl, 0x1003, &value);
  return value;
#endif
}

static void wait_for(volatile uint32_t *futex, uint32_t value) {
  while (*futex == value) CALL(NR_futex, futex, FUTEX_WAIT, value, NULL);
}

// Reads the word once a round: a second look might find 0, and wait for what has been.
static void wait_until_gone(void) {
  for (uint32_t value; (value = gone) != 0;) wait_for(&gone, value);
}

static void first(void) {
  seen_pointer = thread_pointer();
  moment soon = {0, 20000000};
  show("in the thread", CALL(NR_futex, &word, FUTEX_WAIT, 0, &soon));
  __atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
  CALL(NR_futex, &word, FUTEX_WAKE, 1, NULL);
}

// Ends while it holds a robust futex.
static void second(void) {
  head.list.next = &held.list, held.list.next = &head.list;
  head.futex_offset = (long)((char *)&held.futex - (char *)&held.list);
  head.list_op_pending = NULL;
  show("set_robust_list", CALL(__NR_set_robust_list, &head, sizeof head));
  struct robust_list_head *back = NULL;
  size_t size = 0;
  show("get_robust_list", CALL(__NR_get_robust_list, 0, &back, &size));
  show("same", back == &head && size == sizeof head);
  held.futex = (uint32_t)CALL(__NR_gettid) | FUTEX_WAITERS;
}

static void (*volatile body)(void);

// The thread's first instructions; it ends here too, as its stack begins here.
static long clone_thread(char *top, long pointer) {
  long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
               CLONE_SETTLS | CLONE_CHILD_CLEARTID | CLONE_PARENT_SETTID;
  gone = 1;
#if defined(__x86_64__)
  long result;
  register long r10 __asm__("r10") = (long)&gone, r8 __asm__("r8") = pointer;
  __asm__ volatile(
      "syscall\ntest %%rax, %%rax\njnz 1f\ncall *%6\nmov $60, %%eax\nxor %%edi, %%edi\nsyscall\n1:"
      : "=a"(result)
      : "a"(__NR_clone), "D"(flags), "S"(top), "d"(&gone), "r"(r10), "b"(body), "r"(r8)
      : "rcx", "r11", "memory");
  return result;
#elif defined(__riscv)
  register long a0 __asm__("a0") = flags, a1 __asm__("a1") = (long)top, a2 __asm__("a2") = (long)&gone;
  register long a3 __asm__("a3") = pointer, a4 __asm__("a4") = (long)&gone, a7 __asm__("a7") = __NR_clone;
  __asm__ volatile("ecall\nbnez a0, 1f\njalr %1\nli a7, 93\nli a0, 0\necall\n1:"
                   : "+r"(a0)
                   : "r"(body), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a7)
                   : "memory", "ra");
  return a0;
#elif defined(__aarch64__)
  register long x0 __asm__("x0") = flags, x1 __asm__("x1") = (long)top, x2 __asm__("x2") = (long)&gone;
  register long x3 __asm__("x3") = pointer, x4 __asm__("x4") = (long)&gone, x8 __asm__("x8") = __NR_clone;
  __asm__ volatile("svc 0\ncbnz x0, 1f\nblr %1\nmov x8, 93\nmov x0, 0\nsvc 0\n1:"
                   : "+r"(x0)
                   : "r"(body), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x8)
                   : "memory", "x30");
  return x0;
#elif defined(__arm__)
  register long r0 __asm__("r0") = flags, r1 __asm__("r1") = (long)top, r2 __asm__("r2") = (long)&gone;
  register long r3 __asm__("r3") = pointer, r4 __asm__("r4") = (long)&gone, r7 __asm__("r7") = __NR_clone;
  __asm__ volatile("svc 0\ncmp r0, #0\nbne 1f\nblx %1\nmov r7, #1\nmov r0, #0\nsvc 0\n1:"
                   : "+r"(r0)
                   : "r"(body), "r"(r1), "r"(r2), "r"(r3), "r"(r4), "r"(r7)
                   : "memory", "lr", "cc");
  return r0;
#endif
}

void start(long *stack) {
  (void)stack;
  moment soon = {0, 10000000}, before = now(CLOCK_MONOTONIC);
  show("timeout", CALL(NR_futex, &word, FUTEX_WAIT, 0, &soon));
  show("waited", since(before) >= 10);
  show("other value", CALL(NR_futex, &word, FUTEX_WAIT, 5, &soon));
  moment until = now(CLOCK_MONOTONIC);
  show("bitset", CALL(NR_futex, &word, FUTEX_WAIT_BITSET, 0, &until, NULL, ~0));
  soon = (moment){0, 2000000000};
  show("bad time", CALL(NR_futex, &word, FUTEX_WAIT, 0, &soon));
  show("wake nobody", CALL(NR_futex, &word, FUTEX_WAKE, 3, NULL));
  show("requeue", CALL(NR_futex, &word, FUTEX_CMP_REQUEUE, 1, 7, &gone, 0));

  body = first;
  long thread = clone_thread(stacks[0] + sizeof stacks[0], (long)&stacks[0]);
  wait_for(&word, 0);
  wait_until_gone();
  show("clone", thread > 0);
  show("thread pointer", seen_pointer == (long)&stacks[0]);
  show("cleared", gone);

  body = second;
  thread = clone_thread(stacks[1] + sizeof stacks[1], (long)&stacks[1]);
  wait_until_gone();
  show("clone", thread > 0);
  show("owner died", (held.futex & FUTEX_OWNER_DIED) != 0);
  show("no owner", held.futex & FUTEX_TID_MASK);
  show("set_tid_address", CALL(__NR_set_tid_address, &gone) == CALL(__NR_gettid));
  leave(0);
}
