// Memory for generated code: one shared memory object mapped twice, to be written through one view and run
// through the other. The pack's image lies at the start; code is added downwards from the end, as processors
// fetch ahead: writing behind code that has just run makes them start over, at a hundred cycles a time.
// Behind the view that runs, address space is kept free for archives (the zone), so that code in both reaches
// each other and all offsets are of one kind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace pyqemu {

class CodeCache {
 public:
  static constexpr uint32_t kAlign = 64;

  // `bytes` is rounded up to pages; null and *error on failure.
  // There may be no zone even if one is wanted.
  static std::unique_ptr<CodeCache> create(size_t bytes, bool with_zone, std::span<const uint8_t> image,
                                           const char **error);
  ~CodeCache();
  CodeCache(const CodeCache &) = delete;
  CodeCache &operator=(const CodeCache &) = delete;

  uint8_t *writable(uint32_t offset) const { return write_ + offset; }
  uintptr_t address(uint32_t offset) const { return run_ + offset; }
  bool contains(uintptr_t pc) const { return pc - run_ < size_; }
  uint32_t offset(uintptr_t pc) const { return static_cast<uint32_t>(pc - run_); }
  bool is_image(uint32_t offset) const { return offset < image_bytes_; }

  // The zone: offsets size() … zone_end() - 1.
  uint32_t zone_end() const { return size_ + zone_bytes_; }
  bool in_zone(uintptr_t pc) const { return pc - run_ - size_ < zone_bytes_; }
  // Element of an archive's table, in the zone.
  uint64_t *table_element(uint32_t offset) const { return reinterpret_cast<uint64_t *>(run_ + offset); }
  // Takes away what was mapped in a part of the zone.
  void free_zone(uint32_t offset, size_t bytes) const;

  // The code that does nothing but leave for `enter`.
  uintptr_t return_address() const { return run_ + return_offset_; }

  uint32_t size() const { return size_; }
  // Where code begins at present, and the bytes that are free below.
  uint32_t begin() const { return begin_; }
  uint32_t room() const { return begin_ - first_; }
  uint32_t used() const { return size_ - begin_; }
  // Memory for `bytes` of code, aligned to kAlign. The caller has looked at room().
  uint32_t take(uint32_t bytes) {
    begin_ = (begin_ - bytes) & ~(kAlign - 1);
    if (begin_ < touched_) touch();
    return begin_;
  }
  void reset();

  // For forks. copy(): the used part in new shared memory, or null. adopt() puts that in the place of the
  // present one, renew() an empty one; false if that failed, and the cache cannot be used any more.
  // discard() gives the copy up.
  void *copy() const;
  bool adopt(void *memory);
  bool renew(std::span<const uint8_t> image);
  void discard(void *memory) const;

 private:
  static constexpr uint32_t kLeastAhead = 16384, kMostAhead = 65536;

  CodeCache() = default;
  void touch();
  bool reserve(bool with_zone);
  bool map(void *memory);
  void write_image(std::span<const uint8_t> image);

  uint8_t *write_ = nullptr;
  uintptr_t run_ = 0;
  uint32_t size_ = 0, zone_bytes_ = 0, image_bytes_ = 0, return_offset_ = 0, first_ = 0;
  uint32_t begin_ = 0;
  uint32_t touched_ = 0;  // from here on memory is there
};

}  // namespace pyqemu
