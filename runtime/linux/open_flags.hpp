// O_… flags: some have other values on some architectures.
#pragma once

#include <cstdint>

#include "thread.hpp"

namespace pyqemu::user {

uint64_t open_flags_to_host(const Thread &thread, uint64_t guest);
uint64_t open_flags_to_guest(const Thread &thread, uint64_t host);

}  // namespace pyqemu::user
