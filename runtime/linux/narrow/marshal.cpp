// Arguments from the guest's registers to the host's call, and results back.
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "../guest_memory.hpp"
#include "narrow.hpp"

namespace pyqemu::user {
namespace {

constexpr uint64_t kMostIovecs = 1024;          // UIO_MAXIOV
constexpr uint64_t kMostDescriptors = 1 << 20;  // of a set

// The guest's registers as the host's arguments: pairs become one.
void gather(const Abi &abi, const NarrowCall &narrow, Arguments registers, uint64_t *arguments) {
  unsigned from = 0;
  for (unsigned i = 0; i < 6; i++) {
    bool pair = false;
    for (const Passing &passing : narrow.passings)
      pair |= passing.how == Passing::kPair && passing.argument == i;
    if (pair && abi.aligned_pairs) from += from & 1;
    uint64_t low = from < 6 ? registers[from] : 0, high = pair && from + 1 < 6 ? registers[from + 1] : 0;
    arguments[i] = pair ? (low & 0xffffffff) | high << 32 : low;
    from += pair ? 2 : 1;
  }
}

// One call's conversions; those that have to be undone are done in `finish`.
class Marshal {
 public:
  explicit Marshal(uint64_t *arguments) : arguments_(arguments) {}

  int64_t begin(const Passing &passing);
  int64_t finish(const Passing &passing, int64_t result);

 private:
  struct Made {
    uint64_t guest = 0;
    void *host = nullptr;
    size_t bytes = 0;  // of a set
  };

  int64_t begin_record(const Passing &passing, uint64_t *argument);
  int64_t begin_set(const Passing &passing, uint64_t *argument);

  uint64_t *arguments_;
  Made made_[6];
  Scratch scratch_;
};

int64_t Marshal::begin(const Passing &passing) {
  uint64_t &argument = arguments_[passing.argument];
  int64_t error = 0;
  switch (passing.how) {
    case Passing::kNone:
    case Passing::kPair:
      return 0;
    case Passing::kIn:
    case Passing::kOut:
    case Passing::kBoth:
    case Passing::kLeft:
      return begin_record(passing, &argument);
    case Passing::kArray:
      argument = read_iovecs(&scratch_, argument, arguments_[passing.count], &error);
      return error;
    case Passing::kSet:
      return begin_set(passing, &argument);
    case Passing::kHalves:
      argument |= arguments_[passing.argument + 1] << 32;
      arguments_[passing.argument + 1] = 0;
      return 0;
    case Passing::kPages:
      argument *= 4096;
      return 0;
    case Passing::kSigned:
      argument = static_cast<uint64_t>(int64_t{static_cast<int32_t>(argument)});
      return 0;
  }
  return 0;
}

int64_t Marshal::begin_record(const Passing &passing, uint64_t *argument) {
  if (!*argument) return 0;
  Made &made = made_[passing.argument];
  made = {*argument, scratch_.allocate(passing.layout->host_bytes()), 0};
  bool read = passing.how != Passing::kOut && read_record(*passing.layout, made.host, made.guest);
  if (!read) memset(made.host, 0, passing.layout->host_bytes());
  if (!read && (passing.how == Passing::kIn || passing.how == Passing::kBoth)) return -EFAULT;
  *argument = host_address(made.host);
  return 0;
}

int64_t Marshal::begin_set(const Passing &passing, uint64_t *argument) {
  uint64_t count = arguments_[passing.count] & 0xffffffff;
  if (!*argument || count > kMostDescriptors) return 0;
  Made &made = made_[passing.argument];
  made = {*argument, scratch_.allocate((count + 63) / 64 * 8), (count + 31) / 32 * kNarrowWord};
  memset(made.host, 0, (count + 63) / 64 * 8);
  if (!read_guest(made.host, made.guest, made.bytes)) return -EFAULT;
  *argument = host_address(made.host);
  return 0;
}

int64_t Marshal::finish(const Passing &passing, int64_t result) {
  const Made &made = made_[passing.argument];
  if (!made.host) return result;
  bool written = false;
  switch (passing.how) {
    case Passing::kOut:
    case Passing::kSet:
      written = result >= 0;
      break;
    case Passing::kBoth:
      written = true;
      break;
    case Passing::kLeft:
      written = result == -EINTR;
      break;
    default:
      break;
  }
  if (!written) return result;
  bool good = made.bytes ? write_guest(made.guest, made.host, made.bytes)
                         : write_record(*passing.layout, made.guest, made.host);
  return good || result < 0 ? result : -EFAULT;
}

}  // namespace

void *Scratch::allocate(size_t bytes) {
  bytes = (bytes + 15) & ~size_t{15};
  if (bytes <= sizeof own_ - used_) return own_ + std::exchange(used_, used_ + bytes);
  return more_.emplace_back(new char[bytes]).get();
}

bool read_record(const Layout &layout, void *host, uint64_t address) {
  char record[256];
  static_assert(sizeof(siginfo_t) <= sizeof record);
  if (!read_guest(record, address, layout.guest_bytes())) return false;
  layout.to_host(host, record);
  return true;
}

bool write_record(const Layout &layout, uint64_t address, const void *host) {
  char record[256];
  layout.to_guest(record, host);
  return write_guest(address, record, layout.guest_bytes());
}

uint64_t read_iovecs(Scratch *scratch, uint64_t address, uint64_t count, int64_t *error) {
  count &= 0xffffffff;
  if (count > kMostIovecs || count == 0) return address;
  auto *host = static_cast<iovec *>(scratch->allocate(count * sizeof(iovec)));
  const size_t bytes = kIovec.guest_bytes();
  for (uint64_t i = 0; i < count; i++)
    if (!read_record(kIovec, host + i, address + i * bytes)) return *error = -EFAULT, 0;
  return host_address(host);
}

int64_t make_narrow_call(Thread &thread, const NarrowCall &narrow, const Syscall &target,
                         Arguments registers) {
  uint64_t arguments[6];
  gather(thread.guest->abi, narrow, registers, arguments);
  Marshal marshal(arguments);
  for (const Passing &passing : narrow.passings)
    if (int64_t error = marshal.begin(passing); error < 0) return error;
  int64_t result =
      narrow.call ? narrow.call(thread, arguments, target) : make_call(thread, target, arguments);
  for (const Passing &passing : narrow.passings) result = marshal.finish(passing, result);
  return result;
}

}  // namespace pyqemu::user
