/* What runner.c has to know of RV64GC. */
#define STOP 0x9002 /* c.ebreak */
typedef u16 stop_unit;

struct state {
  u64 x[32], fcsr, f[32];
};

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
asm(".text\n"
    ".globl enter, ready, leave\nenter:\n"
    "  la t0, saved\n"
    "  sd s0, 0(t0)\n  sd s1, 8(t0)\n  sd s2, 16(t0)\n  sd s3, 24(t0)\n  sd s4, 32(t0)\n  sd s5, 40(t0)\n"
    "  sd s6, 48(t0)\n  sd s7, 56(t0)\n  sd s8, 64(t0)\n  sd s9, 72(t0)\n  sd s10, 80(t0)\n  sd s11, 88(t0)\n"
    "  sd ra, 96(t0)\n  sd sp, 104(t0)\n"
    "  addi t0, a0, 264\n"
    "  fld f0, 0(t0)\n  fld f1, 8(t0)\n  fld f2, 16(t0)\n  fld f3, 24(t0)\n  fld f4, 32(t0)\n  fld f5, 40(t0)\n"
    "  fld f6, 48(t0)\n  fld f7, 56(t0)\n  fld f8, 64(t0)\n  fld f9, 72(t0)\n  fld f10, 80(t0)\n  fld f11, 88(t0)\n"
    "  fld f12, 96(t0)\n  fld f13, 104(t0)\n  fld f14, 112(t0)\n  fld f15, 120(t0)\n  fld f16, 128(t0)\n"
    "  fld f17, 136(t0)\n  fld f18, 144(t0)\n  fld f19, 152(t0)\n  fld f20, 160(t0)\n  fld f21, 168(t0)\n"
    "  fld f22, 176(t0)\n  fld f23, 184(t0)\n  fld f24, 192(t0)\n  fld f25, 200(t0)\n  fld f26, 208(t0)\n"
    "  fld f27, 216(t0)\n  fld f28, 224(t0)\n  fld f29, 232(t0)\n  fld f30, 240(t0)\n  fld f31, 248(t0)\n"
    "  ld t1, 256(a0)\n  fscsr t1\n"
    "ready:\n  ebreak\n"
    "leave:\n"
    "  la t0, saved\n"
    "  ld s0, 0(t0)\n  ld s1, 8(t0)\n  ld s2, 16(t0)\n  ld s3, 24(t0)\n  ld s4, 32(t0)\n  ld s5, 40(t0)\n"
    "  ld s6, 48(t0)\n  ld s7, 56(t0)\n  ld s8, 64(t0)\n  ld s9, 72(t0)\n  ld s10, 80(t0)\n  ld s11, 88(t0)\n"
    "  ld ra, 96(t0)\n  ld sp, 104(t0)\n  ret\n"
    ".globl _start\n_start:\n  j run\n");

#define SA_FLAGS 0x08000004 /* SA_SIGINFO | SA_ONSTACK */
#define RESTORER 0          /* there is none: the mask is in its place */

/* QEMU does not see stores by another mapping of the page at a fence.i, but forgets code whose protection changes. */
static void sync_code(void) {
  syscall6(226, CODE, PAGE, 0, 0, 0, 0); /* mprotect */
  syscall6(226, CODE, PAGE, 5, 0, 0, 0);
  asm volatile("fence.i" : : : "memory");
}

static const struct state *starting;

static void start(const struct state *state) {
  static u64 scratch;
  starting = state;
  asm volatile("sc.d zero, zero, %0" : "+A"(scratch)); /* no case sees another's reservation */
  enter(state);
}

/* struct ucontext: uc_mcontext is at 176: pc, x1 ... x31, then f0 ... f31 at 432, fcsr at 688. */
static int go_on(u8 *context) {
  u64 *machine = (u64 *)(context + 176);
  if (machine[0] != (u64)ready) return 0;
  copy(machine + 1, starting->x + 1, 31 * 8);
  machine[0] = CODE;
  return 1;
}

static u64 end_case(u8 *context, struct state *state) {
  u64 *machine = (u64 *)(context + 176), pc = machine[0];
  state->x[0] = 0;
  copy(state->x + 1, machine + 1, 31 * 8);
  copy(state->f, context + 432, 256);
  state->fcsr = *(u32 *)(context + 688);
  machine[2] = (u64)(signal_stack + 256); /* leave sets sp before anything uses it */
  machine[0] = (u64)leave;
  return pc;
}
