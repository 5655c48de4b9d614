/* Runs instruction sequences on given register states and reports the states after them.
 *
 * Reads `struct request`s from stdin until it ends, writes a `struct reply` for each. A sequence ends at the BRK that
 * follows it or at whatever signal it raises; either way the state is taken from the signal frame. The data page has one
 * of PAGES fixed contents, and a reply lists the 8-byte words of it that changed. No libc: TPIDR_EL0 belongs to the case.
 * Addresses are odd ones, so that no case hits the runner itself by chance.
 * Built with: aarch64-linux-gnu-gcc -O1 -fno-pie -static -nostdlib -fno-stack-protector runner.c -o runner
 */
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

#define CODE 0x10000000UL     /* the sequence; the rest of its page is BRK; cannot be written there */
#define WRITABLE 0x35a6b000UL /* the same page */
#define DATA 0x10010000UL     /* the data page; nothing is mapped beside it */
#define STUB 0x16a5b000UL     /* loads the last registers; out of reach of all branches but B and BL */
#define PAGE 4096
#define PAGES 16
#define CHANGES 16
#define WORDS 16
#define BRK 0xd4200000u

struct state {
  u64 x[31], sp, nzcv, fpcr, fpsr, tpidr;
  u64 v[64];
};
struct request {
  u32 page, count, code[WORDS];
  struct state state;
};
struct change {
  u64 index, value;
};
struct reply {
  u32 signal, si_code;
  u64 address, pc;
  struct state state;
  u64 change_count;
  struct change change[CHANGES];
};

static u64 pages[PAGES][PAGE / 8];
static u8 signal_stack[65536] __attribute__((aligned(16)));
__attribute__((used)) static u64 saved[16];
static struct reply reply;
static u8 out[1 << 20];
static u64 out_used;

