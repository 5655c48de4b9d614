// Runs all kernels, or those whose names are given, and prints a line for each: its name and its checksum.
#include "kernel.h"
#include "system.h"

extern const kernel __start_kernels[], __stop_kernels[];

static int wanted(const char *name, char **names) {
  if (!*names) return 1;
  for (; *names; names++)
    if (strlen(*names) == strlen(name) && memcmp(*names, name, strlen(name)) == 0) return 1;
  return 0;
}

void start(long *stack) {
  char **names = (char **)(stack + 2);
  for (const kernel *k = __start_kernels; k < __stop_kernels; k++) {
    if (!wanted(k->name, names)) continue;
    print(k->name);
    print(" ");
    print_hex(k->run());
    print("\n");
  }
  leave(0);
}
