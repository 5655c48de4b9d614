// Clocks, sleeping, timers of three kinds, times of files.
#include <linux/timerfd.h>

#include "calls.h"

static volatile int signals;
static volatile intptr_t value;

static void count(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)context;
  signals++;
  value = info->si_code == SI_TIMER ? (intptr_t)info->si_value.sival_ptr : -1;
}

static int sane(moment m) {
  return m.seconds > 0 && m.nanoseconds >= 0 && m.nanoseconds < 1000000000;
}

static void clocks(void) {
  moment m;
  show("realtime", sane(now(CLOCK_REALTIME)));
  show("monotonic", sane(now(CLOCK_MONOTONIC)));
  show("getres", CALL(NR_clock_getres, CLOCK_MONOTONIC, &m));
  show("resolution", m.seconds == 0 && m.nanoseconds > 0 && m.nanoseconds <= 10000000);
  show("getres without a place", CALL(NR_clock_getres, CLOCK_MONOTONIC, NULL));
  show("bad clock", CALL(NR_clock_gettime, 99, &m));
  show("bad address", CALL(NR_clock_gettime, CLOCK_REALTIME, 8));
  struct {
    long user, system, children_user, children_system;
  } t;
  show("times", CALL(__NR_times, &t) != 0 && t.user >= 0 && t.children_user == 0);
}

static void sleeping(void) {
  moment start = now(CLOCK_MONOTONIC), m = {0, 20000000}, left = {7, 7};
  show("clock_nanosleep", CALL(NR_clock_nanosleep, CLOCK_MONOTONIC, 0, &m, &left));
  show("slept", since(start) >= 20 && since(start) < 5000);
  show("left untouched", left.seconds == 7 && left.nanoseconds == 7);
  m = start, m.seconds += 0, m.nanoseconds += 40000000;
  if (m.nanoseconds >= 1000000000) m.seconds++, m.nanoseconds -= 1000000000;
  show("until", CALL(NR_clock_nanosleep, CLOCK_MONOTONIC, 1, &m, NULL));
  show("slept until", since(start) >= 40);
  m = (moment){0, 1000000000};
  show("too many nanoseconds", CALL(NR_clock_nanosleep, CLOCK_MONOTONIC, 0, &m, NULL));
  m = (moment){-1, 0};
  show("negative", CALL(NR_clock_nanosleep, CLOCK_MONOTONIC, 0, &m, NULL));
  show("no time", CALL(NR_clock_nanosleep, CLOCK_MONOTONIC, 0, 8, NULL));
#if __SIZEOF_LONG__ == 4
  m = (moment){0, 1000 | 5ll << 32};  // the upper half of the nanoseconds is padding
#else
  m = (moment){0, 1000};
#endif
  show("padding", CALL(NR_clock_nanosleep, CLOCK_MONOTONIC, 0, &m, NULL));
}

static void interval_timer(void) {
  struct {
    long every_seconds, every_microseconds, seconds, microseconds;
  } set = {0, 0, 0, 30000}, old = {9, 9, 9, 9};
  set_handler(SIGALRM, count, 0, 0);
  show("setitimer", CALL(__NR_setitimer, 0, &set, &old));
  show("old", old.seconds + old.microseconds);
  show("getitimer", CALL(__NR_getitimer, 0, &old));
  show("running", old.seconds == 0 && old.microseconds > 0 && old.microseconds <= 30000);
  moment m = {10, 0}, left = {0, 0};
  show("interrupted", CALL(NR_clock_nanosleep, CLOCK_MONOTONIC, 0, &m, &left));
  show("left", left.seconds == 9 && left.nanoseconds > 0 && left.nanoseconds < 1000000000);
  show("signals", signals);
}

static void posix_timer(void) {
  sigevent_t event;
  int timer = -1;
  memset(&event, 0, sizeof event);
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGUSR1;
  event.sigev_value.sival_ptr = (void *)0x12345678;
  signals = 0;
  set_handler(SIGUSR1, count, 0, 0);
  show("timer_create", CALL(__NR_timer_create, CLOCK_MONOTONIC, &event, &timer));
  alarm_times set = {{0, 0}, {0, 10000000}}, old = {{1, 1}, {1, 1}};
  show("timer_settime", CALL(NR_timer_settime, timer, 0, &set, &old));
  show("old", old.first.seconds + old.first.nanoseconds + old.every.seconds);
  moment m = {10, 0};
  show("interrupted", CALL(NR_clock_nanosleep, CLOCK_MONOTONIC, 0, &m, NULL));
  show("value", value);
  set = (alarm_times){{5, 3}, {100, 0}};
  show("settime", CALL(NR_timer_settime, timer, 0, &set, NULL));
  show("timer_gettime", CALL(NR_timer_gettime, timer, &old));
  show("every", old.every.seconds * 10 + old.every.nanoseconds);
  show("first", old.first.seconds == 99 && old.first.nanoseconds > 0);
  show("overrun", CALL(__NR_timer_getoverrun, timer));
  show("timer_delete", CALL(__NR_timer_delete, timer));
  show("by default", CALL(__NR_timer_create, CLOCK_MONOTONIC, NULL, &timer));
  CALL(__NR_timer_delete, timer);
}

static void timer_descriptor(void) {
  int fd = (int)CALL(__NR_timerfd_create, CLOCK_MONOTONIC, 0);
  alarm_times set = {{0, 5000000}, {0, 1000000}}, got;
  uint64_t count = 0;
  show("timerfd_settime", CALL(NR_timerfd_settime, fd, 0, &set, NULL));
  show("read", CALL(__NR_read, fd, &count, 8));
  show("expired", count > 0);
  show("timerfd_gettime", CALL(NR_timerfd_gettime, fd, &got));
  show("every", got.every.seconds * 1000 + got.every.nanoseconds);
}

static void file_times(void) {
  int fd = memory_file();
  moment m[2] = {{1000000000, 123}, {5000000000, 456}};
  struct statx status;
  show("utimensat", CALL(NR_utimensat, fd, NULL, m, 0));
  show("statx", CALL(__NR_statx, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &status));
  show("access", status.stx_atime.tv_sec * 1000 + status.stx_atime.tv_nsec);
  show("change", status.stx_mtime.tv_sec * 1000 + status.stx_mtime.tv_nsec);
  m[0].nanoseconds = (1 << 30) - 2, m[1].nanoseconds = (1 << 30) - 1;  // leave it, now
  show("utimensat", CALL(NR_utimensat, fd, NULL, m, 0));
  CALL(__NR_statx, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &status);
  show("access", status.stx_atime.tv_sec * 1000 + status.stx_atime.tv_nsec);
  show("now", status.stx_mtime.tv_sec > 1600000000 && status.stx_mtime.tv_sec < 5000000000);
}

void start(long *stack) {
  (void)stack;
  clocks();
  sleeping();
  interval_timer();
  posix_timer();
  timer_descriptor();
  file_times();
  leave(0);
}
