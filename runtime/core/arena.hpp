// Memory that is handed out in small pieces and freed all at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <vector>

namespace pyqemu {

class Arena {
 public:
  // `count` value-initialised objects.
  template <typename T>
  T *make(size_t count = 1) {
    static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= alignof(std::max_align_t));
    auto *objects = static_cast<T *>(take(count * sizeof(T)));
    for (size_t i = 0; i < count; i++) new (objects + i) T();
    return objects;
  }

 private:
  static constexpr size_t kChunk = 32768;

  void *take(size_t bytes) {
    bytes = (bytes + alignof(std::max_align_t) - 1) & ~(alignof(std::max_align_t) - 1);
    if (bytes > left_) {
      left_ = bytes > kChunk ? bytes : kChunk;
      chunks_.emplace_back(new uint8_t[left_]);
      at_ = chunks_.back().get();
    }
    void *piece = at_;
    at_ += bytes;
    left_ -= bytes;
    return piece;
  }

  std::vector<std::unique_ptr<uint8_t[]>> chunks_;
  uint8_t *at_ = nullptr;
  size_t left_ = 0;
};

}  // namespace pyqemu
