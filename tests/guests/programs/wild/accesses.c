/* Accesses to addresses that hosts cannot have: prints the signal and the address that each is said to have had. */
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>

static sigjmp_buf back;

static void handler(int number, siginfo_t *info, void *context) {
  (void)context;
  printf(" %d %d %#llx", number, info->si_code, (unsigned long long)(uintptr_t)info->si_addr);
  siglongjmp(back, 1);
}

#define ACCESS(type)                                                                                      \
  static __attribute__((noinline)) void load_##type(uintptr_t at) { *(volatile type *)at; }               \
  static __attribute__((noinline)) void store_##type(uintptr_t at) { *(volatile type *)at = (type)at; }   \
  static __attribute__((noinline)) void change_##type(uintptr_t at) { *(volatile type *)at += (type)at; }

ACCESS(uint8_t)
ACCESS(int16_t)
ACCESS(uint32_t)
ACCESS(uint64_t)
ACCESS(float)
ACCESS(double)

#define THREE(type) load_##type, store_##type, change_##type
static void (*const accesses[])(uintptr_t) = {THREE(uint8_t),  THREE(int16_t), THREE(uint32_t),
                                              THREE(uint64_t), THREE(float),   THREE(double)};

int main(int count, char **arguments) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &action, 0);
  sigaction(SIGBUS, &action, 0);
  for (int i = 1; i < count; i++) {
    unsigned long long address;
    sscanf(arguments[i], "%llx", &address);
    for (volatile unsigned k = 0; k < sizeof accesses / sizeof *accesses; k++)
      if (sigsetjmp(back, 1) == 0) accesses[k]((uintptr_t)address);
    puts("");
  }
  return 0;
}
