/* Code that changes while it runs: written anew with cache maintenance, remapped, unmapped under the feet of another. */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__aarch64__)
static void make(uint32_t *code, int value) { /* mov w0, #value; ret */
  code[0] = 0x52800000u | (uint32_t)value << 5;
  code[1] = 0xd65f03c0u;
  __builtin___clear_cache((char *)code, (char *)(code + 2));
}
#elif defined(__riscv)
static void make(uint32_t *code, int value) { /* lui a0, upper; addi a0, a0, lower; ret */
  uint32_t upper = (uint32_t)(value + 0x800) >> 12;
  code[0] = upper << 12 | 0x00000537u;
  code[1] = (uint32_t)value << 20 | 0x00050513u;
  code[2] = 0x00008082u;
  __builtin___clear_cache((char *)code, (char *)(code + 3));
}
#elif defined(__arm__)
static void make(uint32_t *code, int value) { /* ldr r0, [pc]; bx lr; value */
  code[0] = 0xe59f0000u;
  code[1] = 0xe12fff1eu;
  code[2] = (uint32_t)value;
  __builtin___clear_cache((char *)code, (char *)(code + 3));
}
#else
#error "say how this guest returns a number"
#endif

static sigjmp_buf back;
static void on_fault(int number) { siglongjmp(back, number); }
static _Atomic int stop, calls;
static int (*_Atomic shared)(void);
static void *caller(void *argument) {
  while (!stop) {
    int value = shared();
    if (value < 1000 || value >= 3000) return argument;
    ++calls;
  }
  return NULL;
}

int main(void) {
  uint32_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int (*function)(void) = (int (*)(void))page, right = 0;
  for (int i = 0; i < 2000; ++i) {
    make(page, i);
    right += function() == i;
  }
  printf("rewritten %d\n", right);
  right = 0;
  for (int i = 0; i < 200; ++i) {
    page = mmap(page, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    make(page, i + 1);
    mprotect(page, 4096, PROT_READ | PROT_EXEC);
    right += function() == i + 1;
  }
  printf("remapped %d\n", right);
  signal(SIGSEGV, on_fault);
  if (!sigsetjmp(back, 1)) {
    munmap(page, 4096);
    function();
    puts("still there");
  } else {
    puts("gone");
  }
  page = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  make(page, 1000);
  shared = (int (*)(void))page;
  pthread_t thread;
  pthread_create(&thread, NULL, caller, (void *)1);
  for (int i = 0; i < 2000; ++i) {
    uint32_t *fresh = page + (i % 2 ? 1024 : 0);
    make(fresh, 1000 + i % 2000);
    shared = (int (*)(void))fresh;
  }
  while (calls < 100) {
  }
  stop = 1;
  void *result;
  pthread_join(thread, &result);
  printf("another thread %d\n", result == NULL);
  return 0;
}
