// Processes: exec with arguments and environment, what is used, limits, what the machine is like.
#include <linux/resource.h>
#include <linux/utsname.h>

#include "calls.h"

typedef struct {
  long user_seconds, user_micro, system_seconds, system_micro, most, rest[13];
} usage;

typedef struct {
  long up;
  unsigned long loads[3], total, free, shared, buffers, total_swap, free_swap;
  uint16_t processes, pad;
  unsigned long total_high, free_high;
  uint32_t unit;
  char padding[20 - 2 * sizeof(long) - sizeof(int)];
} information;

static void auxiliary(long *stack) {
  char **environment = (char **)(stack + 1 + stack[0] + 1);
  show("argv ends", stack[1 + stack[0]]);
  while (*environment) environment++;
  int random = 0, page = 0, entry = 0, headers = 0, name = 0;
  for (long *aux = (long *)(environment + 1); aux[0]; aux += 2) {
    page |= aux[0] == 6 && aux[1] == 4096;
    headers |= aux[0] == 4 && aux[1] == (sizeof(long) == 4 ? 32 : 56);
    entry |= aux[0] == 9 && aux[1] != 0;
    random |= aux[0] == 25 && aux[1] != 0;
    name |= aux[0] == 31 && strlen((char *)aux[1]) > 0;
  }
  show("auxv", page + 2 * headers + 4 * entry + 8 * random + 16 * name);
  show("aligned", (intptr_t)stack & 15);
}

static void again(char **arguments, char **environment) {
  for (; *arguments; arguments++) print("argument "), print(*arguments), print("\n");
  for (; *environment; environment++) print("environment "), print(*environment), print("\n");
  leave(7);
}

static void executing(const char *self) {
  char *const arguments[] = {"again", "two words", "", NULL}, *const environment[] = {"A=1", "LONG=x y",
                                                                                      NULL};
  long child = fork_process();
  if (child == 0) {
    CALL(__NR_execve, self, arguments, environment);
    leave(1);
  }
  siginfo_t info;
  usage used;
  memset(&used, 0x55, sizeof used);
  show("waitid", CALL(__NR_waitid, 1, child, &info, 4, &used));
  show("status", info.si_status);
  show("usage",
       used.user_seconds >= 0 && used.user_seconds < 100 && used.user_micro < 1000000 && used.most >= 0);
  show("no program", CALL(__NR_execve, "/no such file", arguments, environment));
  show("bad argv", CALL(__NR_execve, self, 8, environment));
  child = CALL(__NR_clone, 0x4100 | SIGCHLD, 0);
  if (child == 0) {
    CALL(__NR_execve, self, arguments, environment + 1);
    leave(1);
  }
  show("vfork", CALL(__NR_waitid, 1, child, &info, 4, NULL));
  show("status", info.si_status);
}

static void limits(void) {
  struct {
    uint64_t now, most;
  } limit = {0, 0};
  show("prlimit64", CALL(__NR_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit));
  show("files", limit.now > 0 && limit.now <= limit.most);
  limit.now = 50;
  show("set", CALL(__NR_prlimit64, 0, RLIMIT_NOFILE, &limit, NULL));
  CALL(__NR_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit);
  show("files", (int64_t)limit.now);
  show("core", CALL(__NR_prlimit64, 0, RLIMIT_CORE, NULL, &limit));
}

static void machine(void) {
  usage used;
  show("getrusage", CALL(__NR_getrusage, 0, &used));
  show("usage", used.user_seconds >= 0 && used.user_seconds < 100 && used.system_micro >= 0 &&
                    used.most > 0 && used.most < 10000000);
  information info;
  memset(&info, 0x55, sizeof info);
  show("sysinfo", CALL(__NR_sysinfo, &info));
  uint64_t bytes = (uint64_t)info.total * info.unit;
  show("memory",
       bytes > 1 << 28 && bytes < 1ull << 45 && info.free <= info.total && info.processes > 0 && info.up > 0);
  struct new_utsname name;
  show("uname", CALL(__NR_uname, &name));
  show("linux", memcmp(name.sysname, "Linux", 6) == 0);
  unsigned long mask[32];
  long got = CALL(__NR_sched_getaffinity, 0, sizeof mask, mask);
  show("affinity", got > 0 && mask[0] != 0);
  show("setaffinity", CALL(__NR_sched_setaffinity, 0, got, mask));
  show("odd size", CALL(__NR_sched_getaffinity, 0, sizeof(long) + 1, mask));
  moment slice;
  show("interval", CALL(NR_sched_rr_get_interval, 0, &slice));
  show("slice", slice.seconds == 0 && slice.nanoseconds >= 0);
  unsigned cpu = 9999;
  show("getcpu", CALL(__NR_getcpu, &cpu, NULL, NULL));
  show("cpu", cpu < 1024);
  uint8_t random[16] = {0};
  show("getrandom", CALL(__NR_getrandom, random, sizeof random, 0));
  char title[16] = {0};
  show("prctl", CALL(__NR_prctl, 15, "a name") + CALL(__NR_prctl, 16, title));
  print(title), print("\n");
  uint32_t groups[64];
  show("getgroups", CALL(__NR_getgroups, 64, groups) >= 0);
  show("priority", CALL(__NR_getpriority, 0, 0) > 0);
}

void start(long *stack) {
  char **arguments = (char **)(stack + 1);
  if (memcmp(arguments[0], "again", 6) == 0) again(arguments, arguments + stack[0] + 1);
  auxiliary(stack);
  executing(arguments[0]);
  limits();
  machine();
  leave(0);
}
