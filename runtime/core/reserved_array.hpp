// An array that grows in place within address space reserved at the start, so that elements never move:
// threads and signal handlers read elements below size() without a lock while one thread, holding the
// engine's lock, appends.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace pyqemu {

template <typename T>
class ReservedArray {
  static_assert(std::is_trivially_destructible_v<T>);

 public:
  ReservedArray() = default;
  ReservedArray(const ReservedArray &) = delete;
  ReservedArray &operator=(const ReservedArray &) = delete;
  ~ReservedArray() {
    if (data_ != nullptr) munmap(data_, bytes());
  }

  // Zeroed pages appear when they are touched.
  bool reserve(size_t capacity) {
    capacity_ = capacity;
    void *memory =
        mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return false;
    data_ = static_cast<T *>(memory);
    return true;
  }

  size_t capacity() const { return capacity_; }
  uint32_t size() const { return size_.load(std::memory_order_acquire); }
  size_t room() const { return capacity_ - size_.load(std::memory_order_relaxed); }
  T *data() const { return data_; }
  T &operator[](size_t index) const { return data_[index]; }

  // Appends after room() has been checked; gives the element's index.
  uint32_t push(const T &value) {
    uint32_t index = size_.load(std::memory_order_relaxed);
    touch(index + 1);
    new (data_ + index) T(value);
    size_.store(index + 1, std::memory_order_release);
    return index;
  }

  // `count` elements at once, to be filled in; gives the index of the first.
  uint32_t extend(uint32_t count) {
    uint32_t index = size_.load(std::memory_order_relaxed);
    touch(index + count);
    size_.store(index + count, std::memory_order_release);
    return index;
  }

  // Gets memory for the elements below `end`, and some more: page faults one by one would cost more than what
  // the elements are computed for. Only a matter of speed.
  void touch(size_t end) {
    if (end * sizeof(T) > touched_) [[unlikely]]
      touch_bytes(end * sizeof(T));
  }

  // Forgets all elements. With `release` the memory goes back to the system, and reads as zero again.
  void clear(bool release) {
    size_.store(0, std::memory_order_release);
    if (!release) return;
    madvise(data_, bytes(), MADV_DONTNEED);
    touched_ = 0;
  }

 private:
  static constexpr size_t kLeastAhead = 8192, kMostAhead = 65536;

  // An eighth of what there is, within bounds: many arrays stay small.
  [[gnu::noinline]] void touch_bytes(size_t end) {
    const size_t ahead = std::clamp(touched_ / 8, kLeastAhead, kMostAhead);
    end = (end + ahead - 1) & ~(kLeastAhead - 1);
    if (end > bytes()) end = bytes();
    if (end > touched_)
      madvise(reinterpret_cast<char *>(data_) + touched_, end - touched_, MADV_POPULATE_WRITE);
    touched_ = end;
  }

  size_t bytes() const { return (capacity_ * sizeof(T) + 4095) & ~size_t{4095}; }

  T *data_ = nullptr;
  size_t capacity_ = 0;
  size_t touched_ = 0;  // bytes
  std::atomic<uint32_t> size_{0};
};

}  // namespace pyqemu
