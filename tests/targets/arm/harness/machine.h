/* What runner.c has to know of 32-bit Arm. */
/* udf #0xde0 in A32, whose first half, def0, is udf #0xf0 in T32; in T32 bkpt, which has no condition in an IT block */
#define STOP (request->state.cpsr & 0x20 ? 0xbe00be00u : 0xe7f0def0u)
typedef u32 stop_unit;

enum {
  NR_exit = 1, NR_read = 3, NR_write = 4, NR_ftruncate = 93, NR_mprotect = 125, NR_rt_sigaction = 174,
  NR_sigaltstack = 186, NR_mmap = 192 /* mmap2 */, NR_memfd_create = 385, NR_cacheflush = 0xf0002, NR_set_tls = 0xf0005,
};

struct state {
  u32 r[15], cpsr, fpscr, tpidrurw, tpidruro, unused;
  u64 d[32];
};

static long syscall6(long n, long a, long b, long c, long d, long e, long f) {
  register long r7 asm("r7") = n, r0 asm("r0") = a, r1 asm("r1") = b, r2 asm("r2") = c, r3 asm("r3") = d,
                     r4 asm("r4") = e, r5 asm("r5") = f;
  asm volatile("svc 0" : "+r"(r0) : "r"(r7), "r"(r1), "r"(r2), "r"(r3), "r"(r4), "r"(r5) : "memory");
  return r0;
}

/* Loads the floating-point state at r0 and stops at `ready`, where a signal handler loads the other registers. */
void enter(const struct state *state);
void ready(void);
void leave(void);
void restorer(void);
asm(".text\n.arm\n.fpu neon\n"
    ".globl enter, ready, leave, restorer\nenter:\n"
    "  push {r4-r12, lr}\n  movw r1, #:lower16:saved\n  movt r1, #:upper16:saved\n  str sp, [r1]\n"
    "  add r1, r0, #80\n  vldmia r1!, {d0-d15}\n  vldmia r1, {d16-d31}\n"
    "  ldr r1, [r0, #64]\n  vmsr fpscr, r1\n"
    "  ldr r1, [r0, #68]\n  mcr p15, 0, r1, c13, c0, 2\n"
    "  clrex\n" /* no case sees another's monitor */
    "ready:\n  bkpt #0\n"
    "leave:\n"
    "  movw r1, #:lower16:saved\n  movt r1, #:upper16:saved\n  ldr sp, [r1]\n"
    "  mov r1, #0\n  vmsr fpscr, r1\n  pop {r4-r12, pc}\n"
    "restorer:\n  mov r7, #173\n  svc 0\n" /* rt_sigreturn */
    ".globl _start\n_start:\n  b run\n");

#define SA_FLAGS 0x0c000004 /* SA_SIGINFO | SA_ONSTACK | SA_RESTORER */
#define RESTORER restorer

/* QEMU does not see stores by another mapping of the page, but forgets code whose protection changes. */
static void sync_code(void) {
  syscall6(NR_mprotect, CODE, PAGE, 0, 0, 0, 0);
  syscall6(NR_mprotect, CODE, PAGE, 5, 0, 0, 0);
  syscall6(NR_cacheflush, CODE, CODE + PAGE, 0, 0, 0, 0);
}

static const struct state *starting;

static void start(const struct state *state) {
  starting = state;
  syscall6(NR_set_tls, (long)state->tpidruro, 0, 0, 0, 0, 0);
  enter(state);
}

/* struct ucontext: r0 ... r15 and cpsr of uc_mcontext at 32; the records of uc_regspace at 232. */
#define REGISTERS 32
#define RECORDS 232

static int go_on(u8 *context) {
  u32 *machine = (u32 *)(context + REGISTERS);
  if (machine[15] != (u32)ready) return 0;
  for (u32 i = 0; i < 15; i++) machine[i] = starting->r[i];
  machine[15] = CODE;
  machine[16] = starting->cpsr | 0x10; /* the user mode */
  return 1;
}

static u64 end_case(u8 *context, struct state *state) {
  u32 *machine = (u32 *)(context + REGISTERS), pc = machine[15], tpidrurw, tpidruro;
  const u8 *record = context + RECORDS;
  for (u32 i = 0; i < 15; i++) state->r[i] = machine[i];
  state->cpsr = machine[16] & 0xf80f0220; /* N Z C V Q GE E T */
  while (*(const u32 *)record != 0x56465001) {
    if (*(const u32 *)record == 0) die(6);
    record += ((const u32 *)record)[1];
  }
  copy(state->d, record + 8, 256);
  state->fpscr = *(const u32 *)(record + 264);
  asm volatile("mrc p15, 0, %0, c13, c0, 2" : "=r"(tpidrurw));
  asm volatile("mrc p15, 0, %0, c13, c0, 3" : "=r"(tpidruro));
  state->tpidrurw = tpidrurw;
  state->tpidruro = tpidruro;
  machine[13] = (u32)(signal_stack + 256); /* leave sets sp before anything uses it */
  machine[15] = (u32)leave;
  machine[16] = 0x10; /* A32, and no IT block */
  return pc;
}
