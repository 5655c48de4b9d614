// Calls whose last argument is what a command says: of descriptors, sockets and System V objects.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>

#include "../guest_memory.hpp"
#include "narrow.hpp"

namespace pyqemu::user {
namespace {

enum class Way { kIn, kOut, kBoth };

// The call with argument `place` as the host's structure.
int64_t with_record(Thread &thread, Arguments a, const Syscall &target, unsigned place, const Layout &layout,
                    Way way) {
  alignas(16) char record[256] = {};
  if (way != Way::kOut && !read_record(layout, record, a[place])) return -EFAULT;
  uint64_t arguments[6];
  std::copy_n(a, 6, arguments);
  arguments[place] = host_address(record);
  int64_t result = make_call(thread, target, arguments);
  if (result < 0 || way == Way::kIn) return result;
  return write_record(layout, a[place], record) ? result : -EFAULT;
}

int64_t with_command(Thread &thread, Arguments a, const Syscall &target, unsigned place, uint64_t command) {
  uint64_t arguments[6];
  std::copy_n(a, 6, arguments);
  arguments[place] = command;
  return make_call(thread, target, arguments);
}

// --- ioctl ---

constexpr Layout kWordOut("L");
constexpr Layout kInterface("16B|16B"), kInterfaceData("16BP"), kInterfaces("iP");  // struct ifreq, ifconf
constexpr size_t kMostInterfaces = 256;

// Numbers that hold the size of a word.
constexpr struct {
  uint32_t guest;
  uint64_t host;
} kSized[] = {{0x80046601, FS_IOC_GETFLAGS},
              {0x40046602, FS_IOC_SETFLAGS},
              {0x80047601, FS_IOC_GETVERSION},
              {0x40047602, FS_IOC_SETVERSION},
              {0x80041272, BLKGETSIZE64}};

int64_t list_interfaces(Thread &thread, Arguments a, const Syscall &target) {
  ifconf list;
  if (!read_record(kInterfaces, &list, a[2])) return -EFAULT;
  const uint64_t records = host_address(list.ifc_buf);
  const size_t bytes = kInterface.guest_bytes();
  const size_t room =
      records && list.ifc_len > 0 ? std::min(static_cast<size_t>(list.ifc_len) / bytes, kMostInterfaces) : 0;
  Scratch scratch;
  list.ifc_len = static_cast<int>((records ? room : kMostInterfaces) * sizeof(ifreq));
  list.ifc_buf = records ? static_cast<char *>(scratch.allocate(room * sizeof(ifreq) + 1)) : nullptr;
  const uint64_t arguments[6] = {a[0], a[1], host_address(&list)};
  int64_t result = make_call(thread, target, arguments);
  if (result < 0) return result;
  const size_t found = static_cast<size_t>(list.ifc_len) / sizeof(ifreq);
  for (size_t i = 0; records && i < found; i++)
    if (!write_guest(records + i * bytes, list.ifc_req + i, bytes)) return -EFAULT;
  list.ifc_len = static_cast<int>(found * bytes);
  return put_guest(a[2], list.ifc_len) ? result : -EFAULT;
}

// The interface's name, then 16 bytes that are the same, or a pointer.
int64_t interface_call(Thread &thread, Arguments a, const Syscall &target) {
  ifreq request = {};
  const bool pointer = (a[1] & 0xffffffff) == SIOCETHTOOL;
  const size_t bytes = kInterface.guest_bytes();
  if (!read_guest(&request, a[2], bytes)) return -EFAULT;
  const ifreq before = request;
  if (pointer)
    request.ifr_data = static_cast<char *>(host_pointer(host_address(request.ifr_data) & 0xffffffff));
  const uint64_t arguments[6] = {a[0], a[1], host_address(&request)};
  int64_t result = make_call(thread, target, arguments);
  if (pointer) request.ifr_data = before.ifr_data;
  if (result < 0 || memcmp(&before, &request, bytes) == 0) return result;
  return write_guest(a[2], &request, bytes) ? result : -EFAULT;
}

// --- System V ---

constexpr uint64_t kMostMessage = 1 << 24;
constexpr int kCommand = 0xff;  // without IPC_64, which says what all of them are

constexpr int kShmStat = 13, kShmInfoCommand = 14, kStatAnyShm = 15, kSemStat = 18, kStatAnySem = 20,
              kMsgStat = 11, kStatAnyMsg = 13;

}  // namespace

int64_t narrow_fcntl(Thread &thread, Arguments a, const Syscall &target) {
  constexpr uint64_t kGetLock64 = 12, kSetLock64 = 13,
                     kSetLockWait64 = 14;  // struct flock64: the host's flock
  switch (a[1] & 0xffffffff) {
    case F_GETLK:
      return with_record(thread, a, target, 2, kFlock, Way::kBoth);
    case F_SETLK:
    case F_SETLKW:
      return with_record(thread, a, target, 2, kFlock, Way::kIn);
    case kGetLock64:
    case kSetLock64:
    case kSetLockWait64:
      return with_command(thread, a, target, 1, a[1] - kGetLock64 + F_GETLK);
    default:
      return make_call(thread, target, a);
  }
}

int64_t narrow_ioctl(Thread &thread, Arguments a, const Syscall &target) {
  const uint64_t command = a[1] & 0xffffffff;
  for (const auto &sized : kSized)
    if (command == sized.guest) return with_command(thread, a, target, 1, sized.host);
  if (command == BLKGETSIZE) return with_record(thread, a, target, 2, kWordOut, Way::kOut);
  if (command == SIOCGIFCONF) return list_interfaces(thread, a, target);
  if (command > SIOCGIFCONF && command <= SIOCSIFHWBROADCAST) return interface_call(thread, a, target);
  if (command >= SIOCGIFINDEX && command <= SIOCETHTOOL) return interface_call(thread, a, target);
  return make_call(thread, target, a);
}

int64_t narrow_getsockopt(Thread &thread, Arguments a, const Syscall &target) {
  const int level = static_cast<int>(a[1]), option = static_cast<int>(a[2]);
  if (level != SOL_SOCKET || (option != SO_RCVTIMEO && option != SO_SNDTIMEO))
    return make_call(thread, target, a);
  uint32_t size;
  if (!get_guest(&size, a[4])) return -EFAULT;
  if (static_cast<int>(size) < 0) return -EINVAL;
  timeval timeout = {};
  uint32_t host_size = sizeof timeout;
  const uint64_t arguments[6] = {a[0], a[1], a[2], host_address(&timeout), host_address(&host_size)};
  if (int64_t result = make_call(thread, target, arguments); result < 0) return result;
  char record[kTimeval.guest_bytes()];
  kTimeval.to_guest(record, &timeout);
  size = std::min<uint32_t>(size, sizeof record);
  return write_guest(a[3], record, size) && put_guest(a[4], size) ? 0 : -EFAULT;
}

int64_t narrow_setsockopt(Thread &thread, Arguments a, const Syscall &target) {
  static constexpr Layout kProgram("HP");
  static_assert(fits<sock_fprog>(kProgram));
  if (static_cast<int>(a[1]) != SOL_SOCKET) return make_call(thread, target, a);
  const Layout *layout = nullptr;
  switch (static_cast<int>(a[2])) {
    case SO_RCVTIMEO:
    case SO_SNDTIMEO:
      layout = &kTimeval;
      break;
    case SO_ATTACH_FILTER:
    case SO_ATTACH_REUSEPORT_CBPF:
      layout = &kProgram;
      break;
    default:
      return make_call(thread, target, a);
  }
  if ((a[4] & 0xffffffff) < layout->guest_bytes()) return -EINVAL;
  uint64_t arguments[6];
  std::copy_n(a, 6, arguments);
  arguments[4] = layout->host_bytes();
  return with_record(thread, arguments, target, 3, *layout, Way::kIn);
}

int64_t narrow_semctl(Thread &thread, Arguments a, const Syscall &) {
  constexpr Syscall host = pass("semctl", SYS_semctl);  // the target has 64-bit guests' structure
  const int command = static_cast<int>(a[2]) & kCommand;
  const uint64_t arguments[6] = {a[0], a[1], static_cast<uint64_t>(command), a[3]};
  switch (command) {
    case IPC_STAT:
    case kSemStat:
    case kStatAnySem:
      return with_record(thread, arguments, host, 3, kSemid, Way::kOut);
    case IPC_SET:
      return with_record(thread, arguments, host, 3, kSemid, Way::kIn);
    default:
      return make_call(thread, host, arguments);
  }
}

int64_t narrow_shmctl(Thread &thread, Arguments a, const Syscall &target) {
  const int command = static_cast<int>(a[1]) & kCommand;
  const uint64_t arguments[6] = {a[0], static_cast<uint64_t>(command), a[2]};
  switch (command) {
    case IPC_STAT:
    case kShmStat:
    case kStatAnyShm:
      return with_record(thread, arguments, target, 2, kShmid, Way::kOut);
    case IPC_SET:
      return with_record(thread, arguments, target, 2, kShmid, Way::kIn);
    case IPC_INFO:
      return with_record(thread, arguments, target, 2, kShmLimits, Way::kOut);
    case kShmInfoCommand:
      return with_record(thread, arguments, target, 2, kShmInfo, Way::kOut);
    default:
      return make_call(thread, target, arguments);
  }
}

int64_t narrow_msgctl(Thread &thread, Arguments a, const Syscall &target) {
  const int command = static_cast<int>(a[1]) & kCommand;
  const uint64_t arguments[6] = {a[0], static_cast<uint64_t>(command), a[2]};
  switch (command) {
    case IPC_STAT:
    case kMsgStat:
    case kStatAnyMsg:
      return with_record(thread, arguments, target, 2, kMsqid, Way::kOut);
    case IPC_SET:
      return with_record(thread, arguments, target, 2, kMsqid, Way::kIn);
    default:
      return make_call(thread, target, arguments);
  }
}

// A message is a word, its type, and bytes.
int64_t narrow_msgsnd(Thread &thread, Arguments a, const Syscall &target) {
  if (a[2] > kMostMessage) return -EINVAL;
  Scratch scratch;
  auto *message = static_cast<char *>(scratch.allocate(kHostWord + a[2]));
  if (!read_record(kTime, message, a[1]) || !read_guest(message + kHostWord, a[1] + kNarrowWord, a[2]))
    return -EFAULT;
  const uint64_t arguments[6] = {a[0], host_address(message), a[2], a[3]};
  return make_call(thread, target, arguments);
}

int64_t narrow_msgrcv(Thread &thread, Arguments a, const Syscall &target) {
  if (static_cast<int32_t>(a[2]) < 0) return -EINVAL;
  Scratch scratch;
  const uint64_t room = std::min(a[2], kMostMessage);
  auto *message = static_cast<char *>(scratch.allocate(kHostWord + room));
  const uint64_t arguments[6] = {a[0], host_address(message), room, a[3], a[4]};
  int64_t got = make_call(thread, target, arguments);
  if (got < 0) return got;
  bool good = write_record(kTime, a[1], message) &&
              write_guest(a[1] + kNarrowWord, message + kHostWord, static_cast<size_t>(got));
  return good ? got : -EFAULT;
}

}  // namespace pyqemu::user
