// Waiting for descriptors, with masks and times.
#include <linux/eventpoll.h>
#include <linux/poll.h>
#include <linux/signalfd.h>

#include "calls.h"

static volatile int handled;

static void note(int signal, siginfo_t *info, void *context) {
  (void)info, (void)context;
  handled = signal;
}

static void polls(int reader, int writer) {
  struct pollfd fds[2] = {{reader, POLLIN, 0}, {writer, POLLOUT, 0}};
  moment soon = {0, 20000000}, before = now(CLOCK_MONOTONIC);
  show("ppoll", CALL(NR_ppoll, fds, 2, &soon, NULL, 8));
  show("writable", fds[0].revents * 100 + fds[1].revents);
  show("time left", soon.seconds == 0 && soon.nanoseconds > 0 && soon.nanoseconds <= 20000000);
  soon = (moment){0, 20000000};
  show("timeout", CALL(NR_ppoll, fds, 1, &soon, NULL, 8));
  show("waited", since(before) >= 20);
  show("no time left", soon.seconds + soon.nanoseconds);
  uint64_t open = 0;
  set_handler(SIGUSR1, note, 0, 0);
  set_mask(SIG_BLOCK, bit(SIGUSR1));
  CALL(__NR_kill, CALL(__NR_getpid), SIGUSR1);
  show("not yet", handled);
  soon = (moment){10, 0};
  show("with a mask", CALL(NR_ppoll, fds, 1, &soon, &open, 8));
  show("signal", handled);
  show("mask again", set_mask(SIG_BLOCK, 0) == bit(SIGUSR1));
  show("bad size", CALL(NR_ppoll, fds, 1, &soon, &open, 4));
}

static void selects(int reader, int writer) {
  unsigned long in[1024 / (8 * sizeof(long))] = {0}, out[1024 / (8 * sizeof(long))] = {0};
  const unsigned bits = 8 * sizeof(long);
  int high = (int)CALL(__NR_dup3, writer, 77, 0);
  in[(unsigned)reader / bits] |= 1ul << (unsigned)reader % bits;
  out[(unsigned)high / bits] |= 1ul << (unsigned)high % bits;
  out[(unsigned)writer / bits] |= 1ul << (unsigned)writer % bits;
  moment soon = {0, 50000000};
  show("pselect6", CALL(NR_pselect6, high + 1, in, out, NULL, &soon, NULL));
  show("readable", in[(unsigned)reader / bits] != 0);
  show("writable", (out[77 / bits] >> 77 % bits & 1) * 10 +
                       (out[(unsigned)writer / bits] >> (unsigned)writer % bits & 1));
  CALL(__NR_write, writer, "x", 1);
  in[(unsigned)reader / bits] |= 1ul << (unsigned)reader % bits;
  show("pselect6", CALL(NR_pselect6, reader + 1, in, NULL, NULL, NULL, NULL));
  char c;
  CALL(__NR_read, reader, &c, 1);
  uint64_t mask = 0;
  struct {
    uint64_t *mask;
    size_t size;
  } pack = {&mask, 8};
  handled = 0;
  CALL(__NR_kill, CALL(__NR_getpid), SIGUSR1);
  soon = (moment){10, 0};
  show("with a mask", CALL(NR_pselect6, 0, NULL, NULL, NULL, &soon, &pack));
  show("signal", handled);
  set_mask(SIG_SETMASK, 0);
  soon = (moment){0, 1000000};
  show("timeout", CALL(NR_pselect6, reader + 1, in, NULL, NULL, &soon, NULL));
  show("none", in[(unsigned)reader / bits] != 0);
  CALL(__NR_close, high);
  in[77 / bits] |= 1ul << 77 % bits;
  show("closed", CALL(NR_pselect6, 78, in, NULL, NULL, &soon, NULL));
}

static void epolls(int reader, int writer) {
  int fd = (int)CALL(__NR_epoll_create1, 0);
  struct epoll_event event = {EPOLLIN, 0x1122334455667788}, got[4];
  show("epoll_ctl", CALL(__NR_epoll_ctl, fd, EPOLL_CTL_ADD, reader, &event));
  event.events = EPOLLOUT, event.data = 0xfedcba9876543210;
  show("epoll_ctl", CALL(__NR_epoll_ctl, fd, EPOLL_CTL_ADD, writer, &event));
  CALL(__NR_write, writer, "x", 1);
  memset(got, 0, sizeof got);
  show("epoll_pwait", CALL(__NR_epoll_pwait, fd, got, 4, 1000, NULL, 8));
  show("data", (int64_t)(got[0].data ^ got[1].data));
  show("events", got[0].events + got[1].events);
  show("data", got[2].data == 0);
  show("delete", CALL(__NR_epoll_ctl, fd, EPOLL_CTL_DEL, writer, NULL));
  char c;
  CALL(__NR_read, reader, &c, 1);
  moment soon = {0, 1000000};
  show("timeout", CALL(__NR_epoll_pwait2, fd, got, 4, &soon, NULL, 8));
}

static void descriptors(void) {
  uint64_t count = 5, mask = bit(SIGUSR2);
  int fd = (int)CALL(__NR_eventfd2, 3, 0);
  CALL(__NR_write, fd, &count, 8);
  show("eventfd", CALL(__NR_read, fd, &count, 8));
  show("count", (int64_t)count);
  set_mask(SIG_BLOCK, mask);
  fd = (int)CALL(__NR_signalfd4, -1, &mask, 8, 0);
  CALL(__NR_kill, CALL(__NR_getpid), SIGUSR2);
  struct signalfd_siginfo info;
  show("signalfd", CALL(__NR_read, fd, &info, sizeof info));
  show("signal", info.ssi_signo);
  show("sender", (int)info.ssi_pid == CALL(__NR_getpid));
}

void start(long *stack) {
  (void)stack;
  int pipe[2];
  CALL(__NR_pipe2, pipe, 0);
  polls(pipe[0], pipe[1]);
  selects(pipe[0], pipe[1]);
  epolls(pipe[0], pipe[1]);
  descriptors();
  leave(0);
}
