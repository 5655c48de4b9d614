// Guest paths: the prefix of -L, and files under /proc that would show pyqemu instead of the guest.
#pragma once

#include <cstdint>

#include "thread.hpp"

namespace pyqemu::user {

struct PathBuffer {
  char text[4096];
};

// The address of the path to give to the host for the guest's path at `address`: itself, unless it has to be
// another. A bad address is given back as it is (the host says EFAULT).
uint64_t translate_path(Thread &thread, uint64_t address, PathBuffer *buffer);

enum class ProcFile { kNone, kExe, kMaps, kCmdline, kAuxv, kCpuInfo };

// Which of the guest's own files under /proc the guest's path names, if any.
ProcFile proc_file(uint64_t address);

// A descriptor with that file's contents (flags: O_CLOEXEC counts), or -errno.
int64_t open_proc_file(Thread &thread, ProcFile which, int flags);

}  // namespace pyqemu::user
