// What kind of CPU this is: pairs of a key and a value, from the table's hwprobe.KEY.FEATURE.
#include <sched.h>

#include <cerrno>
#include <cstdio>

#include "../dispatch.hpp"
#include "../features.hpp"
#include "../guest_memory.hpp"

namespace pyqemu::user {
namespace {

struct Pair {
  int64_t key;  // -1: unknown
  uint64_t value;
};

bool names_a_cpu(uint64_t set, uint64_t bytes) {
  for (uint64_t i = 0; i < bytes; i++) {
    uint8_t part = 0;
    if (!get_guest(&part, set + i)) return false;
    if (part) return true;
  }
  return false;
}

void look_up(const Guest &guest, Pair *pair) {
  char key[48];
  snprintf(key, sizeof key, "hwprobe.%lld.base", static_cast<long long>(pair->key));
  if (!guest.abi.pack->value(key)) {
    *pair = {-1, 0};
    return;
  }
  snprintf(key, sizeof key, "hwprobe.%lld", static_cast<long long>(pair->key));
  pair->value = feature_bits(guest, key);
}

// All CPUs are alike, so it does not matter which ones are meant, as long as some are.
int64_t sys_hwprobe(Thread &thread, Arguments a) {
  const uint64_t pairs = a[0], count = a[1], set_bytes = a[2], set = a[3], flags = a[4];
  if (flags) return -EINVAL;
  if ((set || set_bytes) && !names_a_cpu(set, set_bytes < sizeof(cpu_set_t) ? set_bytes : sizeof(cpu_set_t)))
    return -EINVAL;
  for (uint64_t i = 0; i < count; i++) {
    Pair pair;
    if (!get_guest(&pair, pairs + i * sizeof pair)) return -EFAULT;
    look_up(*thread.guest, &pair);
    if (!put_guest(pairs + i * sizeof pair, pair)) return -EFAULT;
  }
  return 0;
}

constexpr auto kCalls = sorted(std::to_array<Syscall>({
    own("hwprobe", sys_hwprobe),
}));

}  // namespace

std::span<const Syscall> hwprobe_calls() {
  return kCalls;
}

}  // namespace pyqemu::user
