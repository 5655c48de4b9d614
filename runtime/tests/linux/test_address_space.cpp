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

}  // namespace

int main() {
  test_mapping();
  test_own_mappings();
  test_break();
  return result();
}
