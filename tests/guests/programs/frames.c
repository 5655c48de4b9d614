/* A handler changes the floating-point environment in its frame: what was interrupted goes on in that one. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

static uint64_t modes, clear_flags;

/* Where rounding modes are, and what the status register and its flags are called in a frame. */
#if defined(__riscv)
#define MODES 5 /* to nearest (ties to even), to zero, down, up, to nearest (ties away) */
static void change(ucontext_t *context) {
  unsigned *fcsr = &context->uc_mcontext.__fpregs.__d.__fcsr;
  *fcsr = (unsigned)modes << 5 | (clear_flags ? 0 : *fcsr & 31);
}
static unsigned flags(void) {
  unsigned value;
  __asm__ volatile("frflags %0" : "=r"(value));
  return value;
}
static long to_integer(double x) {
  long value;
  __asm__ volatile("fcvt.w.d %0, %1, dyn" : "=r"(value) : "f"(x));
  return value;
}
#elif defined(__aarch64__)
#define MODES 8 /* to nearest, up, down, to zero; the same with denormal numbers flushed to zero */
static void change(ucontext_t *context) {
  struct fpsimd_context *fp = (struct fpsimd_context *)context->uc_mcontext.__reserved;
  fp->fpcr = (unsigned)(modes & 3) << 22 | (unsigned)(modes >> 2) << 24;
  if (clear_flags) fp->fpsr = 0;
}
static unsigned flags(void) {
  uint64_t value;
  __asm__ volatile("mrs %0, fpsr" : "=r"(value));
  return (unsigned)value & 31;
}
static long to_integer(double x) {
  double value;
  __asm__ volatile("frinti %d0, %d1" : "=w"(value) : "w"(x));
  return (long)value;
}
#elif defined(__ARM_FP)
#define MODES 8 /* likewise */
static void change(ucontext_t *context) {
  uint32_t *vfp = (uint32_t *)context->uc_regspace, *fpscr = vfp + 2 + 64;
  *fpscr = (uint32_t)(modes & 3) << 22 | (uint32_t)(modes >> 2) << 24 | (clear_flags ? 0 : *fpscr & 31);
}
static unsigned flags(void) {
  uint32_t value;
  __asm__ volatile("vmrs %0, fpscr" : "=r"(value));
  return value & 31;
}
static long to_integer(double x) {
  int32_t value;
  __asm__ volatile("vcvtr.s32.f64 s0, %P1\n\tvmov %0, s0" : "=r"(value) : "w"(x) : "s0");
  return value;
}
#else /* floats are the C library's, and frames know nothing of them */
#define MODES 1
static void change(ucontext_t *context) { (void)context, (void)clear_flags; }
static unsigned flags(void) { return 0; }
static long to_integer(double x) { return (long)x; }
#endif

static void handler(int number, siginfo_t *info, void *context) {
  (void)number, (void)info;
  change(context);
}

static uint64_t bits(double x) {
  uint64_t value;
  memcpy(&value, &x, sizeof value);
  return value;
}

static void show(const char *what) {
  volatile double one = 1, three = 3, tiny = 1e-310, half = 0.5;
  volatile float narrow = 1.0f / 3, tenth = 0.1f;
  printf("%s: %#llx %#llx %#llx %a\n", what, (unsigned long long)bits(one / three),
         (unsigned long long)bits(-one / three), (unsigned long long)bits(tiny * half), (double)(narrow * tenth));
  printf("  %ld %ld %ld %ld\n", to_integer(2.5), to_integer(-2.5), to_integer(3.5), to_integer(0.3));
}

int main(void) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR1, &action, 0);
  show("at first");
  for (int turn = 0; turn < 3 * MODES; turn++) {
    modes = (uint64_t)(turn * 3 % MODES), clear_flags = turn & 1;
    raise(SIGUSR1);
    printf("flags %#x\n", flags());
    show("then");
  }
  return 0;
}
