// Calls of architectures that once had users and groups of 16 bits: all ones stay "leave it", and an id that
// does not fit is given as the overflow id.
#include <sys/syscall.h>

#include <cerrno>
#include <vector>

#include "../dispatch.hpp"
#include "../guest_memory.hpp"
#include "../paths.hpp"

namespace pyqemu::user {
namespace {

constexpr int64_t kOverflowId = 65534;
constexpr uint64_t kMostGroups = 65536;

uint64_t widened(uint64_t id) {
  id &= 0xffff;
  return id == 0xffff ? 0xffffffff : id;
}

uint16_t narrowed(uint64_t id) {
  return static_cast<uint16_t>(id > 0xffff ? kOverflowId : id);
}

template <int number>
int64_t get_id(Thread &, Arguments) {
  const int64_t id = host::system_call(number);
  return id > 0xffff ? kOverflowId : id;
}

// Those of the process: no threads but the guest's may be there.
template <int number>
int64_t set_ids(Thread &thread, Arguments a) {
  thread.guest->requests.pause();
  return host::system_call(number, widened(a[0]), widened(a[1]), widened(a[2]));
}

template <int number>
int64_t get_three_ids(Thread &, Arguments a) {
  uint32_t ids[3];
  const int64_t result =
      host::system_call(number, reinterpret_cast<uint64_t>(&ids[0]), reinterpret_cast<uint64_t>(&ids[1]),
                        reinterpret_cast<uint64_t>(&ids[2]));
  for (int i = 0; i < 3 && result >= 0; i++)
    if (!put_guest(a[i], narrowed(ids[i]))) return -EFAULT;
  return result;
}

template <int number>
int64_t change_owner(Thread &thread, Arguments a) {
  PathBuffer buffer;
  return host::system_call(number, translate_path(thread, a[0], &buffer), widened(a[1]), widened(a[2]));
}

int64_t change_owner_of_fd(Thread &, Arguments a) {
  return host::system_call(SYS_fchown, a[0], widened(a[1]), widened(a[2]));
}

int64_t get_groups(Thread &, Arguments a) {
  const uint64_t room = a[0] & 0xffffffff;
  std::vector<uint32_t> groups(std::min(room, kMostGroups));
  const int64_t count = host::system_call(SYS_getgroups, room, reinterpret_cast<uint64_t>(groups.data()));
  for (int64_t i = 0; room && i < count; i++)
    if (!put_guest(a[1] + 2 * static_cast<uint64_t>(i), narrowed(groups[static_cast<size_t>(i)])))
      return -EFAULT;
  return count;
}

int64_t set_groups(Thread &thread, Arguments a) {
  const uint64_t count = a[0] & 0xffffffff;
  if (count > kMostGroups) return -EINVAL;
  std::vector<uint32_t> groups(count);
  for (uint64_t i = 0; i < count; i++) {
    uint16_t group;
    if (!get_guest(&group, a[1] + 2 * i)) return -EFAULT;
    groups[i] = group;
  }
  thread.guest->requests.pause();
  return host::system_call(SYS_setgroups, count, reinterpret_cast<uint64_t>(groups.data()));
}

constexpr auto kCalls = sorted(std::to_array<Syscall>({
    own("getuid16", get_id<SYS_getuid>),
    own("geteuid16", get_id<SYS_geteuid>),
    own("getgid16", get_id<SYS_getgid>),
    own("getegid16", get_id<SYS_getegid>),
    own("setuid16", set_ids<SYS_setuid>),
    own("setgid16", set_ids<SYS_setgid>),
    own("setreuid16", set_ids<SYS_setreuid>),
    own("setregid16", set_ids<SYS_setregid>),
    own("setresuid16", set_ids<SYS_setresuid>),
    own("setresgid16", set_ids<SYS_setresgid>),
    own("setfsuid16", set_ids<SYS_setfsuid>),
    own("setfsgid16", set_ids<SYS_setfsgid>),
    own("getresuid16", get_three_ids<SYS_getresuid>),
    own("getresgid16", get_three_ids<SYS_getresgid>),
    own("chown16", change_owner<SYS_chown>),
    own("lchown16", change_owner<SYS_lchown>),
    own("fchown16", change_owner_of_fd),
    own("getgroups16", get_groups),
    own("setgroups16", set_groups),
}));

}  // namespace

std::span<const Syscall> short_id_calls() {
  return kCalls;
}

}  // namespace pyqemu::user
