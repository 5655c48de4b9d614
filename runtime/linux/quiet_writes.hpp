// pyqemu's own files, written where the guest may have a limit for the size of files (RLIMIT_FSIZE).
#pragma once

#include <cstdint>

namespace pyqemu::user {

// While there is one, a write of this thread beyond that limit fails with EFBIG, and sends the guest no SIGXFSZ.
class QuietWrites {
 public:
  QuietWrites();
  ~QuietWrites();
  QuietWrites(const QuietWrites &) = delete;
  QuietWrites &operator=(const QuietWrites &) = delete;

 private:
  uint64_t mask_ = 0;
  bool pending_ = false;  // a signal of the guest's, which stays
};

}  // namespace pyqemu::user
