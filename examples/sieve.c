#include "freestanding.h"

enum { kLimit = 2000000 };
static unsigned char composite[kLimit];

void _start(void) {
  unsigned long count = 0;
  for (unsigned long i = 2; i < kLimit; ++i) {
    if (composite[i]) continue;
    ++count;
    for (unsigned long j = i * i; j < kLimit; j += i) composite[j] = 1;
  }
  print_number(count);
  print(" primes below ");
  print_number(kLimit);
  print("\n");
  leave(0);
}
