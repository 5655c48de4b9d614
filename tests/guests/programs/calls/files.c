// Offsets beyond 4 GiB, vectors, locks, sizes of file systems.
#include <linux/falloc.h>

#include "calls.h"

#define FAR 0x123456789ll

static void offsets(void) {
  int fd = memory_file();
  char text[8] = {0};
  show("pwrite", CALL(__NR_pwrite64, fd, "abcdef", 6, ODD_WIDE(FAR)));
  show("size", seek(fd, 0, 2));
  show("seek", seek(fd, FAR + 2, 0));
  show("read", CALL(__NR_read, fd, text, 3));
  print(text), print("\n");
  show("relative", seek(fd, -4, 1));
  show("negative", seek(fd, -1, 0));
  show("pread", CALL(__NR_pread64, fd, text, 6, ODD_WIDE(FAR)));
  print(text), print("\n");
  show("ftruncate", CALL(NR_ftruncate, fd, ODD_WIDE(2 * FAR)));
  show("size", seek(fd, 0, 2));
  show("fallocate", CALL(__NR_fallocate, fd, 0, WIDE(2 * FAR), WIDE(4096)));
  show("size", seek(fd, 0, 2));
  show("punch", CALL(__NR_fallocate, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, WIDE(FAR), WIDE(2)));
  show("pread", CALL(__NR_pread64, fd, text, 6, ODD_WIDE(FAR)));
  show("holes", text[0] == 0 && text[1] == 0 && text[2] == 'c');
  show("data", seek(fd, 0, 3) <= FAR);
  show("fadvise", ADVISE(fd, FAR, 4096, 3));
  show("readahead", CALL(__NR_readahead, fd, ODD_WIDE(FAR), 4096));
  struct statx status;
  show("statx", CALL(__NR_statx, fd, "", AT_EMPTY_PATH, STATX_SIZE, &status));
  show("size", (int64_t)status.stx_size);
  show("ftruncate", CALL(NR_ftruncate, fd, ODD_WIDE(-1ll)));
}

static void vectors(void) {
  int fd = memory_file();
  char a[4] = {0}, b[8] = {0};
  struct iovec write[3] = {{"one ", 4}, {NULL, 0}, {"two three", 9}}, read[2] = {{a, 3}, {b, 7}};
  show("writev", CALL(__NR_writev, fd, write, 3));
  seek(fd, 1, 0);
  show("readv", CALL(__NR_readv, fd, read, 2));
  print(a), print("|"), print(b), print("\n");
  show("pwritev", CALL(__NR_pwritev, fd, write, 3, HALVES(FAR)));
  show("size", seek(fd, 0, 2));
  show("preadv", CALL(__NR_preadv, fd, read, 2, HALVES(FAR)));
  print(a), print("|"), print(b), print("\n");
  show("preadv2", CALL(__NR_preadv2, fd, read, 2, HALVES(FAR), 0));
  show("none", CALL(__NR_writev, fd, write, 0));
  show("too many", CALL(__NR_writev, fd, write, 1025));
  show("bad vector", CALL(__NR_writev, fd, 8, 1));
  struct iovec bad[2] = {{"good", 4}, {(void *)8, 4}};
  show("bad buffer", CALL(__NR_writev, fd, bad + 1, 1));
}

static void copies(void) {
  int from = memory_file(), to = memory_file();
  char text[32] = {0};
  int64_t at = 2, out = 1;
  CALL(__NR_write, from, "0123456789", 10);
  show("sendfile", CALL(NR_sendfile, to, from, &at, 5));
  show("offset", at);
  show("copy_file_range", CALL(__NR_copy_file_range, from, &at, to, &out, 2, 0));
  show("offsets", at * 100 + out);
  int pipe[2];
  show("pipe2", CALL(__NR_pipe2, pipe, 0));
  at = 1;
  show("splice", CALL(__NR_splice, from, &at, pipe[1], NULL, 4, 0));
  show("offset", at);
  struct iovec piece = {"vector", 6};
  show("vmsplice", CALL(__NR_vmsplice, pipe[1], &piece, 1, 0));
  show("read", CALL(__NR_read, pipe[0], text, 20));
  print(text), print("\n");
  seek(to, 0, 0);
  memset(text, 0, sizeof text);
  CALL(__NR_read, to, text, 20);
  print(text), print("\n");
}

static void locks(void) {
  int fd = memory_file();
  struct {
    short type, whence;
    int64_t start, size;
    int pid;
  } lock = {1, 0, FAR, 100, 0};  // F_WRLCK
#if __SIZEOF_LONG__ == 4
  enum { kGet = 12, kSet = 13 };
#else
  enum { kGet = 5, kSet = 6 };
#endif
  show("lock", CALL(NR_fcntl, fd, kSet, &lock));
  long parent = CALL(__NR_getpid), child = fork_process();
  if (child == 0) {
    lock.start = 0, lock.size = 0, lock.type = 0;
    show("get", CALL(NR_fcntl, fd, kGet, &lock));
    show("type", lock.type);
    show("start", lock.start);
    show("size", lock.size);
    show("holder", lock.pid == parent);
    lock.start = FAR + 50;
    show("conflict", CALL(NR_fcntl, fd, kSet, &lock));
    leave(0);
  }
  CALL(__NR_waitid, 1, child, NULL, 4, NULL);
  lock.type = 2;
  show("unlock", CALL(NR_fcntl, fd, kSet, &lock));
}

static void file_systems(void) {
  int fd = (int)CALL(__NR_openat, AT_FDCWD, "/proc", O_RDONLY);
#if __SIZEOF_LONG__ == 4
  struct {
    uint32_t type, block;
    uint64_t blocks, free, available, files, free_files;
    int id[2];
    uint32_t name, fragment, flags, spare[4];
  } status;
  show("fstatfs", CALL(NR_fstatfs, fd, sizeof status, &status));
  show("bad size", CALL(NR_fstatfs, fd, sizeof status - 8, &status));
#else
  struct {
    long type, block, blocks, free, available, files, free_files;
    int id[2];
    long name, fragment, flags, spare[4];
  } status;
  show("fstatfs", CALL(NR_fstatfs, fd, &status));
  show("bad size", -EINVAL);
#endif
  show("type", status.type);
  show("block", status.block);
  show("name", status.name);
  show("fragment", status.fragment);
}

static void names(void) {
  char place[256];
  int directory = (int)CALL(__NR_openat, AT_FDCWD, "/", O_RDONLY);
  show("chdir", CALL(__NR_chdir, "/"));
  show("getcwd", CALL(__NR_getcwd, place, sizeof place));
  print(place), print("\n");
  show("entries", CALL(__NR_getdents64, directory, place, sizeof place) > 0);
  show("access", CALL(__NR_faccessat, AT_FDCWD, "/no such file", 0));
  show("open", CALL(__NR_openat, AT_FDCWD, "/no such file", O_RDONLY));
  show("descriptor flags", CALL(NR_fcntl, directory, F_SETFD, 1) + CALL(NR_fcntl, directory, F_GETFD));
  show("duplicate", CALL(NR_fcntl, directory, F_DUPFD, 100));
  struct {
    int type, pid;
  } owner = {2, -1};
  show("owner", CALL(NR_fcntl, directory, 16, &owner));
}

void start(long *stack) {
  (void)stack;
  offsets();
  vectors();
  copies();
  locks();
  file_systems();
  names();
  leave(0);
}
