// Prints what Linux says of the CPU: AT_HWCAP, and identification registers as it emulates them.
#include <stdio.h>
#include <sys/auxv.h>

#define SHOW(name, register)                                \
  do {                                                      \
    unsigned long value;                                    \
    __asm__ volatile("mrs %0, " register : "=r"(value));    \
    printf("%s %#lx\n", name, value);                       \
  } while (0)

int main(void) {
  printf("hwcap %#lx %#lx\n", getauxval(AT_HWCAP), getauxval(AT_HWCAP2));
  SHOW("midr", "s3_0_c0_c0_0");
  SHOW("pfr0", "s3_0_c0_c4_0");
  SHOW("pfr1", "s3_0_c0_c4_1");
  SHOW("isar0", "s3_0_c0_c6_0");
  SHOW("isar1", "s3_0_c0_c6_1");
  SHOW("isar2", "s3_0_c0_c6_2");
  SHOW("mmfr0", "s3_0_c0_c7_0");
  SHOW("mmfr2", "s3_0_c0_c7_2");
  SHOW("ctr", "ctr_el0");
  SHOW("dczid", "dczid_el0");
  return 0;
}
