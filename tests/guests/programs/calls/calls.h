// System calls by name, as the architecture has them: with 64-bit times and offsets, whatever the size of a
// word.
#pragma once

#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/signal.h>
#include <linux/stat.h>
#include <linux/time.h>
#include <linux/uio.h>
#include <stdint.h>

#include "kernel.h"
#include "system.h"

#if __SIZEOF_LONG__ == 4
#define NR_clock_getres __NR_clock_getres_time64
#define NR_clock_gettime __NR_clock_gettime64
#define NR_clock_nanosleep __NR_clock_nanosleep_time64
#define NR_fcntl __NR_fcntl64
#define NR_fstatfs __NR_fstatfs64
#define NR_ftruncate __NR_ftruncate64
#define NR_futex __NR_futex_time64
#define NR_mq_timedreceive __NR_mq_timedreceive_time64
#define NR_mq_timedsend __NR_mq_timedsend_time64
#define NR_ppoll __NR_ppoll_time64
#define NR_pselect6 __NR_pselect6_time64
#define NR_recvmmsg __NR_recvmmsg_time64
#define NR_rt_sigtimedwait __NR_rt_sigtimedwait_time64
#define NR_sched_rr_get_interval __NR_sched_rr_get_interval_time64
#define NR_semtimedop __NR_semtimedop_time64
#define NR_sendfile __NR_sendfile64
#define NR_timer_gettime __NR_timer_gettime64
#define NR_timer_settime __NR_timer_settime64
#define NR_timerfd_gettime __NR_timerfd_gettime64
#define NR_timerfd_settime __NR_timerfd_settime64
#define NR_truncate __NR_truncate64
#define NR_utimensat __NR_utimensat_time64
// A 64-bit argument; one whose halves are two arguments everywhere; one that is the second or fourth.
#define WIDE(value) (uint32_t)(uint64_t)(value), (uint32_t)((uint64_t)(value) >> 32)
#define HALVES(value) WIDE(value)
#if defined(__arm__)
#define ODD_WIDE(value) 0, WIDE(value)
#define ADVISE(fd, offset, size, advice) \
  CALL(__NR_arm_fadvise64_64, fd, advice, WIDE(offset), WIDE(size))
#define __NR_llseek __NR__llseek
#else
#define ODD_WIDE(value) WIDE(value)
#define ADVISE(fd, offset, size, advice) CALL(__NR_fadvise64_64, fd, WIDE(offset), WIDE(size), advice)
#endif
#else
#define NR_clock_getres __NR_clock_getres
#define NR_clock_gettime __NR_clock_gettime
#define NR_clock_nanosleep __NR_clock_nanosleep
#define NR_fcntl __NR_fcntl
#define NR_fstatfs __NR_fstatfs
#define NR_ftruncate __NR_ftruncate
#define NR_futex __NR_futex
#define NR_mq_timedreceive __NR_mq_timedreceive
#define NR_mq_timedsend __NR_mq_timedsend
#define NR_ppoll __NR_ppoll
#define NR_pselect6 __NR_pselect6
#define NR_recvmmsg __NR_recvmmsg
#define NR_rt_sigtimedwait __NR_rt_sigtimedwait
#define NR_sched_rr_get_interval __NR_sched_rr_get_interval
#define NR_semtimedop __NR_semtimedop
#define NR_sendfile __NR_sendfile
#define NR_timer_gettime __NR_timer_gettime
#define NR_timer_settime __NR_timer_settime
#define NR_timerfd_gettime __NR_timerfd_gettime
#define NR_timerfd_settime __NR_timerfd_settime
#define NR_truncate __NR_truncate
#define NR_utimensat __NR_utimensat
#define WIDE(value) (value)
#define ODD_WIDE(value) (value)
#define HALVES(value) (value), 0
#define ADVISE(fd, offset, size, advice) CALL(__NR_fadvise64, fd, offset, size, advice)
#endif

typedef struct {
  int64_t seconds, nanoseconds;
} moment;

typedef struct {
  moment every, first;
} alarm_times;

// What a call gave, or what was found.
static inline void show(const char *name, int64_t value) {
  print(name);
  print(" ");
  print_number(value);
  print("\n");
}

static inline int64_t seek(int fd, int64_t offset, int whence) {
#if __SIZEOF_LONG__ == 4
  int64_t result = -1;
  long error = CALL(__NR_llseek, fd, (uint32_t)((uint64_t)offset >> 32), (uint32_t)offset, &result, whence);
  return error < 0 ? error : result;
#else
  return CALL(__NR_lseek, fd, offset, whence);
#endif
}

static inline moment now(int clock) {
  moment found = {0, 0};
  CALL(NR_clock_gettime, clock, &found);
  return found;
}

static inline int64_t since(moment start) {  // milliseconds
  moment end = now(CLOCK_MONOTONIC);
  return (end.seconds - start.seconds) * 1000 + (end.nanoseconds - start.nanoseconds) / 1000000;
}

#if defined(__x86_64__)
__asm__("restorer: mov $15, %eax\nsyscall\n");
extern char restorer[];
#endif

#if defined(__arm__)  // the header has a structure of long ago
#undef sa_handler
typedef struct {
  __sighandler_t sa_handler;
  unsigned long sa_flags;
  void *sa_restorer;
  uint32_t sa_mask[2];
} action_record;
#else
typedef struct sigaction action_record;
#endif

static inline long set_handler(int signal, void (*handler)(int, siginfo_t *, void *), unsigned long flags,
                               uint64_t mask) {
  action_record action;
  memset(&action, 0, sizeof action);
  action.sa_handler = (__sighandler_t)(void (*)(void))handler;
  action.sa_flags = flags | SA_SIGINFO;
#if defined(__x86_64__)
  action.sa_flags |= SA_RESTORER;
  action.sa_restorer = (__sigrestore_t)restorer;
#endif
  memcpy(&action.sa_mask, &mask, sizeof mask);
  return CALL(__NR_rt_sigaction, signal, &action, NULL, 8);
}

static inline uint64_t bit(int signal) {
  return 1ull << (signal - 1);
}

static inline uint64_t set_mask(int how, uint64_t mask) {
  uint64_t old = 0;
  CALL(__NR_rt_sigprocmask, how, &mask, &old, 8);
  return old;
}

static inline long fork_process(void) {
  return CALL(__NR_clone, SIGCHLD);
}

static inline void fail_if_negative(const char *name, long result) {
  if (result >= 0) return;
  show(name, result);
  leave(1);
}

// A file without a name.
static inline int memory_file(void) {
  int fd = (int)CALL(__NR_memfd_create, "file", 0);
  fail_if_negative("memfd_create", fd);
  return fd;
}
