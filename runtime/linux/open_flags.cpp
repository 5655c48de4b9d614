// O_… flags by name.
#include "open_flags.hpp"

#include <fcntl.h>

namespace pyqemu::user {
namespace {

constexpr uint32_t kLargeFile = 0100000;  // the kernel's; the C library's O_LARGEFILE is 0 here

constexpr FlagName kFlags[] = {{"O_DIRECT", O_DIRECT},
                               {"O_DIRECTORY", O_DIRECTORY},
                               {"O_NOFOLLOW", O_NOFOLLOW},
                               {"O_LARGEFILE", kLargeFile}};

FlagMap g_open_flags(kFlags, std::size(kFlags));

}  // namespace

uint64_t open_flags_to_host(const Thread &thread, uint64_t guest) {
  g_open_flags.load(thread.guest->abi);
  return g_open_flags.to_host(guest);
}

uint64_t open_flags_to_guest(const Thread &thread, uint64_t host) {
  g_open_flags.load(thread.guest->abi);
  return g_open_flags.to_guest(host);
}

}  // namespace pyqemu::user
