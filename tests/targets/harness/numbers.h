/* Numbers of system calls that runner.c makes, on the architectures that have Linux's generic table. */
enum {
  NR_ftruncate = 46, NR_read = 63, NR_write = 64, NR_exit = 93, NR_sigaltstack = 132, NR_rt_sigaction = 134,
  NR_mmap = 222, NR_mprotect = 226, NR_memfd_create = 279,
};
