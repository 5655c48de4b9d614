/* Calls of the old EABI that the C library does not make any more: numbers as the kernel has them. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NICE = 34, SIGACTION = 67, SIGSUSPEND = 72, SIGPENDING = 73, SIGPROCMASK = 126, GETDENTS = 141 };

struct old_action {
  void (*handler)(int);
  unsigned mask, flags;
  void (*restorer)(void);
};

static volatile int seen;
static unsigned mask_inside;

static void handler(int signal) {
  seen = signal;
  syscall(SIGPROCMASK, SIG_BLOCK, 0, &mask_inside);
}
static long result(long r) { return r < 0 ? -errno : r; }

static void signals(void) {
  struct old_action action = {handler, 1u << (SIGUSR2 - 1), SA_RESTART, 0}, old;
  unsigned set = 1u << (SIGUSR1 - 1), before = 7, pending = 0, none = 0;
  printf("sigaction %ld\n", result(syscall(SIGACTION, SIGUSR1, &action, 0)));
  printf("sigaction query %ld", result(syscall(SIGACTION, SIGUSR1, 0, &old)));
  printf(" %d %x %x\n", old.handler == handler, old.mask, old.flags & SA_RESTART);
  printf("sigaction bad %ld %ld\n", result(syscall(SIGACTION, 65, &action, 0)), result(syscall(SIGACTION, SIGKILL, &action, 0)));
  printf("sigaction fault %ld\n", result(syscall(SIGACTION, SIGUSR1, 16, 0)));
  printf("sigprocmask %ld %x\n", result(syscall(SIGPROCMASK, SIG_BLOCK, &set, &before)), before);
  kill(getpid(), SIGUSR1);
  printf("sigpending %ld %x %d\n", result(syscall(SIGPENDING, &pending)), pending, seen);
  printf("sigsuspend %ld %d %x\n", result(syscall(SIGSUSPEND, 0, 0, 0)), seen == SIGUSR1, mask_inside);
  printf("sigprocmask after %ld %x\n", result(syscall(SIGPROCMASK, SIG_SETMASK, &none, &before)), before);
  printf("sigprocmask bad %ld\n", result(syscall(SIGPROCMASK, 9, &none, 0)));
  sigset_t high, found;
  sigemptyset(&high);
  sigaddset(&high, 40);
  sigprocmask(SIG_BLOCK, &high, 0);
  syscall(SIGPROCMASK, SIG_SETMASK, &none, 0);
  sigprocmask(SIG_SETMASK, 0, &found);
  printf("high signals stay %d\n", sigismember(&found, 40));
}

static int by_text(const void *a, const void *b) { return strcmp(a, b); }

static void directory(unsigned room) {
  static char names[64][280];
  static char buffer[8192];
  int count = 0, fd = open(".", O_RDONLY | O_DIRECTORY);
  for (;;) {
    long got = syscall(GETDENTS, fd, buffer, room);
    if (got <= 0) {
      printf("getdents %u ends with %ld\n", room, result(got));
      break;
    }
    for (long at = 0; at < got;) {
      unsigned short bytes = *(unsigned short *)(buffer + at + 8);
      snprintf(names[count++], sizeof names[0], "%s %d %d", buffer + at + 10, buffer[at + bytes - 1], bytes);
      at += bytes;
    }
  }
  close(fd);
  qsort(names, count, sizeof names[0], by_text);
  for (int i = 0; i < count; i++) printf("  %s\n", names[i]);
}

int main(void) {
  char longest[256];
  memset(longest, 'n', 255);
  longest[255] = 0;
  signals();
  for (const char **name = (const char *[]){"a", "bb", "ccc", "dddd", "eeeee", "ffffff", longest, 0}; *name; name++)
    close(open(*name, O_CREAT | O_WRONLY, 0600));
  mkdir("g", 0700);
  directory(8192);
  directory(280);
  directory(8);
  printf("getdents bad %ld\n", result(syscall(GETDENTS, -1, longest, sizeof longest)));
  int start = getpriority(PRIO_PROCESS, 0), more = start + 1 > 19 ? 19 : start + 1;
  printf("nice %ld", result(syscall(NICE, 1)));
  printf(" %d\n", getpriority(PRIO_PROCESS, 0) == more);
  printf("nice %ld", result(syscall(NICE, 1000)));
  printf(" %d\n", getpriority(PRIO_PROCESS, 0));
  return 0;
}
