// Signals: actions, masks, frames, what is known of a signal, alternative stacks.
#include "calls.h"

// What it needs comes first.
#include <asm/sigcontext.h>
#if defined(__arm__)
#include <asm/sigcontext.h>
struct ucontext {
  unsigned long uc_flags;
  struct ucontext *uc_link;
  stack_t uc_stack;
  struct sigcontext uc_mcontext;
  uint32_t uc_sigmask[2];
};
#else
#include <asm/ucontext.h>
#endif

static volatile int handled, code;
static volatile intptr_t address, value;
static volatile uint64_t mask_inside, mask_in_frame;
static void *volatile stack_in_frame;
static volatile long stack_size_in_frame;
static volatile int stack_flags_in_frame;

static void note(int signal, siginfo_t *info, void *opaque) {
  struct ucontext *context = opaque;
  handled = signal, code = info->si_code;
  address = (intptr_t)info->si_addr;
  value = (intptr_t)info->si_value.sival_ptr;
  mask_inside = set_mask(SIG_BLOCK, 0);
  uint64_t saved;
  memcpy(&saved, &context->uc_sigmask, sizeof saved);
  mask_in_frame = saved;
  stack_in_frame = context->uc_stack.ss_sp;
  stack_size_in_frame = (long)context->uc_stack.ss_size;
  stack_flags_in_frame = context->uc_stack.ss_flags;
}

// Goes on behind the instruction that faulted, of 4 bytes or as long as `skip` says.
static volatile int skip;

static void note_and_skip(int signal, siginfo_t *info, void *opaque) {
  struct ucontext *context = opaque;
  note(signal, info, opaque);
#if defined(__riscv)
  context->uc_mcontext.sc_regs.pc += skip;
#elif defined(__aarch64__)
  context->uc_mcontext.pc += 4;
#elif defined(__arm__)
  context->uc_mcontext.arm_pc += 4;
#elif defined(__x86_64__)
  context->uc_mcontext.rip += skip;
#endif
}

static long send(int signal) {
  return CALL(__NR_tgkill, CALL(__NR_getpid), CALL(__NR_gettid), signal);
}

static void actions(void) {
  action_record old;
  memset(&old, 0x55, sizeof old);
  uint64_t mask = bit(SIGUSR2) | bit(40) | bit(64), got;
  show("sigaction", set_handler(SIGUSR1, note, SA_RESTART | SA_RESETHAND, mask));
  show("old", CALL(__NR_rt_sigaction, SIGUSR1, NULL, &old, 8));
  show("handler", (void (*)(void))old.sa_handler == (void (*)(void))note);
  show("flags", (int64_t)(old.sa_flags & (SA_RESTART | SA_RESETHAND | SA_SIGINFO | SA_NODEFER)));
  memcpy(&got, &old.sa_mask, sizeof got);
  show("mask", got == mask);
  show("bad size", CALL(__NR_rt_sigaction, SIGUSR1, NULL, &old, 4));
  show("kill", set_handler(SIGKILL, note, 0, 0));
  set_mask(SIG_SETMASK, bit(SIGHUP) | bit(33));
  send(SIGUSR1);
  show("handled", handled);
  show("inside", mask_inside == (mask | bit(SIGHUP) | bit(33) | bit(SIGUSR1)));
  show("in the frame", mask_in_frame == (bit(SIGHUP) | bit(33)));
  show("after", set_mask(SIG_SETMASK, 0) == (bit(SIGHUP) | bit(33)));
  CALL(__NR_rt_sigaction, SIGUSR1, NULL, &old, 8);
  show("reset", old.sa_handler == NULL);
}

static void queued(void) {
  siginfo_t info, got;
  memset(&info, 0, sizeof info);
  info.si_code = -1;  // SI_QUEUE
  info.si_value.sival_ptr = (void *)0x76543210;
  set_handler(50, note, 0, 0);
  show("rt_sigqueueinfo", CALL(__NR_rt_sigqueueinfo, CALL(__NR_getpid), 50, &info));
  show("signal", handled);
  show("code", code);
  show("value", value);
  set_mask(SIG_BLOCK, bit(51) | bit(SIGUSR2));
  info.si_value.sival_ptr = (void *)5;
  info.si_pid = 77, info.si_uid = 88;
  show("rt_tgsigqueueinfo", CALL(__NR_rt_tgsigqueueinfo, CALL(__NR_getpid), CALL(__NR_gettid), 51, &info));
  uint64_t pending = 0, wanted = bit(51);
  CALL(__NR_rt_sigpending, &pending, 8);
  show("pending", pending == bit(51));
  moment soon = {1, 0};
  show("rt_sigtimedwait", CALL(NR_rt_sigtimedwait, &wanted, &got, &soon, 8));
  show("value", (intptr_t)got.si_value.sival_ptr);
  show("from", got.si_pid * 100 + got.si_uid);
  soon = (moment){0, 1000000};
  show("none", CALL(NR_rt_sigtimedwait, &wanted, &got, &soon, 8));
  show("no signal", CALL(NR_rt_sigtimedwait, &wanted, NULL, &soon, 8));
  set_handler(SIGUSR2, note, 0, 0);
  send(SIGUSR2);
  uint64_t none = 0;
  show("rt_sigsuspend", CALL(__NR_rt_sigsuspend, &none, 8));
  show("signal", handled);
  show("code", code);
  set_mask(SIG_SETMASK, 0);
}

