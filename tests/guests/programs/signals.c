/* Handlers, masks, frames whose registers are changed, faults with siglongjmp, alternate stacks, queued signals, timers. */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static volatile sig_atomic_t alarms, queued, value;
static sigjmp_buf back;
static void *fault_address;

static void on_alarm(int number) { (void)number, ++alarms; }
static void on_fault(int number, siginfo_t *info, void *context) {
  (void)context;
  fault_address = info->si_addr;
  siglongjmp(back, number * 100 + info->si_code);
}
static void on_queue(int number, siginfo_t *info, void *context) {
  (void)number, (void)context;
  ++queued, value += info->si_value.sival_int;
}
/* Skips the faulting instruction and gives its result: the handler changes registers in the frame. */
static void on_fault_repair(int number, siginfo_t *info, void *context) {
  (void)number, (void)info;
  ucontext_t *frame = context;
#if defined(__aarch64__)
  frame->uc_mcontext.regs[0] = 4711;
  frame->uc_mcontext.pc += 4;
#elif defined(__riscv)
  frame->uc_mcontext.__gregs[REG_A0] = 4711;
  frame->uc_mcontext.__gregs[REG_PC] += 4;
#elif defined(__arm__)
  frame->uc_mcontext.arm_r0 = 4711;
  frame->uc_mcontext.arm_pc += 4;
#else
#error "say how this guest's frame looks"
#endif
}

static long load_from(long address) {
#if defined(__aarch64__)
  register long x0 __asm__("x0") = address;
  __asm__ volatile("ldr x0, [x0]" : "+r"(x0) : : "memory");
  return x0;
#elif defined(__riscv)
  register long a0 __asm__("a0") = address;
  __asm__ volatile(".option push\n.option norvc\nld a0, 0(a0)\n.option pop" : "+r"(a0) : : "memory");
  return a0;
#elif defined(__arm__)
  register long r0 __asm__("r0") = address;
#if defined(__thumb__)
  __asm__ volatile("ldr.w r0, [r0]" : "+r"(r0) : : "memory");
#else
  __asm__ volatile("ldr r0, [r0]" : "+r"(r0) : : "memory");
#endif
  return r0;
#endif
}

static void handle(int number, void (*handler)(int, siginfo_t *, void *), int flags) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
  sigaction(number, &action, NULL);
}

static char on_other_stack;
static void on_stack(int number, siginfo_t *info, void *context) {
  (void)number, (void)info, (void)context;
  stack_t now;
  sigaltstack(NULL, &now);
  on_other_stack = (now.ss_flags & SS_ONSTACK) != 0;
}

int main(void) {
  signal(SIGALRM, on_alarm);
  struct itimerval timer = {{0, 2000}, {0, 2000}};
  setitimer(ITIMER_REAL, &timer, NULL);
  volatile unsigned long spins = 0;
  while (alarms < 50) ++spins;
  memset(&timer, 0, sizeof timer);
  setitimer(ITIMER_REAL, &timer, NULL);
  printf("alarms %d\n", alarms >= 50);
  handle(SIGSEGV, on_fault, 0);
  handle(SIGBUS, on_fault, 0);
  int results = 0;
  for (int i = 0; i < 1000; ++i) {
    int code = sigsetjmp(back, 1);
    if (code) results += code == SIGSEGV * 100 + SEGV_MAPERR && fault_address == (void *)(0x1000L + i);
    else *(volatile char *)(0x1000L + i) = 1;
  }
  printf("faults %d\n", results);
  char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int code = sigsetjmp(back, 1);
  if (!code) page[8] = 1;
  printf("protected %d %d\n", code, fault_address == page + 8);
  handle(SIGSEGV, on_fault_repair, 0);
  printf("repaired %ld\n", load_from(64));
  signal(SIGSEGV, SIG_DFL);
  sigset_t set, old, pending;
  sigemptyset(&set), sigaddset(&set, SIGUSR1), sigaddset(&set, SIGRTMIN);
  handle(SIGUSR1, on_queue, 0), handle(SIGRTMIN, on_queue, 0);
  sigprocmask(SIG_BLOCK, &set, &old);
  for (int i = 0; i < 10; ++i) sigqueue(getpid(), SIGRTMIN, (union sigval){i}), raise(SIGUSR1);
  sigpending(&pending);
  printf("pending %d %d, handled %d\n", sigismember(&pending, SIGUSR1), sigismember(&pending, SIGRTMIN), queued);
  siginfo_t info;
  printf("waited %d\n", sigwaitinfo(&set, &info) == SIGUSR1);
  sigprocmask(SIG_SETMASK, &old, NULL);
  printf("handled %d sum %d\n", queued, value);
  stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
  sigaltstack(&stack, NULL);
  handle(SIGUSR2, on_stack, SA_ONSTACK);
  raise(SIGUSR2);
  printf("altstack %d\n", on_other_stack);
  struct sigaction was;
  handle(SIGUSR2, on_queue, (int)SA_RESETHAND);
  raise(SIGUSR2);
  sigaction(SIGUSR2, NULL, &was);
  printf("reset %d\n", was.sa_handler == SIG_DFL);
  timer_t posix;
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 1000};
  timer_create(CLOCK_MONOTONIC, &event, &posix);
  struct itimerspec soon = {{0, 0}, {0, 1000000}};
  sigprocmask(SIG_BLOCK, &set, NULL);
  timer_settime(posix, 0, &soon, NULL);
  sigwaitinfo(&set, &info);
  printf("timer %d %d\n", info.si_value.sival_int, info.si_code == SI_TIMER);
  sigprocmask(SIG_UNBLOCK, &set, NULL);
  fflush(stdout);
  for (int number = 1; number < 16; ++number) {
    if (number == SIGKILL || number == SIGSEGV || number == SIGTERM || number == SIGFPE || number == SIGILL) {
      pid_t child = fork();
      if (!child) raise(number), _exit(0);
      int status;
      waitpid(child, &status, 0);
      printf("signal %d ended by %d\n", number, WTERMSIG(status));
    }
  }
  pid_t child = fork();
  if (!child) *(volatile int *)8 = 1;
  int status;
  waitpid(child, &status, 0);
  printf("fault ended by %d\n", WTERMSIG(status));
  struct timespec nap = {0, 50000000}, left = {0, 0};
  timer.it_value.tv_usec = 10000;
  int slept = 0;
  for (int tries = 0; tries < 20 && slept == 0; ++tries) {  // on a slow machine the alarm may come too early
    alarms = 0;
    setitimer(ITIMER_REAL, &timer, NULL);
    slept = nanosleep(&nap, &left);
  }
  printf("interrupted %d %d %d %d\n", slept, errno == EINTR, alarms, left.tv_nsec > 10000000);
  return 0;
}
