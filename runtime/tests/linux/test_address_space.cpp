// The guest's mappings: what it asks for, and that pyqemu's own are left alone.
#include <sys/mman.h>

#include <cerrno>

#include "address_space.hpp"
#include "check.hpp"

using namespace pyqemu::user;

namespace {

constexpr uint64_t kPage = 4096;
constexpr int kAnonymous = MAP_PRIVATE | MAP_ANONYMOUS;

void test_mapping() {
  AddressSpace space;
  int64_t got = space.map(0, 5 * kPage - 100, PROT_READ | PROT_EXEC, kAnonymous, -1, 0);
  REQUIRE(got > 0);
  uint64_t base = static_cast<uint64_t>(got);
  CHECK(space.executable(base + 8, 100 * kPage) == 5 * kPage - 8 && space.changeable(base, 8) == 0);
  CHECK(space.protect(base + kPage, kPage, PROT_READ | PROT_WRITE) == 0);
  CHECK(space.executable(base, 5 * kPage) == kPage && space.changeable(base + kPage, 5 * kPage) == kPage);
  CHECK(space.snapshot().size() == 3);
  CHECK(space.protect(base + kPage, kPage, PROT_READ | PROT_EXEC) == 0 && space.snapshot().size() == 1);
  CHECK(space.unmap(base + 2 * kPage, kPage) == 0 && space.snapshot().size() == 2);
  CHECK(space.protect(base, 5 * kPage, PROT_READ) == -ENOMEM &&
        space.advise(base, 5 * kPage, MADV_DONTNEED) == -ENOMEM);
  CHECK(space.map(base + kPage, 2 * kPage, PROT_READ | PROT_WRITE, kAnonymous | MAP_FIXED, -1, 0) ==
        static_cast<int64_t>(base + kPage));
  *reinterpret_cast<char *>(base + 2 * kPage) = 7;
  int64_t moved = space.remap(base + 2 * kPage, kPage, 3 * kPage, MREMAP_MAYMOVE, 0);
  CHECK(moved > 0 && *reinterpret_cast<char *>(moved) == 7 && space.protection(base + 2 * kPage) == -1);
  CHECK(space.unmap(static_cast<uint64_t>(moved), 3 * kPage) == 0);
  CHECK(space.map(0, 0, PROT_READ, kAnonymous, -1, 0) == -EINVAL);
  CHECK(space.map(base + 1, kPage, PROT_READ, kAnonymous | MAP_FIXED, -1, 0) == -EINVAL);
  CHECK(space.map(0, ~uint64_t{0} - 10, PROT_READ, kAnonymous, -1, 0) == -ENOMEM);
  CHECK(space.unmap(base, ~uint64_t{0} << 12) == -EINVAL);
}

void test_own_mappings() {
  AddressSpace space;
  auto *own =
      static_cast<volatile char *>(mmap(nullptr, 3 * kPage, PROT_READ | PROT_WRITE, kAnonymous, -1, 0));
  own[kPage] = 42;
  uint64_t base = reinterpret_cast<uint64_t>(own);
  CHECK(space.map(base, 3 * kPage, PROT_READ, kAnonymous | MAP_FIXED, -1, 0) == -ENOMEM);
  CHECK(space.unmap(base + kPage, kPage) == -EINVAL);
  CHECK(space.protect(base, 3 * kPage, PROT_NONE) == -ENOMEM);
  CHECK(space.remap(base, kPage, 2 * kPage, MREMAP_MAYMOVE, 0) == -EFAULT);
  CHECK(space.advise(base, 3 * kPage, MADV_DONTNEED) == -ENOMEM);
  CHECK(own[kPage] == 42);
  // A range that is partly the guest's: all or nothing.
  int64_t guest = space.map(base - kPage, kPage, PROT_READ, kAnonymous | MAP_FIXED_NOREPLACE, -1, 0);
  if (guest > 0) {
    CHECK(space.map(base - kPage, 2 * kPage, PROT_READ, kAnonymous | MAP_FIXED, -1, 0) == -ENOMEM);
    CHECK(space.unmap(base - kPage, 2 * kPage) == -EINVAL && space.protection(base - kPage) == PROT_READ);
  }
  CHECK(own[kPage] == 42);
}

void test_break() {
  AddressSpace space;
  int64_t got = space.map(0, 64 * kPage, PROT_READ, kAnonymous, -1, 0);
  uint64_t start = static_cast<uint64_t>(got);
  space.unmap(start, 64 * kPage);
  space.start_break(start + 100);
  CHECK(space.set_break(0) == static_cast<int64_t>(start + 100));
  CHECK(space.set_break(start + 3 * kPage) == static_cast<int64_t>(start + 3 * kPage));
  CHECK(space.protection(start + 2 * kPage) == (PROT_READ | PROT_WRITE));
  *reinterpret_cast<char *>(start + 3 * kPage - 1) = 1;
  CHECK(space.set_break(start + kPage) == static_cast<int64_t>(start + kPage));
  CHECK(space.protection(start + 2 * kPage) == -1);
  CHECK(space.set_break(start + (uint64_t{1} << 46)) == static_cast<int64_t>(start + kPage));
}

// A guest with 32-bit addresses: everything lies below its end, wherever the host would have put it.
void test_low() {
  AddressSpace space;
  space.keep_low();
  auto low = [](int64_t address, uint64_t bytes) {
    return address >= 0x10000 && static_cast<uint64_t>(address) + bytes <= kEndOfLow;
  };
  int64_t first = space.map(0, 3 * kPage, PROT_READ | PROT_WRITE, kAnonymous, -1, 0);
  int64_t second = space.map(0, kPage, PROT_READ | PROT_WRITE, kAnonymous, -1, 0);
  REQUIRE(low(first, 3 * kPage) && low(second, kPage) && second < first);
  int64_t hint = space.map(0x20000000, kPage, PROT_READ, kAnonymous, -1, 0);
  CHECK(hint == 0x20000000 && low(space.map(0x20000000, kPage, PROT_READ, kAnonymous, -1, 0), kPage));
  CHECK(low(space.map(uint64_t{5} << 32, kPage, PROT_READ, kAnonymous, -1, 0), kPage));
  CHECK(space.map(kEndOfLow, kPage, PROT_READ, kAnonymous | MAP_FIXED, -1, 0) == -ENOMEM);
  CHECK(space.map(kEndOfLow, kPage, PROT_READ, kAnonymous | MAP_FIXED_NOREPLACE, -1, 0) == -ENOMEM);
  CHECK(space.map(0, kEndOfLow, PROT_NONE, kAnonymous | MAP_NORESERVE, -1, 0) == -ENOMEM);

  *reinterpret_cast<char *>(second) = 9;  // `first` is in the way
  uint64_t at = static_cast<uint64_t>(second);
  CHECK(space.remap(at, kPage, 8 * kPage, 0, 0) == -ENOMEM);
  int64_t moved = space.remap(at, kPage, 8 * kPage, MREMAP_MAYMOVE, 0);
  CHECK(low(moved, 8 * kPage) && *reinterpret_cast<char *>(moved) == 9 && space.protection(at) == -1);
  CHECK(space.remap(static_cast<uint64_t>(moved), 8 * kPage, 2 * kPage, 0, 0) == moved);
  CHECK(space.remap(static_cast<uint64_t>(moved), kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, kEndOfLow) ==
        -EINVAL);

  // What is pyqemu's own is gone round.
  uint64_t gap = space.free_range(16 * kPage);
  REQUIRE(gap);
  constexpr int kOwn = kAnonymous | MAP_FIXED_NOREPLACE;
  REQUIRE(mmap(reinterpret_cast<void *>(gap + 4 * kPage), kPage, PROT_NONE, kOwn, -1, 0) != MAP_FAILED);
  int64_t around = space.map(0, 16 * kPage, PROT_READ, kAnonymous, -1, 0);
  CHECK(low(around, 16 * kPage) && static_cast<uint64_t>(around) + 16 * kPage <= gap + 4 * kPage);

  // All of it can be had, in pieces.
  uint64_t total = 0;
  for (uint64_t piece = uint64_t{1} << 30; piece >= kPage << 8; piece /= 2)
    while (space.map(0, piece, PROT_NONE, kAnonymous | MAP_NORESERVE, -1, 0) > 0) total += piece;
  CHECK(total > uint64_t{1} << 30);  // a sanitizer has the rest
  CHECK(space.map(0, uint64_t{1} << 30, PROT_NONE, kAnonymous | MAP_NORESERVE, -1, 0) == -ENOMEM);
}

}  // namespace

int main() {
  test_low();
  test_mapping();
  test_own_mappings();
  test_break();
  return result();
}
