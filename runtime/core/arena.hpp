// Memory that is handed out in small pieces and freed all at once.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <type_traits>
#include <vector>

namespace pyqemu {

class Arena {
 public:
  Arena() = default;
  Arena(const Arena &) = delete;
  Arena &operator=(const Arena &) = delete;
  ~Arena() {
    for (const Chunk &chunk : chunks_) munmap(chunk.memory, chunk.bytes);
  }

  // `count` value-initialised objects.
  template <typename T>
  T *make(size_t count = 1) {
    static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= alignof(std::max_align_t));
    auto *objects = static_cast<T *>(take(count * sizeof(T)));
    for (size_t i = 0; i < count; i++) new (objects + i) T();
    return objects;
  }

 private:
  static constexpr size_t kChunk = 65536;
  struct Chunk {
    void *memory;
    size_t bytes;
  };

  void *take(size_t bytes) {
    bytes = (bytes + alignof(std::max_align_t) - 1) & ~(alignof(std::max_align_t) - 1);
    if (bytes > left_) {
      left_ = (bytes + kChunk - 1) & ~(kChunk - 1);
      // Populated: page faults one by one would cost more than what is put there.
      void *memory =
          mmap(nullptr, left_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
      if (memory == MAP_FAILED) abort();
      chunks_.push_back({memory, left_});
      at_ = static_cast<uint8_t *>(memory);
    }
    void *piece = at_;
    at_ += bytes;
    left_ -= bytes;
    return piece;
  }

  std::vector<Chunk> chunks_;
  uint8_t *at_ = nullptr;
  size_t left_ = 0;
};

}  // namespace pyqemu
