// Fetches by pieces.
#include "guest_code.hpp"

#include <algorithm>

#include "host_code.hpp"

namespace pyqemu {

bool GuestCode::fetch(size_t end) {
  while (fetched_ < end && fetched_ < available_) {
    const size_t wanted = std::min(kPiece, available_ - fetched_);
    const size_t copied = host::fetch_copy(bytes_ + fetched_, from_ + fetched_, wanted);
    fetched_ += copied;
    if (copied < wanted) available_ = fetched_;  // unmapped meanwhile
  }
  return end <= fetched_;
}

}  // namespace pyqemu
