// The code cache's memory: creation, the two views, copies for forks.
#include "code_cache.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "host_code.hpp"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace pyqemu {
namespace {

constexpr size_t kPage = 65536;  // a multiple of every host's page size
constexpr size_t kSmallest = 256u << 10, kLargest = 1u << 30;
constexpr uint32_t kZoneBytes = 1u << 30;  // with the largest cache: still within reach of a rel32
constexpr uint32_t kCodeAlign = 64;

// Shared, so that it can be mapped a second time. Not a file, as RLIMIT_FSIZE may forbid one of this size.
void *new_memory(void *address, size_t bytes) {
  int flags = MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE | (address != nullptr ? MAP_FIXED : 0);
  return mmap(address, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
}

// A second mapping of the shared memory at `memory`, at `address`.
void *map_again(void *memory, size_t bytes, void *address) {
  return mremap(memory, 0, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, address);
}

}  // namespace

std::unique_ptr<CodeCache> CodeCache::create(size_t bytes, bool with_zone, std::span<const uint8_t> image,
                                             const char **error) {
  std::unique_ptr<CodeCache> cache(new CodeCache);
  bytes = (bytes + kPage - 1) & ~(kPage - 1);
  if (bytes > kLargest) bytes = kLargest;
  if (bytes < image.size() + kSmallest) bytes = (image.size() + kSmallest + kPage - 1) & ~(kPage - 1);
  cache->size_ = static_cast<uint32_t>(bytes);
  void *memory = bytes <= kLargest ? new_memory(nullptr, bytes) : MAP_FAILED;
  if (memory == MAP_FAILED || !cache->reserve(with_zone) || !cache->map(memory)) {
    if (error != nullptr) *error = "no executable memory for the code cache";
    return nullptr;
  }
  cache->write_image(image);
  cache->reset();
  return cache;
}

CodeCache::~CodeCache() {
  if (write_ != nullptr) munmap(write_, size_);
  if (run_ != 0) munmap(reinterpret_cast<void *>(run_), size_t{size_} + zone_bytes_);
}

// Address space for the view that runs and for the zone, if there is enough of it.
bool CodeCache::reserve(bool with_zone) {
  for (uint32_t zone : {kZoneBytes, 0u}) {
    if (zone != 0 && !with_zone) continue;
    void *space =
        mmap(nullptr, size_t{size_} + zone, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space == MAP_FAILED) continue;
    run_ = reinterpret_cast<uintptr_t>(space);
    zone_bytes_ = zone;
    return true;
  }
  return false;
}

void CodeCache::free_zone(uint32_t offset, size_t bytes) const {
  mmap(reinterpret_cast<void *>(run_ + offset), bytes, PROT_NONE,
       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

bool CodeCache::map(void *memory) {
  write_ = static_cast<uint8_t *>(memory);
  void *run = map_again(memory, size_, reinterpret_cast<void *>(run_));
  if (run == MAP_FAILED) return false;
  run_ = reinterpret_cast<uintptr_t>(run);
  return mprotect(run, size_, PROT_READ | PROT_EXEC) == 0;
}

void CodeCache::write_image(std::span<const uint8_t> image) {
  const uint32_t image_bytes = static_cast<uint32_t>(image.size());
  madvise(write_, image_bytes, MADV_POPULATE_WRITE);
  memcpy(write_, image.data(), image_bytes);
  image_bytes_ = return_offset_ = image_bytes;
  const uint32_t end = return_offset_ + host::emit_return(write_ + return_offset_);
  first_ = (end + kCodeAlign - 1) & ~(kCodeAlign - 1);
  touched_ = size_;
  host::publish_code(reinterpret_cast<void *>(run_), first_);
}

void CodeCache::reset() {
  begin_ = size_;
}

// Gets memory from begin_ on, and some more, as page faults one by one would cost more than the code. As
// ReservedArray does: an eighth of what there is, within bounds.
void CodeCache::touch() {
  const uint32_t ahead = std::clamp(used() / 8, kLeastAhead, kMostAhead);
  const uint32_t begin = begin_ > ahead ? (begin_ - ahead) & ~(kLeastAhead - 1) : 0;
  madvise(write_ + begin, touched_ - begin, MADV_POPULATE_WRITE);
  touched_ = begin;
}

void *CodeCache::copy() const {
  void *memory = new_memory(nullptr, size_);
  if (memory == MAP_FAILED) return nullptr;
  uint8_t *to = static_cast<uint8_t *>(memory);
  madvise(to, first_, MADV_POPULATE_WRITE);
  madvise(to + touched_, size_ - touched_, MADV_POPULATE_WRITE);
  memcpy(to, write_, first_);
  memcpy(to + begin_, write_ + begin_, used());
  return memory;
}

bool CodeCache::adopt(void *memory) {
  void *moved = mremap(memory, size_, size_, MREMAP_MAYMOVE | MREMAP_FIXED, write_);
  return moved != MAP_FAILED && map(moved);
}

bool CodeCache::renew(std::span<const uint8_t> image) {
  void *memory = new_memory(write_, size_);
  if (memory == MAP_FAILED || !map(memory)) return false;
  write_image(image);
  reset();
  return true;
}

void CodeCache::discard(void *memory) const {
  munmap(memory, size_);
}

}  // namespace pyqemu
