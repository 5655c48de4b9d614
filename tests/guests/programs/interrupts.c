/* Signals that interrupt blocking calls: none may be lost. `interrupts ROUNDS`: a child sends, one by one, and waits for each to be handled. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t handled;
static int answer[2];

static void on_signal(int number) {
  (void)number;
  ++handled;
  write(answer[1], "!", 1);
}

int main(int count, char **arguments) {
  int rounds = count > 1 ? atoi(arguments[1]) : 20000, forever[2];
  pipe(answer), pipe(forever);
  struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGUSR1, &action, NULL);
  pid_t parent = getpid(), child = fork();
  if (!child) {
    signal(SIGUSR1, SIG_DFL);
    char byte;
    for (int i = 0; i < rounds; ++i) {
      kill(parent, SIGUSR1);
      if (read(answer[0], &byte, 1) != 1) _exit(1);
    }
    write(forever[1], "e", 1);
    _exit(0);
  }
  int interrupted = 0;
  char byte;
  for (;;) {
    long got = read(forever[0], &byte, 1); /* blocks; a signal before or in it must wake it or be handled */
    if (got == 1) break;
    if (errno != EINTR) return 1;
    ++interrupted;
  }
  int status;
  waitpid(child, &status, 0);
  printf("%d handled, child %d, some interrupted %d\n", handled, status, interrupted > 0);
  return handled != rounds;
}
