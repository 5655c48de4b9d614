// The address space: mappings and where they go, files, growth, moves, the break.
#include <linux/mman.h>

#include "calls.h"

#define PAGE 4096

static char *map(void *address, size_t size, int protection, int flags, int fd, int64_t offset) {
#if __SIZEOF_LONG__ == 4
  return (char *)CALL(__NR_mmap2, address, size, protection, flags, fd, (uint32_t)(offset >> 12));
#else
  return (char *)CALL(__NR_mmap, address, size, protection, flags, fd, offset);
#endif
}

static int failed(const char *address) {
  return (unsigned long)address > -4096ul;
}

static void anonymous(void) {
  enum { kMost = 200 };
  static char *places[kMost];
  int good = 0, apart = 1;
  for (int i = 0; i < kMost; i++) {
    places[i] = map(NULL, (size_t)PAGE * (1 + (size_t)i % 7), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    good += !failed(places[i]);
    *places[i] = (char)i;
  }
  for (int i = 0; i < kMost; i++) apart &= *places[i] == (char)i;
  show("mapped", good);
  show("apart", apart);
  for (int i = 0; i < kMost; i += 2) CALL(__NR_munmap, places[i], PAGE * (1 + i % 7));
  char *big = map(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  show("big", !failed(big));
  big[50 << 20] = 1;
  show("unmapped", CALL(__NR_munmap, big, 64 << 20));
  show("unmapped again", CALL(__NR_munmap, big, 64 << 20));
  show("no size", (long)map(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  show("too big",
       (long)map(NULL, (size_t)-2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  char *hint = map((void *)0x30000000, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  show("hint", hint == (char *)0x30000000);
  char *other = map(hint, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  show("taken", other != hint && !failed(other));
  show("not replaced",
       (long)map(hint, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
  *hint = 5;
  show("replaced",
       map(hint, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == hint && *hint == 0);
}

static void files(void) {
  int fd = memory_file();
  int64_t far = 0x140000000;
  show("ftruncate", CALL(NR_ftruncate, fd, ODD_WIDE(far + 2 * PAGE)));
  char *shared = map(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, far), text[8] = {0};
  show("shared", !failed(shared));
  memcpy(shared + PAGE, "mapped", 6);
  show("pread", CALL(__NR_pread64, fd, text, 6, ODD_WIDE(far + PAGE)));
  print(text), print("\n");
  char *private = map(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, far + PAGE);
  private[0] = 'M';
  show("private", shared[PAGE] == 'm' && private[1] == 'a');
  show("msync", CALL(__NR_msync, shared, 2 * PAGE, 4));
  show("no file", (long)map(NULL, PAGE, PROT_READ, MAP_SHARED, 999, 0));
}

static void moves(void) {
  char *first = map(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < 4; i++) first[i * PAGE] = (char)(i + 1);
  map(first + 4 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);  // in the way
  show("cannot grow", CALL(__NR_mremap, first, 4 * PAGE, 8 * PAGE, 0));
  char *moved = (char *)CALL(__NR_mremap, first, 4 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
  show("moved", !failed(moved) && moved != first);
  show("kept", moved[0] + moved[PAGE] * 10 + moved[2 * PAGE] * 100 + moved[3 * PAGE] * 1000);
  moved[60 * PAGE] = 9;
  show("shrunk", (char *)CALL(__NR_mremap, moved, 64 * PAGE, 2 * PAGE, 0) == moved);
  show("gone", CALL(__NR_mremap, moved + 10 * PAGE, PAGE, PAGE, 0));
  char *fixed =
      (char *)CALL(__NR_mremap, moved, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, 0x28000000);
  show("fixed", fixed == (char *)0x28000000 && fixed[PAGE] == 2);
  show("madvise", CALL(__NR_madvise, fixed, 2 * PAGE, 4));
  show("empty", fixed[PAGE]);
  show("mincore", CALL(__NR_mincore, fixed, 2 * PAGE, (uint8_t[2]){0}));
  show("mlock", CALL(__NR_mlock, fixed, PAGE));
}

static void the_break(void) {
  char *start = (char *)CALL(__NR_brk, 0);
  show("brk", start != NULL && (unsigned long)start < -4096ul);
  char *end = (char *)CALL(__NR_brk, start + 100000);
  show("grown", end == start + 100000);
  for (int i = 0; i < 100000; i += 1000) start[i] = 1;
  show("shrunk", (char *)CALL(__NR_brk, start + 10) == start + 10);
  show("not below", (char *)CALL(__NR_brk, PAGE) == start + 10);
}

static void protection(void) {
  char *area = map(NULL, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int pipe[2];
  CALL(__NR_pipe2, pipe, 0);
  show("not readable", CALL(__NR_write, pipe[1], area, 4));
  show("mprotect", CALL(__NR_mprotect, area + PAGE, PAGE, PROT_READ));
  show("readable", CALL(__NR_write, pipe[1], area + PAGE, 4));
  show("not writable", CALL(__NR_read, pipe[0], area + PAGE, 4));
  show("unaligned", CALL(__NR_mprotect, area + 1, PAGE, PROT_READ));
  struct iovec here = {area, 4}, there = {area + PAGE, 4};
  CALL(__NR_mprotect, area, PAGE, PROT_READ | PROT_WRITE);
  show("process_vm_readv", CALL(__NR_process_vm_readv, CALL(__NR_getpid), &here, 1, &there, 1, 0));
}

void start(long *stack) {
  (void)stack;
  anonymous();
  files();
  moves();
  the_break();
  protection();
  leave(0);
}
