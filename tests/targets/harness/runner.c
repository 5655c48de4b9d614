/* Runs instruction sequences on given register states and reports the states after them.
 *
 * Reads `struct request`s from stdin until it ends, writes a `struct reply` for each. A sequence ends at the STOP that
 * follows it or at whatever signal it raises; either way the state is taken from the signal frame. The data page has one
 * of PAGES fixed contents, and a reply lists the 8-byte words of it that changed. No libc: all registers belong to the
 * case. Addresses are odd ones, so that no case hits the runner itself by chance.
 *
 * An architecture's machine.h has what differs:
 *   STOP, stop_unit        the instruction that ends a sequence (it may depend on *request), an integer type of its size
 *   struct state           all registers of a case
 *   syscall6, NR_…         a system call, and the numbers of those made here (numbers.h has the generic ones)
 *   sync_code              makes stores to CODE and STUB seen as code
 *   start(state)           loads a state and goes to CODE; comes back when the case has ended
 *   end_case(context, s)   takes the state out of a signal's context, and lets the handler return out of start();
 *                          gives the PC
 *   go_on(context)         the same for a signal that start() itself raises: 1 if this is one
 *   SA_FLAGS, RESTORER     of sigaction
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned long word; /* as wide as an address */

#define CODE 0x10000000UL     /* the sequence; the rest of its page is STOP; cannot be written there */
#define WRITABLE 0x35a6b000UL /* the same page */
#define DATA 0x10010000UL     /* the data page; nothing is mapped beside it */
#define STUB 0x16a5b000UL     /* for start(); out of reach of nearly all branches */
#define PAGE 4096
#define PAGES 16
#define CHANGES 16
#define CODE_BYTES 64

static u8 signal_stack[65536] __attribute__((aligned(16)));
__attribute__((used)) static word saved[16];
static void copy(void *to, const void *from, u64 bytes) {
  for (u64 i = 0; i < bytes / 8; i++) ((volatile u64 *)to)[i] = ((const u64 *)from)[i];
}
static void die(int status);

#include "machine.h"

struct request {
  u32 page, bytes;
  u8 code[CODE_BYTES];
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
static struct reply reply;
static u8 out[1 << 20];
static u64 out_used;

#define sys(n, a, b, c, d) syscall6(n, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

static void die(int status) {
  sys(NR_exit, status, 0, 0, 0);
  __builtin_unreachable();
}
static void map(word address, int protection, int file) {
  int flags = file < 0 ? 0x32 : 0x11; /* MAP_FIXED with MAP_PRIVATE | MAP_ANONYMOUS, or MAP_SHARED */
  if (syscall6(NR_mmap, (long)address, PAGE, protection, flags, file, 0) != (long)address) die(3);
}
static int read_all(void *to, u64 bytes) {
  for (u64 done = 0; done < bytes;) {
    long n = sys(NR_read, 0, (u8 *)to + done, bytes - done, 0);
    if (n <= 0) return done == 0 ? 0 : (die(4), 0);
    done += (u64)n;
  }
  return 1;
}
static void flush(void) {
  for (u64 done = 0; done < out_used;) {
    long n = sys(NR_write, 1, out + done, out_used - done, 0);
    if (n <= 0) die(5);
    done += (u64)n;
  }
  out_used = 0;
}

static void handler(int signal, const u32 *info, u8 *context) {
  if (go_on(context)) return;
  reply.signal = (u32)signal;
  reply.si_code = info[2];
  reply.address = *(const word *)((const u8 *)info + (sizeof(word) == 8 ? 16 : 12));
  reply.pc = end_case(context, &reply.state);
}

static void catch(int signal) {
  struct { void *handler; word flags; void *restorer; word mask[2]; } action = {
      (void *)handler, SA_FLAGS, (void *)RESTORER, {0, 0}};
  sys(NR_rt_sigaction, signal, &action, 0, 8);
}

static void write_code(const struct request *request) {
  static u32 last_bytes;
  static stop_unit last_stop;
  volatile u8 *code = (u8 *)WRITABLE;
  u32 bytes = request->bytes;
  stop_unit stop = STOP;
  if (stop != last_stop) last_bytes = PAGE;
  last_stop = stop;
  for (u32 i = 0; i < bytes; i++) code[i] = request->code[i];
  for (u32 i = bytes; i < last_bytes || i == bytes; i += sizeof(stop_unit)) *(volatile stop_unit *)(code + i) = stop;
  last_bytes = bytes;
}

void run(void) {
  static struct request request;
  static const int signals[] = {4, 5, 7, 8, 11};  /* ILL TRAP BUS FPE SEGV */
  struct { void *sp; word flags, size; } stack = {signal_stack, 0, sizeof signal_stack};
  u64 random = 0x123456789abcdef1;
  for (u32 i = 0; i < PAGES; i++)
    for (u32 k = 0; k < PAGE / 8; k++) {  /* xorshift64: harness.py makes the same */
      random ^= random << 13, random ^= random >> 7, random ^= random << 17;
      pages[i][k] = random;
    }
  int file = (int)sys(NR_memfd_create, "code", 0, 0, 0);
  if (file < 0 || sys(NR_ftruncate, file, PAGE, 0, 0) != 0) die(7);
  map(CODE, 5, file), map(WRITABLE, 3, file), map(DATA, 3, -1), map(STUB, 7, -1);
  sys(NR_sigaltstack, &stack, 0, 0, 0);
  for (u32 i = 0; i < sizeof signals / sizeof *signals; i++) catch(signals[i]);
  while (read_all(&request, sizeof request)) {
    u64 *before = pages[request.page % PAGES], *data = (u64 *)DATA;
    copy(data, before, PAGE);
    write_code(&request);
    sync_code();
    start(&request.state);
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