static void faults(void) {
  set_handler(SIGSEGV, note_and_skip, 0, 0);
  skip = 4;
  handled = 0;
#if defined(__riscv)
  __asm__ volatile(".option push\n.option norvc\nsw zero, 0(%0)\n.option pop" : : "r"(0x1230) : "memory");
#elif defined(__aarch64__)
  __asm__ volatile("str wzr, [%0]" : : "r"(0x1230L) : "memory");
#elif defined(__arm__)
  __asm__ volatile("str.w %0, [%0]" : : "r"(0x1230L) : "memory");
#elif defined(__x86_64__)
  skip = 2;
  __asm__ volatile("mov %%eax, (%%rcx)" : : "c"(0x1230L), "a"(0) : "memory");
#endif
  show("fault", handled);
  show("code", code);
  show("address", address);
  static char area[8192] __attribute__((aligned(4096)));
  show("mprotect", CALL(__NR_mprotect, area + 4096, 4096, 1));
#if defined(__riscv)
  __asm__ volatile(".option push\n.option norvc\nsw zero, 0(%0)\n.option pop"
                   :
                   : "r"(area + 4100)
                   : "memory");
#elif defined(__aarch64__)
  __asm__ volatile("str wzr, [%0]" : : "r"(area + 4100) : "memory");
#elif defined(__arm__)
  __asm__ volatile("str.w %0, [%0]" : : "r"(area + 4100) : "memory");
#elif defined(__x86_64__)
  __asm__ volatile("mov %%eax, (%%rcx)" : : "c"(area + 4100), "a"(0) : "memory");
#endif
  show("code", code);
  show("address", address - (intptr_t)area);
  set_handler(SIGILL, note_and_skip, 0, 0);
#if defined(__riscv)
  __asm__ volatile(".4byte 0xffffffff");
#elif defined(__aarch64__)
  __asm__ volatile("udf 0");
#elif defined(__arm__)
  __asm__ volatile("udf.w #0");
#elif defined(__x86_64__)
  __asm__ volatile("ud2");
#endif
  show("illegal", handled);
}

static void other_stack(void) {
  static char area[32768] __attribute__((aligned(16)));
  stack_t stack = {area, 0, sizeof area}, old;
  show("sigaltstack", CALL(__NR_sigaltstack, &stack, &old));
  show("disabled", old.ss_flags);
  CALL(__NR_sigaltstack, NULL, &old);
  show("set", old.ss_sp == area && old.ss_size == sizeof area && old.ss_flags == 0);
  set_handler(SIGUSR1, note, SA_ONSTACK, 0);
  send(SIGUSR1);
  show("in the frame",
       stack_in_frame == area && stack_size_in_frame == sizeof area && stack_flags_in_frame == 0);
  stack.ss_size = 100;
  show("too small", CALL(__NR_sigaltstack, &stack, NULL));
  stack.ss_flags = 2;
  show("disable", CALL(__NR_sigaltstack, &stack, NULL));
}

// Registers of all kinds are what they were after a handler has used them.
static void use(int signal, siginfo_t *info, void *context) {
  volatile double x = signal;
  for (int i = 0; i < 40; i++) x = x * 1.5 + i;
  note(signal, info, context);
}

static void registers(void) {
  set_handler(SIGALRM, use, 0, 0);
  struct {
    long every_seconds, every_microseconds, seconds, microseconds;
  } set = {0, 300, 0, 300}, stop = {0, 0, 0, 0};
  CALL(__NR_setitimer, 0, &set, NULL);
  double d = 1;
  float f = 1;
  uint64_t wide = 1;
  for (int i = 0; i < 2000000; i++)
    d = d * 0.999 + 1.25, f = f * 0.5f + 3, wide = wide * 6364136223846793005u + 1;
  CALL(__NR_setitimer, 0, &stop, NULL);
  show("double", (int64_t)(d * 1000000));
  show("float", (int32_t)(f * 1000));
  show("wide", (int64_t)wide);
}

static void children(void) {
  siginfo_t info;
  set_handler(SIGCHLD, note, SA_NOCLDSTOP, 0);
  long child = fork_process();
  if (child == 0) leave(42);
  memset(&info, 0x55, sizeof info);
  long result;
  do result = CALL(__NR_waitid, 1, child, &info, 4, NULL);
  while (result == -EINTR);
  show("waitid", result);
  show("signal", info.si_signo);
  show("code", info.si_code);
  show("status", info.si_status);
  show("child", info.si_pid == child);
  show("handled", handled);
  memset(&info, 0x55, sizeof info);
  show("no child", CALL(__NR_waitid, 0, 0, &info, 4, NULL));
  child = fork_process();
  if (child == 0)
    for (;;) CALL(NR_ppoll, NULL, 0, NULL, NULL, 8);
  info.si_signo = 9;
  show("running", CALL(__NR_waitid, 1, child, &info, 4 | 1, NULL));
  show("nobody", info.si_signo);
  CALL(__NR_kill, child, SIGKILL);
  do result = CALL(__NR_waitid, 1, child, &info, 4, NULL);
  while (result == -EINTR);
  show("killed", info.si_status * 100 + info.si_code);
}

void start(long *stack) {
  (void)stack;
  actions();
  queued();
  faults();
  other_stack();
  registers();
  children();
  leave(0);
}
