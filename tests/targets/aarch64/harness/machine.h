/* What runner.c has to know of AArch64. */
#include "../../harness/numbers.h"

#define STOP 0xd4200000u /* brk #0 */
typedef u32 stop_unit;

struct state {
  u64 x[31], sp, nzcv, fpcr, fpsr, tpidr;
  u64 v[64];
};

static long syscall6(long n, long a, long b, long c, long d, long e, long f) {
  register long x8 asm("x8") = n, x0 asm("x0") = a, x1 asm("x1") = b, x2 asm("x2") = c, x3 asm("x3") = d,
                     x4 asm("x4") = e, x5 asm("x5") = f;
  asm volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}

/* Loads the state at x0 but x0 and x1, and goes to the stub, which loads them and goes to CODE. */
void enter(const struct state *state);
void leave(void);
void restorer(void);
asm(".text\n"
    ".globl enter, leave, restorer\nenter:\n"
    "  adrp x9, saved\n  add x9, x9, :lo12:saved\n"
    "  stp x19, x20, [x9]\n  stp x21, x22, [x9, 16]\n  stp x23, x24, [x9, 32]\n  stp x25, x26, [x9, 48]\n"
    "  stp x27, x28, [x9, 64]\n  stp x29, x30, [x9, 80]\n  mov x10, sp\n  str x10, [x9, 96]\n"
    "  add x9, x0, 288\n"
    "  ldp q0, q1, [x9]\n  ldp q2, q3, [x9, 32]\n  ldp q4, q5, [x9, 64]\n  ldp q6, q7, [x9, 96]\n"
    "  ldp q8, q9, [x9, 128]\n  ldp q10, q11, [x9, 160]\n  ldp q12, q13, [x9, 192]\n  ldp q14, q15, [x9, 224]\n"
    "  ldp q16, q17, [x9, 256]\n  ldp q18, q19, [x9, 288]\n  ldp q20, q21, [x9, 320]\n  ldp q22, q23, [x9, 352]\n"
    "  ldp q24, q25, [x9, 384]\n  ldp q26, q27, [x9, 416]\n  ldp q28, q29, [x9, 448]\n  ldp q30, q31, [x9, 480]\n"
    "  ldp x9, x10, [x0, 248]\n  mov sp, x9\n  msr nzcv, x10\n"
    "  ldp x9, x10, [x0, 264]\n  msr fpcr, x9\n  msr fpsr, x10\n"
    "  ldr x9, [x0, 280]\n  msr tpidr_el0, x9\n"
    "  ldp x2, x3, [x0, 16]\n  ldp x4, x5, [x0, 32]\n  ldp x6, x7, [x0, 48]\n  ldp x8, x9, [x0, 64]\n"
    "  ldp x10, x11, [x0, 80]\n  ldp x12, x13, [x0, 96]\n  ldp x14, x15, [x0, 112]\n  ldp x16, x17, [x0, 128]\n"
    "  ldp x18, x19, [x0, 144]\n  ldp x20, x21, [x0, 160]\n  ldp x22, x23, [x0, 176]\n  ldp x24, x25, [x0, 192]\n"
    "  ldp x26, x27, [x0, 208]\n  ldp x28, x29, [x0, 224]\n  ldr x30, [x0, 240]\n"
    "  movz x1, 0x16a5, lsl 16\n  movk x1, 0xb000\n  br x1\n"
    "leave:\n"
    "  adrp x9, saved\n  add x9, x9, :lo12:saved\n"
    "  ldp x19, x20, [x9]\n  ldp x21, x22, [x9, 16]\n  ldp x23, x24, [x9, 32]\n  ldp x25, x26, [x9, 48]\n"
    "  ldp x27, x28, [x9, 64]\n  ldp x29, x30, [x9, 80]\n  ldr x10, [x9, 96]\n  mov sp, x10\n  msr fpcr, xzr\n  ret\n"
    "restorer:\n  mov x8, 139\n  svc 0\n"
    ".globl _start\n_start:\n  mov x0, sp\n  bl run\n");


#define SA_FLAGS 0x0c000004 /* SA_SIGINFO | SA_ONSTACK | SA_RESTORER */
#define RESTORER restorer

static void sync_code(void) {
  for (u64 line = CODE; line < CODE + CODE_BYTES + 64; line += 64)
    asm volatile("dc cvau, %0\n dsb ish\n ic ivau, %0" : : "r"(line) : "memory");
  asm volatile("dsb ish\n isb" : : : "memory");
}

static void start(const struct state *state) {
  volatile u32 *stub = (u32 *)STUB;
  *(volatile u64 *)(STUB + 16) = state->x[0];
  *(volatile u64 *)(STUB + 24) = state->x[1];
  if (stub[0] == 0) {
    stub[0] = 0x58000080;                                          /* ldr x0, STUB + 16 */
    stub[1] = 0x580000a1;                                          /* ldr x1, STUB + 24 */
    stub[2] = 0x14000000 | (((CODE - STUB - 8) / 4) & 0x3ffffff);  /* b CODE */
    asm volatile("dc cvau, %0\n dsb ish\n ic ivau, %0\n dsb ish\n isb" : : "r"(stub) : "memory");
  }
  enter(state);
}

static int go_on(u8 *context) {
  (void)context;
  return 0;
}

/* struct ucontext: uc_mcontext is at 176: fault_address, regs[31], sp, pc, pstate, then records at 464. */
static u64 end_case(u8 *context, struct state *state) {
  u64 *machine = (u64 *)(context + 176), pc = machine[33], tpidr;
  const u8 *record = context + 464;
  copy(state->x, machine + 1, 32 * 8);
  state->nzcv = machine[34] & 0xf0000000;
  while (*(const u32 *)record != 0x46508001) {
    if (*(const u32 *)record == 0) die(6);
    record += ((const u32 *)record)[1];
  }
  state->fpsr = ((const u32 *)record)[2];
  state->fpcr = ((const u32 *)record)[3];
  copy(state->v, record + 16, 512);
  asm volatile("mrs %0, tpidr_el0" : "=r"(tpidr));
  state->tpidr = tpidr;
  machine[32] = (u64)(signal_stack + 256);  /* leave sets sp before anything uses it */
  machine[33] = (u64)leave;
  return pc;
}
