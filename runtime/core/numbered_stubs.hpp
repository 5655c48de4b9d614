// Stubs that are the same but for a number, one for each number: they are made ahead, many at a time, as
// writing beside a stub that has just run would make the processor start over.
#pragma once

#include <cstdint>

#include "code_cache.hpp"
#include "fixed_code.hpp"

namespace pyqemu {

// Used under the engine's lock.
class NumberedStubs {
 public:
  // What the code is copied from, to be loaded before the first is asked for.
  FixedCode code;

  // Offset in the cache of the stub for `number`. Numbers are asked for once each, mostly in order; the
  // caller has looked at room_for.
  uint32_t get(CodeCache &cache, uint32_t number) {
    if (number - first_ >= made_) [[unlikely]]
      make(cache, number);
    return begin_ + (number - first_) * code.size();
  }
  // Whether there is room for `count` more.
  bool room_for(const CodeCache &cache, uint32_t count) const {
    return cache.room() > (uint64_t{count} / kAtOnce + 2) * (kAtOnce * code.size() + CodeCache::kAlign);
  }
  // To be called when the cache was emptied.
  void forget() { made_ = 0; }

 private:
  static constexpr uint32_t kAtOnce = 32;

  void make(CodeCache &cache, uint32_t number) {
    first_ = number;
    made_ = kAtOnce;
    begin_ = cache.take(kAtOnce * code.size());
    for (uint32_t at = begin_; number - first_ < kAtOnce; number++, at += code.size()) {
      uint8_t *const to = cache.writable(at);
      code.copy_to(to);
      code.set_value(to, number);
      code.set_image_jump(to, at);
    }
  }

  uint32_t first_ = 0, made_ = 0;  // numbers of those that were made last
  uint32_t begin_ = 0;
};

}  // namespace pyqemu
