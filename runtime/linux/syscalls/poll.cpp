// Waiting for descriptors: poll, select and epoll. Those that take a signal mask have it set by the host for
// the time of the wait, as the kernel does; see Thread::wait_mask.
#include <sys/epoll.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>

#include "../dispatch.hpp"
#include "../guest_memory.hpp"
#include "../signals.hpp"

namespace pyqemu::user {
namespace {

// The guest's mask at `address` (0: none) as the host is to have it during a wait; `host` has to live as
// long.
struct WaitMask {
  uint64_t host = 0;
  uint64_t address = 0;  // for the host's call: of `host`, or 0

  int64_t set(Thread &thread, uint64_t guest_address, uint64_t bytes) {
    if (!guest_address) return 0;
    if (bytes != sizeof host) return -EINVAL;
    uint64_t mask;
    if (!get_guest(&mask, guest_address)) return -EFAULT;
    thread.wait_mask = mask & ~(signal_bit(SIGKILL) | signal_bit(SIGSTOP));
    thread.has_wait_mask = true;
    if (thread.held & ~mask) thread.pending = 1;
    host = host_mask(mask);
    address = reinterpret_cast<uint64_t>(&host);
    return 0;
  }
};

int64_t sys_ppoll(Thread &thread, Arguments a) {
  WaitMask mask;
  if (int64_t error = mask.set(thread, a[3], a[4]); error < 0) return error;
  return blocking_call(thread, SYS_ppoll, a[0], a[1], a[2], mask.address, sizeof mask.host);
}

int64_t sys_pselect6(Thread &thread, Arguments a) {
  struct Pack {
    uint64_t address, bytes;
  } pack = {};
  WaitMask mask;
  if (a[5]) {
    if (!get_guest(&pack, a[5])) return -EFAULT;
    if (int64_t error = mask.set(thread, pack.address, pack.bytes); error < 0) return error;
    pack.address = mask.address;
  }
  return blocking_call(thread, SYS_pselect6, a[0], a[1], a[2], a[3], a[4],
                       a[5] ? reinterpret_cast<uint64_t>(&pack) : 0);
}

enum EpollField { kEvents, kData };
constexpr const char *kEpollFields[] = {"events", "data"};
StructLayout g_epoll_event("epoll_event", kEpollFields, std::size(kEpollFields));

int64_t sys_epoll_ctl(Thread &thread, Arguments a) {
  g_epoll_event.load(thread.guest->abi);
  if (g_epoll_event.same() || !a[3]) return host::system_call(SYS_epoll_ctl, a);
  char record[32];
  if (!read_guest(record, a[3], g_epoll_event.size())) return -EFAULT;
  epoll_event event;
  event.events = static_cast<uint32_t>(g_epoll_event.get(record, kEvents));
  event.data.u64 = g_epoll_event.get(record, kData);
  return host::system_call(SYS_epoll_ctl, a[0], a[1], a[2], reinterpret_cast<uint64_t>(&event));
}

// The wait itself with the host's records, then the guest's. `make` makes the host's call with (events,
// count).
template <typename Make>
int64_t wait_epoll(Thread &thread, uint64_t address, uint64_t count, Make make) {
  g_epoll_event.load(thread.guest->abi);
  if (g_epoll_event.same()) return make(address, count);
  constexpr int kMost = 1024;
  int wanted = static_cast<int>(count);
  if (wanted <= 0) return -EINVAL;
  epoll_event events[kMost];
  int64_t got = make(reinterpret_cast<uint64_t>(events), static_cast<uint64_t>(std::min(wanted, kMost)));
  for (int64_t i = 0; i < got; i++) {
    char record[32] = {};
    g_epoll_event.put(record, kEvents, events[i].events);
    g_epoll_event.put(record, kData, events[i].data.u64);
    if (!write_guest(address + static_cast<uint64_t>(i) * g_epoll_event.size(), record, g_epoll_event.size()))
      return i ? i : -EFAULT;
  }
  return got;
}

int64_t sys_epoll_pwait(Thread &thread, Arguments a) {
  WaitMask mask;
  if (int64_t error = mask.set(thread, a[4], a[5]); error < 0) return error;
  return wait_epoll(thread, a[1], a[2], [&](uint64_t events, uint64_t count) {
    return blocking_call(thread, SYS_epoll_pwait, a[0], events, count, a[3], mask.address, sizeof mask.host);
  });
}

int64_t sys_epoll_pwait2(Thread &thread, Arguments a) {
  WaitMask mask;
  if (int64_t error = mask.set(thread, a[4], a[5]); error < 0) return error;
  return wait_epoll(thread, a[1], a[2], [&](uint64_t events, uint64_t count) {
    return blocking_call(thread, SYS_epoll_pwait2, a[0], events, count, a[3], mask.address, sizeof mask.host);
  });
}

int64_t sys_epoll_wait(Thread &thread, Arguments a) {
  return wait_epoll(thread, a[1], a[2], [&](uint64_t events, uint64_t count) {
    return blocking_call(thread, SYS_epoll_wait, a[0], events, count, a[3]);
  });
}

constexpr auto kCalls = sorted(std::to_array<Syscall>({
    own("ppoll", sys_ppoll),
    waits("poll", SYS_poll),
    own("pselect6", sys_pselect6),
    waits("select", SYS_select),
    pass("epoll_create1", SYS_epoll_create1),
    pass("epoll_create", SYS_epoll_create),
    own("epoll_ctl", sys_epoll_ctl),
    own("epoll_pwait", sys_epoll_pwait),
    own("epoll_pwait2", sys_epoll_pwait2),
    own("epoll_wait", sys_epoll_wait),
}));

}  // namespace

std::span<const Syscall> poll_calls() {
  return kCalls;
}

}  // namespace pyqemu::user
