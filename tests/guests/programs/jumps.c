/* setjmp, longjmp, sigsetjmp, alternative stacks of execution by ucontext. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

static jmp_buf target;
static ucontext_t home, there;
static int visits;

static void deep(int n) {
  volatile char pad[64];
  pad[0] = (char)n;
  if (!n) longjmp(target, 42);
  deep(n - 1);
  pad[1] = 1;
}

static void coroutine(void) {
  for (;;) {
    ++visits;
    swapcontext(&there, &home);
  }
}

int main(void) {
  volatile int round = 0;
  int value = setjmp(target);
  if (round < 1000) {
    ++round;
    deep(round % 50);
  }
  printf("%d rounds, value %d\n", round, value);
  getcontext(&there);
  there.uc_stack.ss_sp = malloc(65536);
  there.uc_stack.ss_size = 65536;
  makecontext(&there, coroutine, 0);
  for (int i = 0; i < 100; ++i) swapcontext(&home, &there);
  printf("%d visits\n", visits);
  return 0;
}
