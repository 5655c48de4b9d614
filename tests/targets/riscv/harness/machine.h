/* What runner.c has to know of RV64GC and RV32GC. */
#include "../../harness/numbers.h"

#define STOP 0x9002 /* c.ebreak */
typedef u16 stop_unit;

struct state {
  u64 x[32], fcsr, f[32];
};

#if __riscv_xlen == 64
#define MACROS ".macro get r, i\n ld \\r, 8 * \\i(t0)\n.endm\n.macro put r, i\n sd \\r, 8 * \\i(t0)\n.endm\n"
#else
#define MACROS ".macro get r, i\n lw \\r, 4 * \\i(t0)\n.endm\n.macro put r, i\n sw \\r, 4 * \\i(t0)\n.endm\n"
#endif

static long syscall6(long n, long a, long b, long c, long d, long e, long f) {
  register long a7 asm("a7") = n, a0 asm("a0") = a, a1 asm("a1") = b, a2 asm("a2") = c, a3 asm("a3") = d,
                     a4 asm("a4") = e, a5 asm("a5") = f;
  asm volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5) : "memory");
  return a0;
}

/* Loads the floating-point state at a0 and stops at `ready`, where a signal handler loads the other registers. */
void enter(const struct state *state);
void ready(void);
void leave(void);
asm(MACROS
    ".text\n"
    ".globl enter, ready, leave\nenter:\n"
    "  la t0, saved\n"
    "  put s0, 0\n  put s1, 1\n  put s2, 2\n  put s3, 3\n  put s4, 4\n  put s5, 5\n  put s6, 6\n  put s7, 7\n"
    "  put s8, 8\n  put s9, 9\n  put s10, 10\n  put s11, 11\n  put ra, 12\n  put sp, 13\n"
    "  addi t0, a0, 264\n"
    "  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, "
    "28, 29, 30, 31\n  fld f\\n, 8 * \\n(t0)\n  .endr\n"
    "  lw t1, 256(a0)\n  fscsr t1\n"
    "ready:\n  ebreak\n"
    "leave:\n"
    "  la t0, saved\n"
    "  get s0, 0\n  get s1, 1\n  get s2, 2\n  get s3, 3\n  get s4, 4\n  get s5, 5\n  get s6, 6\n  get s7, 7\n"
    "  get s8, 8\n  get s9, 9\n  get s10, 10\n  get s11, 11\n  get ra, 12\n  get sp, 13\n  ret\n"
    ".globl _start\n_start:\n  j run\n");

#define SA_FLAGS 0x08000004 /* SA_SIGINFO | SA_ONSTACK */
#define RESTORER 0          /* there is none: the mask is in its place */

/* QEMU does not see stores by another mapping of the page at a fence.i, but forgets code whose protection changes. */
static void sync_code(void) {
  syscall6(NR_mprotect, CODE, PAGE, 0, 0, 0, 0);
  syscall6(NR_mprotect, CODE, PAGE, 5, 0, 0, 0);
  asm volatile("fence.i" : : : "memory");
}

static const struct state *starting;

static void start(const struct state *state) {
  static u32 scratch;
  starting = state;
  asm volatile("sc.w zero, zero, %0" : "+A"(scratch)); /* no case sees another's reservation */
  enter(state);
}

/* struct ucontext, and in it uc_mcontext: pc, x1 ... x31, then f0 ... f31 and fcsr. */
#define CONTEXT (__riscv_xlen == 64 ? 176 : 160)
#define FLOATS (CONTEXT + 32 * sizeof(word))

static int go_on(u8 *context) {
  word *machine = (word *)(context + CONTEXT);
  if (machine[0] != (word)ready) return 0;
  for (u32 i = 1; i < 32; i++) machine[i] = (word)starting->x[i];
  machine[0] = CODE;
  return 1;
}

static u64 end_case(u8 *context, struct state *state) {
  word *machine = (word *)(context + CONTEXT), pc = machine[0];
  state->x[0] = 0;
  for (u32 i = 1; i < 32; i++) state->x[i] = machine[i];
  copy(state->f, context + FLOATS, 256);
  state->fcsr = *(u32 *)(context + FLOATS + 256);
  machine[2] = (word)(signal_stack + 256); /* leave sets sp before anything uses it */
  machine[0] = (word)leave;
  return pc;
}
