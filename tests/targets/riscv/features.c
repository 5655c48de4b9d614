// Prints what Linux says of the CPU: AT_HWCAP, and riscv_hwprobe's values.
#include <stdint.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <unistd.h>

struct pair {
  int64_t key;
  uint64_t value;
};

static long hwprobe(struct pair *pairs, long count, long set_bytes, void *set, long flags) {
  return syscall(258, pairs, count, set_bytes, set, flags);
}

// What QEMU 10.0 knows of IMA_EXT_0 too: not ZIHINTPAUSE, nor what C is made of; it has ZIHINTNTL in all its models.
static const uint64_t kKnown = 0x8ffffffff ^ 1 << 29;

int main(void) {
  struct pair pairs[9];
  uint64_t none = 0, one = 1;
  printf("hwcap %#lx %#lx\n", getauxval(AT_HWCAP), getauxval(AT_HWCAP2));
  for (int key = 0; key < 7; key++) pairs[key].key = key;
  pairs[7].key = 1000;
  pairs[8].key = -7;
  printf("all: %ld\n", hwprobe(pairs, 9, 0, NULL, 0));
  for (int i = 3; i < 9; i++)  // who made it is nobody's business
    if (i != 5) printf("%ld: %#lx\n", (long)pairs[i].key, (unsigned long)(i == 4 ? pairs[i].value & kKnown : pairs[i].value));
  printf("one CPU: %ld\n", hwprobe(pairs, 4, sizeof one, &one, 0));
  printf("no CPU: %ld\n", hwprobe(pairs, 4, sizeof none, &none, 0));
  printf("bad flags: %ld\n", hwprobe(pairs, 4, 0, NULL, 6));
  printf("bad address: %ld\n", hwprobe((struct pair *)16, 1, 0, NULL, 0));
  return 0;
}
