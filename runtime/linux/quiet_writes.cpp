#include "quiet_writes.hpp"

#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

#include "hosts/host.hpp"
#include "signals.hpp"

namespace pyqemu::user {
namespace {

constexpr uint64_t kSignal = uint64_t{1} << (SIGXFSZ - 1);

uint64_t address_of(const void *memory) {
  return reinterpret_cast<uint64_t>(memory);
}

bool is_pending() {
  uint64_t set = 0;
  host::system_call(SYS_rt_sigpending, address_of(&set), sizeof set);
  return (set & kSignal) != 0;
}

}  // namespace

QuietWrites::QuietWrites() {
  const uint64_t blocked = kSignal;
  host::system_call(SYS_rt_sigprocmask, SIG_BLOCK, address_of(&blocked), address_of(&mask_), sizeof mask_);
  pending_ = is_pending();
}

QuietWrites::~QuietWrites() {
  const uint64_t set = kSignal;
  const timespec now = {};
  if (!pending_ && is_pending())
    host::system_call(SYS_rt_sigtimedwait, address_of(&set), 0, address_of(&now), sizeof set);
  set_host_mask(mask_);
}

}  // namespace pyqemu::user
