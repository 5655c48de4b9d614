// The code cache's memory: creation, the two views, copies for forks.
#include "code_cache.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "host_code.hpp"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

namespace pyqemu {
namespace {

constexpr size_t kPage = 65536;  // a multiple of every host's page size
constexpr uint32_t kPageBytes = kPage;
constexpr size_t kSmallest = 256u << 10, kLargest = 1u << 30;
constexpr uint32_t kCodeAlign = 64;

int new_memory(size_t bytes) {
  int fd = memfd_create("pyqemu-code", MFD_CLOEXEC | MFD_EXEC);
  if (fd < 0 && errno == EINVAL) fd = memfd_create("pyqemu-code", MFD_CLOEXEC);  // kernels before 6.3
  if (fd >= 0 && ftruncate(fd, static_cast<off_t>(bytes)) != 0) {
    close(fd);
    fd = -1;
  }
  return fd;
}

bool write_all(int fd, const void *from, size_t bytes, off_t offset) {
  const char *at = static_cast<const char *>(from);
  while (bytes != 0) {
    ssize_t written = pwrite(fd, at, bytes, offset);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    at += written;
    offset += written;
    bytes -= static_cast<size_t>(written);
  }
  return true;
}

}  // namespace

std::unique_ptr<CodeCache> CodeCache::create(size_t bytes, std::span<const uint8_t> image,
                                             const char **error) {
  std::unique_ptr<CodeCache> cache(new CodeCache);
  bytes = (bytes + kPage - 1) & ~(kPage - 1);
  if (bytes > kLargest) bytes = kLargest;
  if (bytes < image.size() + kSmallest) bytes = (image.size() + kSmallest + kPage - 1) & ~(kPage - 1);
  cache->size_ = static_cast<uint32_t>(bytes);
  int fd = bytes <= kLargest ? new_memory(bytes) : -1;
  bool good = fd >= 0 && cache->map(fd, false);
  if (fd >= 0) close(fd);
  if (!good) {
    if (error != nullptr) *error = "no executable memory for the code cache";
    return nullptr;
  }
  cache->write_image(image);
  cache->reset();
  return cache;
}

CodeCache::~CodeCache() {
  if (write_ != nullptr) munmap(write_, size_);
  if (run_ != 0) munmap(reinterpret_cast<void *>(run_), size_);
}

bool CodeCache::map(int fd, bool fixed) {
  int flags = MAP_SHARED | (fixed ? MAP_FIXED : 0);
  void *write = mmap(fixed ? write_ : nullptr, size_, PROT_READ | PROT_WRITE, flags, fd, 0);
  if (write == MAP_FAILED) return false;
  write_ = static_cast<uint8_t *>(write);
  void *run =
      mmap(fixed ? reinterpret_cast<void *>(run_) : nullptr, size_, PROT_READ | PROT_EXEC, flags, fd, 0);
  if (run == MAP_FAILED) return false;
  run_ = reinterpret_cast<uintptr_t>(run);
  return true;
}

void CodeCache::write_image(std::span<const uint8_t> image) {
  memcpy(write_, image.data(), image.size());
  image_bytes_ = return_offset_ = static_cast<uint32_t>(image.size());
  uint32_t end = return_offset_ + host::emit_return(write_ + return_offset_);
  first_ = (end + kCodeAlign - 1) & ~(kCodeAlign - 1);
  host::publish_code(reinterpret_cast<void *>(run_), first_);
}

void CodeCache::reset() {
  hot_ = first_;
  cold_ = size_;
  if (hot_touched_ == 0) {
    hot_touched_ = first_ & ~(kPageBytes - 1);
    cold_touched_ = size_;
    touch();
  }
}

void CodeCache::touch() {
  if (hot_ + kAhead / 4 > hot_touched_) {
    uint32_t end = hot_touched_ + kAhead < size_ ? hot_touched_ + kAhead : size_;
    madvise(write_ + hot_touched_, end - hot_touched_, MADV_POPULATE_WRITE);
    hot_touched_ = end;
  }
  if (cold_ < cold_touched_ + kAhead / 8) {
    uint32_t begin = cold_touched_ > kAhead / 2 ? cold_touched_ - kAhead / 2 : 0;
    madvise(write_ + begin, cold_touched_ - begin, MADV_POPULATE_WRITE);
    cold_touched_ = begin;
  }
}

int CodeCache::copy() const {
  int fd = new_memory(size_);
  if (fd < 0) return -1;
  const char *from = reinterpret_cast<const char *>(run_);
  if (write_all(fd, from, hot_, 0) && write_all(fd, from + cold_, size_ - cold_, cold_)) return fd;
  close(fd);
  return -1;
}

bool CodeCache::adopt(int fd) {
  bool good = map(fd, true);
  close(fd);
  return good;
}

bool CodeCache::renew(std::span<const uint8_t> image) {
  int fd = new_memory(size_);
  if (fd < 0 || !adopt(fd)) return false;
  write_image(image);
  hot_touched_ = 0;
  reset();
  return true;
}

void CodeCache::discard(int fd) {
  close(fd);
}

}  // namespace pyqemu
