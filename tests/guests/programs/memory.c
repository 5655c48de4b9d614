/* malloc, realloc, mmap, mprotect, mremap, brk, qsort, bsearch. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int ascending(const void *a, const void *b) { return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b); }

int main(void) {
  enum { kBlocks = 3000 };
  static char *blocks[kBlocks];
  uint32_t seed = 1, sum = 0;
  for (int round = 0; round < 30000; ++round) {
    seed = seed * 1664525 + 1013904223;
    int i = (int)(seed >> 8) % kBlocks;
    size_t size = (seed >> 20) % 5000 + 1;
    if (blocks[i]) sum += (unsigned char)blocks[i][0];
    blocks[i] = realloc(blocks[i], size);
    memset(blocks[i], (int)(seed >> 16), size);
  }
  for (int i = 0; i < kBlocks; ++i) free(blocks[i]);
  printf("malloc %u\n", sum);
  int *numbers = malloc(100000 * sizeof *numbers);
  for (int i = 0; i < 100000; ++i) numbers[i] = (int)(seed = seed * 1664525 + 1013904223);
  qsort(numbers, 100000, sizeof *numbers, ascending);
  int ordered = 1;
  for (int i = 1; i < 100000; ++i) ordered &= numbers[i - 1] <= numbers[i];
  printf("qsort %d %d\n", ordered, bsearch(&numbers[777], numbers, 100000, sizeof *numbers, ascending) != NULL);
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  char *area = mmap(NULL, 16 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  strcpy(area + 15 * page, "last");
  printf("mprotect %d munmap %d\n", mprotect(area, page, PROT_READ), munmap(area + page, page));
  area = mremap(area + 2 * page, 14 * page, 40 * page, MREMAP_MAYMOVE);
  printf("mremap %s\n", area + 13 * page);
  char *fixed = mmap((void *)0x10000000, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  printf("fixed %p\n", (void *)fixed);
  errno = 0;
  printf("bad %d", mmap((void *)1, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED);
  printf(" %d\n", errno);
  char *start = sbrk(0);
  sbrk(1 << 20);
  start[(1 << 20) - 1] = 5;
  printf("brk %d\n", (int)((char *)sbrk(0) - start));
  printf("terabytes %d\n", malloc((size_t)1 << (sizeof(size_t) == 8 ? 46 : 31)) == NULL);
  printf("write %d", (int)write(1, (void *)16, 5));
  printf(" %d\n", errno == EFAULT);
  return 0;
}
