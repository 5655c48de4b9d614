/* pipe, poll, ppoll, select, epoll, eventfd, timerfd, and sockets over loopback. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void pass_descriptor(void) {
  int pair[2], ends[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  pipe(ends);
  char control[CMSG_SPACE(sizeof(int))] = {0}, byte = 'x';
  struct iovec part = {&byte, 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET, header->cmsg_type = SCM_RIGHTS, header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &ends[1], sizeof(int));
  printf("sendmsg %d\n", (int)sendmsg(pair[0], &message, 0));
  memset(control, 0, sizeof control);
  printf("recvmsg %d\n", (int)recvmsg(pair[1], &message, 0));
  int received;
  memcpy(&received, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof received);
  write(received, "via", 3);
  char text[4] = "";
  read(ends[0], text, 3);
  printf("passed %s\n", text);
}

int main(void) {
  int ends[2];
  pipe2(ends, O_CLOEXEC);
  struct pollfd poller = {ends[0], POLLIN, 0};
  printf("poll %d\n", poll(&poller, 1, 10));
  write(ends[1], "abc", 3);
  printf("poll %d %x\n", poll(&poller, 1, 10), poller.revents);
  fd_set set;
  FD_ZERO(&set);
  FD_SET(ends[0], &set);
  struct timeval wait = {0, 10000};
  printf("select %d %d\n", select(ends[0] + 1, &set, NULL, NULL, &wait), FD_ISSET(ends[0], &set) != 0);
  int epoll = epoll_create1(0);
  for (int i = 0; i < 3; ++i) {
    int event = eventfd((unsigned)i, EFD_NONBLOCK);
    struct epoll_event watch = {.events = EPOLLIN, .data.u64 = 0x1122334455667700u + (unsigned)i};
    epoll_ctl(epoll, EPOLL_CTL_ADD, event, &watch);
  }
  struct epoll_event events[4];
  int ready = epoll_wait(epoll, events, 4, 100);
  printf("epoll %d", ready);
  for (int i = 0; i < ready; ++i) printf(" %llx/%x", (unsigned long long)events[i].data.u64, events[i].events);
  puts("");
  int timer = timerfd_create(CLOCK_MONOTONIC, 0);
  struct itimerspec when = {{0, 0}, {0, 5000000}};
  timerfd_settime(timer, 0, &when, NULL);
  unsigned long long ticks = 0;
  printf("timerfd %d", (int)read(timer, &ticks, 8));
  printf(" %llu\n", ticks);
  int server = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  printf("bind %d listen %d\n", bind(server, (struct sockaddr *)&address, sizeof address), listen(server, 5));
  socklen_t length = sizeof address;
  getsockname(server, (struct sockaddr *)&address, &length);
  fflush(stdout);
  pid_t child = fork();
  if (!child) {
    int client = socket(AF_INET, SOCK_STREAM, 0);
    connect(client, (struct sockaddr *)&address, sizeof address);
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    for (int i = 0; i < 1000; ++i) {
      char text[16];
      send(client, text, (size_t)snprintf(text, sizeof text, "%07d\n", i), 0);
      recv(client, text, 8, MSG_WAITALL);
    }
    shutdown(client, SHUT_WR);
    _exit(0);
  }
  int peer = accept4(server, NULL, NULL, 0), total = 0, got;
  char text[64];
  while ((got = (int)recv(peer, text, 8, MSG_WAITALL)) > 0) total += got, send(peer, text, (size_t)got, 0);
  int status;
  waitpid(child, &status, 0);
  printf("served %d status %d\n", total, status);
  int udp = socket(AF_INET, SOCK_DGRAM, 0);
  address.sin_port = 0;
  bind(udp, (struct sockaddr *)&address, sizeof address);
  getsockname(udp, (struct sockaddr *)&address, &length);
  sendto(udp, "datagram", 8, 0, (struct sockaddr *)&address, sizeof address);
  struct sockaddr_in from;
  printf("recvfrom %d %d\n", (int)recvfrom(udp, text, sizeof text, 0, (struct sockaddr *)&from, &length), from.sin_port == address.sin_port);
  printf("refused %d", connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&(struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(1), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, sizeof address));
  printf(" %d\n", errno);
  pass_descriptor();
  return 0;
}
