// Sockets: messages with several buffers, descriptors and credentials that go along, options, interfaces.
#include <linux/in.h>
#include <linux/socket.h>
#include <linux/sockios.h>

#include "calls.h"

enum { kLocal = 1, kInternet = 2, kStream = 1, kDatagram = 2, kSocket = 1, kRights = 1, kCredentials = 2 };
enum { kDontWait = 0x40, kControlCut = 8 };

typedef struct {
  void *name;
  int name_bytes;
  struct iovec *pieces;
  size_t count;
  void *control;
  size_t control_bytes;
  unsigned flags;
} message;

typedef struct {
  message header;
  unsigned bytes;
} counted_message;

typedef struct {
  size_t bytes;
  int level, type;
} control;

typedef struct {  // struct ifreq, whose last member has words in it
  char name[16];
  union {
    short flags;
    int index;
    unsigned long words[sizeof(long) == 4 ? 4 : 3];
  };
} interface;

typedef struct {
  int bytes;
  interface *list;
} interface_list;

#define ALIGNED(size) (((size) + sizeof(long) - 1) / sizeof(long) * sizeof(long))

// Puts a control message at `at`; gives where the next one goes.
static size_t put(char *area, size_t at, int level, int type, const void *data, size_t size) {
  control header = {sizeof header + size, level, type};
  memcpy(area + at, &header, sizeof header);
  memcpy(area + at + sizeof header, data, size);
  return at + ALIGNED(sizeof header + size);
}

static void messages(void) {
  int pair[2], pipe[2], on = 1;
  char text[16] = {0}, area[256] __attribute__((aligned(8)));
  show("socketpair", CALL(__NR_socketpair, kLocal, kDatagram, 0, pair));
  CALL(__NR_pipe2, pipe, 0);
  struct iovec pieces[2] = {{"one ", 4}, {"message", 7}}, room[2] = {{text, 6}, {text + 6, 9}};
  message out = {NULL, 0, pieces, 2, NULL, 0, 0}, in = {NULL, 0, room, 2, NULL, 0, 99};
  show("sendmsg", CALL(__NR_sendmsg, pair[0], &out, 0));
  show("recvmsg", CALL(__NR_recvmsg, pair[1], &in, 0));
  print(text), print("\n");
  show("flags", in.flags);
  show("nothing", CALL(__NR_recvmsg, pair[1], &in, kDontWait));

  // descriptors
  size_t size = put(area, 0, kSocket, kRights, (int[]){pipe[1], pair[0], pipe[0]}, 3 * sizeof(int));
  out.control = area, out.control_bytes = size;
  show("sendmsg", CALL(__NR_sendmsg, pair[0], &out, 0));
  memset(area, 0, sizeof area);
  in.control = area, in.control_bytes = sizeof area;
  show("recvmsg", CALL(__NR_recvmsg, pair[1], &in, 0));
  control *got = (control *)area;
  int *fds = (int *)(got + 1);
  show("length", (int64_t)(got->bytes - sizeof *got));
  show("all of it", in.control_bytes == ALIGNED(got->bytes));
  show("kind", got->level * 100 + got->type);
  show("write", CALL(__NR_write, fds[0], "through", 7));
  memset(text, 0, sizeof text);
  show("read", CALL(__NR_read, pipe[0], text, 7));
  print(text), print("\n");
  for (int i = 0; i < 3; i++) CALL(__NR_close, fds[i]);

  // not enough room for all of them
  int first = fds[0];
  put(area, 0, kSocket, kRights, (int[]){pipe[1], pair[0], pipe[0]}, 3 * sizeof(int));
  CALL(__NR_sendmsg, pair[0], &out, 0);
  in.control_bytes = sizeof(control) + 2 * sizeof(int);
  show("recvmsg", CALL(__NR_recvmsg, pair[1], &in, 0));
  show("two", (int64_t)(got->bytes - sizeof *got));
  show("cut", (in.flags & kControlCut) != 0);
  show("nothing left open", CALL(__NR_close, fds[0]) == 0 && CALL(__NR_close, fds[1]) == 0 &&
                                CALL(NR_fcntl, first + 2, F_GETFD) == -EBADF);

  // credentials, and descriptors behind them
  show("setsockopt", CALL(__NR_setsockopt, pair[1], kSocket, 16, &on, sizeof on));  // SO_PASSCRED
  int identity[3] = {(int)CALL(__NR_getpid), (int)CALL(__NR_getuid), (int)CALL(__NR_getgid)};
  size = put(area, 0, kSocket, kCredentials, identity, sizeof identity);
  size = put(area, size, kSocket, kRights, pipe, sizeof(int));
  out.control_bytes = size;
  show("sendmsg", CALL(__NR_sendmsg, pair[0], &out, 0));
  memset(area, 0, sizeof area);
  in.control_bytes = sizeof area;
  show("recvmsg", CALL(__NR_recvmsg, pair[1], &in, 0));
  int kinds = 0, same = 0;
  for (size_t at = 0; at + sizeof *got <= in.control_bytes;) {
    got = (control *)(area + at);
    kinds = kinds * 10 + got->type;
    if (got->type == kCredentials) same = memcmp(got + 1, identity, sizeof identity) == 0;
    at += ALIGNED(got->bytes);
  }
  show("both", kinds == 12 || kinds == 21);
  show("same", same);
  ((control *)area)->bytes = 3;
  show("bad length", CALL(__NR_sendmsg, pair[0], &out, 0));
  out.control = NULL, out.control_bytes = 0, out.count = 2000;
  show("too many pieces", CALL(__NR_sendmsg, pair[0], &out, 0));
}

