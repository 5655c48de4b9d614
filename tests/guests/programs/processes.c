/* `processes ROUNDS`: fork and exit, posix_spawn, vfork, exec, wait statuses, environment. */
#define _GNU_SOURCE
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int main(int count, char **arguments) {
  if (count > 2 && !strcmp(arguments[1], "child")) return atoi(arguments[2]) + (getenv("ADDED") != NULL);
  int rounds = count > 1 ? atoi(arguments[1]) : 100, status, sum = 0;
  int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < rounds; ++i) {
    pid_t child = fork();
    if (!child) {
      ++*shared;
      _exit(i % 100);
    }
    waitpid(child, &status, 0);
    sum += WEXITSTATUS(status);
  }
  printf("forked %d %d\n", sum, *shared);
  sum = 0;
  for (int i = 0; i < rounds; ++i) {
    char number[12];
    snprintf(number, sizeof number, "%d", i % 50);
    pid_t child;
    char *argv[] = {"processes", "child", number, NULL};
    if (posix_spawn(&child, "/proc/self/exe", NULL, NULL, argv, environ)) return 1;
    waitpid(child, &status, 0);
    sum += WEXITSTATUS(status);
  }
  printf("spawned %d\n", sum);
  pid_t child;
  printf("missing %d\n", posix_spawn(&child, "/nonexistent", NULL, NULL, arguments, environ) == ENOENT);
  volatile int seen = 0;
  child = vfork();
  if (!child) {
    seen = 1;
    _exit(9);
  }
  waitpid(child, &status, 0);
  printf("vfork %d status %d\n", seen, WEXITSTATUS(status));
  fflush(stdout);
  child = fork();
  if (!child) {
    char *argv[] = {"processes", "child", "20", NULL}, *environment[] = {"ADDED=1", NULL};
    execve("/proc/self/exe", argv, environment);
    _exit(1);
  }
  waitpid(child, &status, 0);
  printf("exec %d\n", WEXITSTATUS(status));
  execl("/etc", "etc", NULL);
  printf("directory %d\n", errno);
  FILE *pipe = popen("echo from popen; exit 3", "r");
  char line[64] = "";
  if (pipe) fgets(line, sizeof line, pipe), status = pclose(pipe);
  printf("%s%d\n", line, WEXITSTATUS(status));
  printf("system %d\n", WEXITSTATUS(system("exit 5")));
  siginfo_t info = {0};
  child = fork();
  if (!child) _exit(6);
  waitid(P_PID, (id_t)child, &info, WEXITED);
  printf("waitid %d %d\n", info.si_status, info.si_code == CLD_EXITED);
  return 0;
}
