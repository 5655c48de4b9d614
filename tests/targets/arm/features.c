/* What programs see of the CPU model. */
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/utsname.h>

int main(void) {
  struct utsname name;
  uname(&name);
  printf("machine %s\nplatform %s\n", name.machine, (const char *)getauxval(AT_PLATFORM));
  printf("hwcap %lx\nhwcap2 %lx\n", getauxval(AT_HWCAP), getauxval(AT_HWCAP2));
  FILE *file = fopen("/proc/cpuinfo", "r");
  for (char line[512]; file && fgets(line, sizeof line, file) && *line != '\n';) fputs(line, stdout);
  return 0;
}
