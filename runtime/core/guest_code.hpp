// Guest code for one block, fetched as decoding goes on: most blocks are far shorter than what might be
// looked at, and the bytes behind them are mostly not in the host's caches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace pyqemu {

class GuestCode {
 public:
  // `available` bytes from guest address `pc` on may be read, at `from`; they are copied into `room`. With
  // `changeable` a copy has to be kept, to be compared at the next isync.
  GuestCode(uint64_t pc, const uint8_t *from, size_t available, std::span<uint8_t> room, bool changeable)
      : pc_(pc),
        from_(from),
        available_(available < room.size() ? available : room.size()),
        bytes_(room.data()),
        changeable_(changeable) {}

  uint64_t pc() const { return pc_; }
  bool changeable() const { return changeable_; }
  // Valid up to the greatest `end` that reaches() has agreed to.
  const uint8_t *bytes() const { return bytes_; }
  // Whether there is code up to `end`, counted from `pc`.
  bool reaches(size_t end) {
    if (end <= fetched_) [[likely]]
      return true;
    return fetch(end);
  }

 private:
  static constexpr size_t kPiece = 64;

  bool fetch(size_t end);

  uint64_t pc_;
  const uint8_t *from_;
  size_t available_;
  uint8_t *bytes_;
  size_t fetched_ = 0;
  bool changeable_;
};

}  // namespace pyqemu