static long syscall6(long n, long a, long b, long c, long d, long e, long f) {
  register long x8 asm("x8") = n, x0 asm("x0") = a, x1 asm("x1") = b, x2 asm("x2") = c, x3 asm("x3") = d,
                     x4 asm("x4") = e, x5 asm("x5") = f;
  asm volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
#define sys(n, a, b, c, d) syscall6(n, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

static void die(int status) {
  sys(93, status, 0, 0, 0);
  __builtin_unreachable();
}
static void map(u64 address, int protection, int file) {
  int flags = file < 0 ? 0x32 : 0x11; /* MAP_FIXED with MAP_PRIVATE | MAP_ANONYMOUS, or MAP_SHARED */
  if (syscall6(222, (long)address, PAGE, protection, flags, file, 0) != (long)address) die(3);
}
static int read_all(void *to, u64 bytes) {
  for (u64 done = 0; done < bytes;) {
    long n = sys(63, 0, (u8 *)to + done, bytes - done, 0);
    if (n <= 0) return done == 0 ? 0 : (die(4), 0);
    done += (u64)n;
  }
  return 1;
}
static void flush(void) {
  for (u64 done = 0; done < out_used;) {
    long n = sys(64, 1, out + done, out_used - done, 0);
    if (n <= 0) die(5);
    done += (u64)n;
  }
  out_used = 0;
}
static void copy(void *to, const void *from, u64 bytes) {
  for (u64 i = 0; i < bytes / 8; i++) ((volatile u64 *)to)[i] = ((const u64 *)from)[i];
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

/* arm64's struct ucontext: uc_mcontext is at 176: fault_address, regs[31], sp, pc, pstate, then records at 464. */
static void handler(int signal, const u32 *info, u8 *context) {
  u64 *machine = (u64 *)(context + 176);
  const u8 *record = context + 464;
  reply.signal = (u32)signal;
  reply.si_code = info[2];
  reply.address = *(const u64 *)(info + 4);
  reply.pc = machine[33];
  copy(reply.state.x, machine + 1, 32 * 8);
  reply.state.nzcv = machine[34] & 0xf0000000;
  while (*(const u32 *)record != 0x46508001) {
    if (*(const u32 *)record == 0) die(6);
    record += ((const u32 *)record)[1];
  }
  reply.state.fpsr = ((const u32 *)record)[2];
  reply.state.fpcr = ((const u32 *)record)[3];
  copy(reply.state.v, record + 16, 512);
  u64 tpidr;
  asm volatile("mrs %0, tpidr_el0" : "=r"(tpidr));
  reply.state.tpidr = tpidr;
  machine[32] = (u64)(signal_stack + 256);  /* leave sets sp before anything uses it */
  machine[33] = (u64)leave;
}

static void catch(int signal) {
  struct { void *handler; u64 flags; void *restorer; u64 mask; } action = {
      (void *)handler, 0x0c000004, (void *)restorer, 0};  /* SA_SIGINFO | SA_ONSTACK | SA_RESTORER */
  sys(134, signal, &action, 0, 8);
}

static void write_code(const struct request *request) {
  static u32 last_count = PAGE / 4;
  volatile u32 *code = (u32 *)WRITABLE, *stub = (u32 *)STUB;
  u32 count = request->count;
  for (u32 i = 0; i < count; i++) code[i] = request->code[i];
  for (u32 i = count; i < last_count || i == count; i++) code[i] = BRK;
  last_count = count;
  *(volatile u64 *)(STUB + 16) = request->state.x[0];
  *(volatile u64 *)(STUB + 24) = request->state.x[1];
  if (stub[0] == 0) {
    stub[0] = 0x58000080;                                          /* ldr x0, STUB + 16 */
    stub[1] = 0x580000a1;                                          /* ldr x1, STUB + 24 */
    stub[2] = 0x14000000 | (((CODE - STUB - 8) / 4) & 0x3ffffff);  /* b CODE */
    asm volatile("dc cvau, %0\n dsb ish\n ic ivau, %0" : : "r"(stub) : "memory");
  }
  for (u64 line = CODE; line < CODE + 4 * WORDS + 64; line += 64)
    asm volatile("dc cvau, %0\n dsb ish\n ic ivau, %0" : : "r"(line) : "memory");
  asm volatile("dsb ish\n isb" : : : "memory");
}

void run(void) {
  static struct request request;
  static const int signals[] = {4, 5, 7, 8, 11};  /* ILL TRAP BUS FPE SEGV */
  struct { void *sp; u64 flags, size; } stack = {signal_stack, 0, sizeof signal_stack};
  u64 random = 0x123456789abcdef1;
  for (u32 i = 0; i < PAGES; i++)
    for (u32 k = 0; k < PAGE / 8; k++) {  /* xorshift64: harness.py makes the same */
      random ^= random << 13, random ^= random >> 7, random ^= random << 17;
      pages[i][k] = random;
    }
  int file = (int)sys(279, "code", 0, 0, 0); /* memfd_create */
  if (file < 0 || sys(46, file, PAGE, 0, 0) != 0) die(7);
  map(CODE, 5, file), map(WRITABLE, 3, file), map(DATA, 3, -1), map(STUB, 7, -1);
  sys(132, &stack, 0, 0, 0);
  for (u32 i = 0; i < sizeof signals / sizeof *signals; i++) catch(signals[i]);
  while (read_all(&request, sizeof request)) {
    u64 *before = pages[request.page % PAGES], *data = (u64 *)DATA;
    copy(data, before, PAGE);
    write_code(&request);
    enter(&request.state);
    reply.change_count = 0;
    for (u32 i = 0; i < PAGE / 8; i++)
      if (data[i] != before[i]) {
        if (reply.change_count < CHANGES)
          reply.change[reply.change_count] = (struct change){i, data[i]};
        reply.change_count++;
      }
    if (out_used + sizeof reply > sizeof out) flush();
    copy(out + out_used, &reply, sizeof reply);
    out_used += sizeof reply;
  }
  flush();
  die(0);
}
