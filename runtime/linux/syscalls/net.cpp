// Sockets. Structures, constants and control messages are the same on all 64-bit architectures.
#include <sys/syscall.h>

#include "../dispatch.hpp"

namespace pyqemu::user {
namespace {

int64_t sys_send(Thread &thread, Arguments a) {
  return blocking_call(thread, SYS_sendto, a[0], a[1], a[2], a[3]);
}

int64_t sys_recv(Thread &thread, Arguments a) {
  return blocking_call(thread, SYS_recvfrom, a[0], a[1], a[2], a[3]);
}

constexpr auto kCalls = sorted(std::to_array<Syscall>({
    pass("socket", SYS_socket),
    pass("socketpair", SYS_socketpair),
    pass("bind", SYS_bind),
    pass("listen", SYS_listen),
    waits("accept", SYS_accept),
    waits("accept4", SYS_accept4),
    waits("connect", SYS_connect),
    pass("getsockname", SYS_getsockname),
    pass("getpeername", SYS_getpeername),
    pass("getsockopt", SYS_getsockopt),
    pass("setsockopt", SYS_setsockopt),
    pass("shutdown", SYS_shutdown),
    own("send", sys_send),
    own("recv", sys_recv),
    waits("sendto", SYS_sendto),
    waits("recvfrom", SYS_recvfrom),
    waits("sendmsg", SYS_sendmsg),
    waits("recvmsg", SYS_recvmsg),
    waits("sendmmsg", SYS_sendmmsg),
    waits("recvmmsg", SYS_recvmmsg),
}));

}  // namespace

std::span<const Syscall> net_calls() {
  return kCalls;
}

}  // namespace pyqemu::user