static void several(void) {
  int pair[2];
  char texts[3][8] = {{0}};
  CALL(__NR_socketpair, kLocal, kDatagram, 0, pair);
  struct iovec out[3] = {{"a", 1}, {"bcd", 3}, {"ef", 2}},
               in[3] = {{texts[0], 7}, {texts[1], 7}, {texts[2], 7}};
  counted_message sent[3], got[3];
  memset(sent, 0, sizeof sent), memset(got, 0, sizeof got);
  for (int i = 0; i < 3; i++) {
    sent[i].header.pieces = out + i, sent[i].header.count = 1;
    got[i].header.pieces = in + i, got[i].header.count = 1;
  }
  show("sendmmsg", CALL(__NR_sendmmsg, pair[0], sent, 3, 0));
  show("bytes", sent[0].bytes * 100 + sent[1].bytes * 10 + sent[2].bytes);
  moment soon = {0, 1000000};
  show("recvmmsg", CALL(NR_recvmmsg, pair[1], got, 3, kDontWait, &soon));
  show("bytes", got[0].bytes * 100 + got[1].bytes * 10 + got[2].bytes);
  for (int i = 0; i < 3; i++) print(texts[i]), print("\n");
}

static void internet(void) {
  struct sockaddr_in address = {kInternet, 0, {__builtin_bswap32(0x7f000001)}, {0}}, from;
  int size = sizeof address, a = (int)CALL(__NR_socket, kInternet, kDatagram, 0),
      b = (int)CALL(__NR_socket, kInternet, kDatagram, 0);
  char text[8] = {0};
  show("bind", CALL(__NR_bind, a, &address, sizeof address));
  show("getsockname", CALL(__NR_getsockname, a, &address, &size));
  show("size", size);
  show("sendto", CALL(__NR_sendto, b, "packet", 6, 0, &address, sizeof address));
  size = sizeof from;
  show("recvfrom", CALL(__NR_recvfrom, a, text, sizeof text, 0, &from, &size));
  show("from", from.sin_family * 100 + size);
  int64_t new_time[2] = {0, 30000};
  long old_time[2] = {1, 500000};
  show("timeout", CALL(__NR_setsockopt, a, kSocket, 66, new_time, sizeof new_time));  // SO_RCVTIMEO_NEW
  moment start = now(CLOCK_MONOTONIC);
  show("recvfrom", CALL(__NR_recvfrom, a, text, sizeof text, 0, NULL, NULL));
  show("waited", since(start) >= 25);
  show("timeout in words", CALL(__NR_setsockopt, a, kSocket, 20, old_time, sizeof old_time));
  size = sizeof new_time;
  show("getsockopt", CALL(__NR_getsockopt, a, kSocket, 66, new_time, &size));
  show("time", new_time[0] * 1000000 + new_time[1] + size);
  size = sizeof old_time, old_time[0] = old_time[1] = 0;
  show("getsockopt", CALL(__NR_getsockopt, a, kSocket, 20, old_time, &size));
  show("time", old_time[0] * 1000000 + old_time[1]);
  show("all of it", size == sizeof old_time);

  // a packet's time, in words
  int on = 1;
  char area[128] __attribute__((aligned(8)));
  struct iovec room = {text, sizeof text};
  message in = {&from, sizeof from, &room, 1, area, sizeof area, 0};
  show("timestamps", CALL(__NR_setsockopt, a, kSocket, 29, &on, sizeof on));  // SO_TIMESTAMP_OLD
  CALL(__NR_sendto, b, "packet", 6, 0, &address, sizeof address);
  show("recvmsg", CALL(__NR_recvmsg, a, &in, 0));
  control *got = (control *)area;
  long *stamp = (long *)(got + 1);
  show("kind", got->level * 100 + got->type);
  show("size", got->bytes == sizeof *got + 2 * sizeof(long));
  show("time", stamp[0] > 1600000000 && stamp[1] >= 0 && stamp[1] < 1000000);
  show("name", in.name_bytes);
}

static void interfaces(void) {
  int fd = (int)CALL(__NR_socket, kInternet, kDatagram, 0), found = 0;
  interface list[16], one = {"lo", {0}};
  interface_list all = {sizeof list, list};
  show("index", CALL(__NR_ioctl, fd, SIOCGIFINDEX, &one));
  show("is", one.index);
  show("flags", CALL(__NR_ioctl, fd, SIOCGIFFLAGS, &one));
  show("loops", (one.flags & 8) != 0);
  show("list", CALL(__NR_ioctl, fd, SIOCGIFCONF, &all));
  for (unsigned i = 0; i < (unsigned)all.bytes / sizeof *list; i++)
    found |= memcmp(list[i].name, "lo", 3) == 0;
  show("found", found);
  show("whole", all.bytes % (int)sizeof *list);
  show("no interface", CALL(__NR_ioctl, fd, SIOCGIFMTU, memcpy(&one, "nothing", 8)));
}

void start(long *stack) {
  (void)stack;
  messages();
  several();
  internet();
  interfaces();
  leave(0);
}
