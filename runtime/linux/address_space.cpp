// Guest mappings: host mmap and a sorted list.
#include "address_space.hpp"

#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "hosts/host.hpp"

namespace pyqemu::user {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kLowest = 0x10000;  // where the host lets anybody map

uint64_t page_up(uint64_t value) {
  return (value + kPage - 1) & ~(kPage - 1);
}

// Generated code reads guest code as data and never runs it in place.
int host_prot(int prot) {
  return prot & PROT_EXEC ? (prot & ~PROT_EXEC) | PROT_READ : prot;
}

int64_t host_mmap(uint64_t address, uint64_t bytes, int prot, int flags, int fd, int64_t offset) {
  return host::system_call(SYS_mmap, address, bytes, static_cast<uint64_t>(prot),
                           static_cast<uint64_t>(flags), static_cast<uint64_t>(fd),
                           static_cast<uint64_t>(offset));
}

constexpr int kReserve = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;

}  // namespace

bool AddressSpace::bad_range(uint64_t address, uint64_t bytes) const {
  return (address & (kPage - 1)) || bytes > end_ || address > end_ || address + bytes > end_;
}

size_t AddressSpace::first_ending_after(uint64_t address) const {
  auto it = std::partition_point(mappings_.begin(), mappings_.end(),
                                 [&](const Mapping &mapping) { return mapping.end <= address; });
  return static_cast<size_t>(it - mappings_.begin());
}

bool AddressSpace::covered(uint64_t start, uint64_t end) const {
  for (size_t i = first_ending_after(start); start < end; i++) {
    if (i == mappings_.size() || mappings_[i].start > start) return false;
    start = mappings_[i].end;
  }
  return true;
}

bool AddressSpace::remove(uint64_t start, uint64_t end) {
  size_t first = first_ending_after(start), last = first;
  bool had_code = false;
  Mapping pieces[2];
  size_t count = 0;
  for (; last < mappings_.size() && mappings_[last].start < end; last++) {
    const Mapping &mapping = mappings_[last];
    had_code |= (mapping.prot & PROT_EXEC) != 0;
    if (mapping.start < start) pieces[count++] = {mapping.start, start, mapping.prot};
    if (mapping.end > end) pieces[count++] = {end, mapping.end, mapping.prot};
  }
  auto at = mappings_.erase(mappings_.begin() + static_cast<ptrdiff_t>(first),
                            mappings_.begin() + static_cast<ptrdiff_t>(last));
  mappings_.insert(at, pieces, pieces + count);
  return had_code;
}

bool AddressSpace::add(uint64_t start, uint64_t end, int prot) {
  bool had_code = remove(start, end);
  size_t at = first_ending_after(start);
  if (at > 0 && mappings_[at - 1].end == start && mappings_[at - 1].prot == prot) {
    mappings_[at - 1].end = end;
  } else {
    mappings_.insert(mappings_.begin() + static_cast<ptrdiff_t>(at), Mapping{start, end, prot});
    at++;
  }
  if (at < mappings_.size() && mappings_[at].start == end && mappings_[at].prot == prot) {
    mappings_[at - 1].end = mappings_[at].end;
    mappings_.erase(mappings_.begin() + static_cast<ptrdiff_t>(at));
  }
  return had_code;
}

int64_t AddressSpace::reserve_gaps(uint64_t start, uint64_t end) {
  std::vector<Mapping> taken;
  for (size_t i = first_ending_after(start); start < end; i++) {
    uint64_t gap_end = i < mappings_.size() ? std::min(mappings_[i].start, end) : end;
    if (gap_end > start) {
      int64_t result = host_mmap(start, gap_end - start, PROT_NONE, kReserve, -1, 0);
      if (result >= 0 && static_cast<uint64_t>(result) != start) {  // an old kernel took it for a hint
        host::system_call(SYS_munmap, static_cast<uint64_t>(result), gap_end - start);
        result = -EEXIST;
      }
      if (result < 0) {
        for (const Mapping &gap : taken) host::system_call(SYS_munmap, gap.start, gap.end - gap.start);
        return result == -EEXIST ? -ENOMEM : result;
      }
      taken.push_back({start, gap_end, PROT_NONE});
    }
    if (i < mappings_.size())
      start = std::max(gap_end, mappings_[i].end);
    else
      break;
  }
  return 0;
}

void AddressSpace::release_gaps(uint64_t start, uint64_t end) {
  for (size_t i = first_ending_after(start); start < end; i++) {
    uint64_t gap_end = i < mappings_.size() ? std::min(mappings_[i].start, end) : end;
    if (gap_end > start) host::system_call(SYS_munmap, start, gap_end - start);
    if (i == mappings_.size()) break;
    start = mappings_[i].end;
  }
}

void AddressSpace::dropped(bool had_code, uint64_t start, uint64_t end) {
  if (had_code && engine_) engine_->invalidate(start, end - start);
}

// The start of the highest range of `bytes` below `below` that the guest has nothing in, or 0.
uint64_t AddressSpace::highest_gap(uint64_t below, uint64_t bytes) const {
  uint64_t top = below;
  for (size_t i = mappings_.size(); i-- > 0 && top >= kLowest + bytes;) {
    const Mapping &mapping = mappings_[i];
    if (mapping.start >= top) continue;
    if (mapping.end <= top && top - mapping.end >= bytes) return top - bytes;
    top = mapping.start;
  }
  return top >= kLowest + bytes ? top - bytes : 0;
}

// The host's mmap where the guest can reach it. Where something of pyqemu's is in the way, what lies below is
// tried in growing steps.
int64_t AddressSpace::place(uint64_t hint, uint64_t bytes, int prot, int flags, int fd,
                            int64_t offset) const {
  auto attempt = [&](uint64_t address) -> int64_t {
    int64_t result = host_mmap(address, bytes, prot, flags | MAP_FIXED_NOREPLACE, fd, offset);
    if (result < 0 || static_cast<uint64_t>(result) == address) return result;
    host::system_call(SYS_munmap, static_cast<uint64_t>(result), bytes);  // an old kernel took it for a hint
    return -EEXIST;
  };
  hint &= ~(kPage - 1);
  if (hint >= kLowest && !bad_range(hint, bytes))
    if (int64_t result = attempt(hint); result != -EEXIST) return result;
  uint64_t below = end_;
  for (uint64_t step = bytes;; step = 2 * step) {
    uint64_t address = highest_gap(below, page_up(bytes));
    if (!address) return -ENOMEM;
    if (int64_t result = attempt(address); result != -EEXIST) return result;
    below = address + bytes > step ? address + bytes - step : 0;
  }
}

uint64_t AddressSpace::free_range(uint64_t bytes) {
  std::lock_guard guard(mutex_);
  return low_ ? highest_gap(end_, page_up(bytes)) : 0;
}

int64_t AddressSpace::map(uint64_t address, uint64_t bytes, int prot, int flags, int fd, int64_t offset) {
  if (bytes == 0) return -EINVAL;
  uint64_t rounded = page_up(bytes);
  if (rounded == 0 || rounded > end_) return -ENOMEM;
  bool fixed = (flags & MAP_FIXED) && (flags & MAP_FIXED_NOREPLACE) != MAP_FIXED_NOREPLACE;
  bool had_code = false;
  int64_t result;
  {
    std::lock_guard guard(mutex_);
    bool gaps = false;
    if (low_ && (flags & MAP_FIXED_NOREPLACE) == MAP_FIXED_NOREPLACE && bad_range(address, rounded))
      return address & (kPage - 1) ? -EINVAL : -ENOMEM;
    if (fixed) {
      if (address & (kPage - 1)) return -EINVAL;
      if (bad_range(address, rounded)) return -ENOMEM;
      gaps = !covered(address, address + rounded);
      if (gaps)
        if (int64_t error = reserve_gaps(address, address + rounded); error < 0) return error;
    }
    result = low_ && !(flags & (MAP_FIXED | MAP_FIXED_NOREPLACE))
                 ? place(address, bytes, host_prot(prot), flags, fd, offset)
                 : host_mmap(address, bytes, host_prot(prot), flags, fd, offset);
    if (result < 0) {
      if (gaps) release_gaps(address, address + rounded);
      return result;
    }
    had_code = add(static_cast<uint64_t>(result), static_cast<uint64_t>(result) + rounded,
                   (prot & 7) | (flags & MAP_SHARED ? kShared : 0));
  }
  dropped(had_code, static_cast<uint64_t>(result), static_cast<uint64_t>(result) + rounded);
  return result;
}

int64_t AddressSpace::unmap(uint64_t address, uint64_t bytes) {
  uint64_t rounded = page_up(bytes);
  if (rounded == 0 || bad_range(address, rounded)) return -EINVAL;
  uint64_t end = address + rounded;
  bool had_code;
  {
    std::lock_guard guard(mutex_);
    if (!covered(address, end))
      if (reserve_gaps(address, end) < 0) return -EINVAL;  // something of pyqemu's lies there
    int64_t result = host::system_call(SYS_munmap, address, rounded);
    if (result < 0) return result;
    had_code = remove(address, end);
  }
  dropped(had_code, address, end);
  return 0;
}

int64_t AddressSpace::protect(uint64_t address, uint64_t bytes, int prot) {
  uint64_t rounded = page_up(bytes);
  if (address & (kPage - 1)) return -EINVAL;
  if (bytes == 0) return 0;
  if (rounded == 0 || bad_range(address, rounded)) return -ENOMEM;
  uint64_t end = address + rounded;
  bool had_code;
  {
    std::lock_guard guard(mutex_);
    if (!covered(address, end)) return -ENOMEM;
    int64_t result =
        host::system_call(SYS_mprotect, address, rounded, static_cast<uint64_t>(host_prot(prot)));
    if (result < 0) return result;
    had_code = add(address, end, (prot & 7) | (mappings_[first_ending_after(address)].prot & kShared));
  }
  dropped(had_code, address, end);
  return 0;
}

// The host's mremap, into a range that is the guest's or free.
int64_t AddressSpace::move(uint64_t old_address, uint64_t old_bytes, uint64_t bytes, int flags,
                           uint64_t address) {
  const uint64_t rounded = page_up(bytes);
  if (low_ && !(flags & MREMAP_FIXED)) {
    if (!(flags & MREMAP_DONTUNMAP) && !bad_range(old_address, rounded)) {
      int64_t result = host::system_call(SYS_mremap, old_address, old_bytes, bytes, uint64_t{0});
      if (result != -ENOMEM) return result;
    }
    if (!(flags & MREMAP_MAYMOVE)) return -ENOMEM;
    address = highest_gap(end_, rounded);
    if (!address) return -ENOMEM;
    flags |= MREMAP_FIXED;
  }
  if (flags & MREMAP_FIXED) {
    if (bad_range(address, rounded)) return -EINVAL;
    if (!covered(address, address + rounded))
      if (int64_t error = reserve_gaps(address, address + rounded); error < 0) return error;
  }
  int64_t result =
      host::system_call(SYS_mremap, old_address, old_bytes, bytes, static_cast<uint64_t>(flags), address);
  if (result < 0 && (flags & MREMAP_FIXED)) release_gaps(address, address + rounded);
  return result;
}

int64_t AddressSpace::remap(uint64_t old_address, uint64_t old_bytes, uint64_t bytes, int flags,
                            uint64_t address) {
  uint64_t old_rounded = page_up(old_bytes), rounded = page_up(bytes);
  if ((old_address & (kPage - 1)) || rounded == 0) return -EINVAL;
  bool had_code = false;
  int64_t result;
  {
    std::lock_guard guard(mutex_);
    uint64_t first = old_rounded ? old_rounded : kPage;
    if (bad_range(old_address, first) || !covered(old_address, old_address + first)) return -EFAULT;
    int prot = mappings_[first_ending_after(old_address)].prot;
    result = move(old_address, old_bytes, bytes, flags, address);
    if (result < 0) return result;
    if (!(flags & MREMAP_DONTUNMAP) && old_rounded) had_code = remove(old_address, old_address + old_rounded);
    had_code |= add(static_cast<uint64_t>(result), static_cast<uint64_t>(result) + rounded, prot);
  }
  dropped(had_code, old_address, old_address + old_rounded);
  dropped(had_code, static_cast<uint64_t>(result), static_cast<uint64_t>(result) + rounded);
  return result;
}

int64_t AddressSpace::advise(uint64_t address, uint64_t bytes, int advice) {
  uint64_t rounded = page_up(bytes);
  if (address & (kPage - 1)) return -EINVAL;
  if (bad_range(address, rounded)) return bytes ? -ENOMEM : 0;
  std::lock_guard guard(mutex_);
  if (!covered(address, address + rounded)) return -ENOMEM;
  return host::system_call(SYS_madvise, address, bytes, static_cast<uint64_t>(advice));
}

int64_t AddressSpace::set_break(uint64_t address) {
  uint64_t old;
  {
    std::lock_guard guard(mutex_);
    if (address < break_start_ || address > end_) return static_cast<int64_t>(break_);
    uint64_t mapped = page_up(break_), wanted = page_up(address);
    if (wanted > mapped) {
      int64_t result = host_mmap(mapped, wanted - mapped, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
      if (result != static_cast<int64_t>(mapped)) {
        if (result > 0) host::system_call(SYS_munmap, static_cast<uint64_t>(result), wanted - mapped);
        return static_cast<int64_t>(break_);
      }
      add(mapped, wanted, PROT_READ | PROT_WRITE);
    } else if (wanted < mapped) {
      host::system_call(SYS_munmap, wanted, mapped - wanted);
      remove(wanted, mapped);
    }
    old = address;
    break_ = address;
  }
  return static_cast<int64_t>(old);
}

void AddressSpace::adopt(uint64_t start, uint64_t end, int prot) {
  bool had_code;
  {
    std::lock_guard guard(mutex_);
    had_code = add(start, page_up(end), prot | kShared);
  }
  dropped(had_code, start, end);
}

void AddressSpace::forget(uint64_t start, uint64_t end) {
  bool had_code;
  {
    std::lock_guard guard(mutex_);
    had_code = remove(start, page_up(end));
  }
  dropped(had_code, start, end);
}

bool AddressSpace::provide_code(uint64_t address, const void *code, size_t bytes) {
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
  const uint64_t end = page_up(address + bytes);
  const int64_t result = host_mmap(address, end - address, PROT_READ | PROT_WRITE, kFlags, -1, 0);
  if (result != static_cast<int64_t>(address)) return false;
  memcpy(reinterpret_cast<void *>(address), code, bytes);
  host::system_call(SYS_mprotect, address, end - address, PROT_READ);
  std::lock_guard guard(mutex_);
  add(address, end, PROT_READ | PROT_EXEC);
  return true;
}

uint64_t AddressSpace::end_of(uint64_t start) {
  std::lock_guard guard(mutex_);
  size_t i = first_ending_after(start);
  return i < mappings_.size() && mappings_[i].start <= start ? mappings_[i].end : 0;
}

size_t AddressSpace::executable(uint64_t address, size_t bytes) {
  std::lock_guard guard(mutex_);
  uint64_t at = address, end = address + bytes;
  for (size_t i = first_ending_after(at); at < end && i < mappings_.size(); i++) {
    if (mappings_[i].start > at || !(mappings_[i].prot & PROT_EXEC)) break;
    at = mappings_[i].end;
  }
  return static_cast<size_t>(std::min(at, end) - address);
}

size_t AddressSpace::changeable(uint64_t address, size_t bytes) {
  std::lock_guard guard(mutex_);
  uint64_t at = address, end = address + bytes;
  for (size_t i = first_ending_after(at); at < end && i < mappings_.size(); i++) {
    if (mappings_[i].start > at || !(mappings_[i].prot & (PROT_WRITE | kShared))) break;
    at = mappings_[i].end;
  }
  return static_cast<size_t>(std::min(at, end) - address);
}

int AddressSpace::protection(uint64_t address) {
  std::lock_guard guard(mutex_);
  size_t i = first_ending_after(address);
  return i < mappings_.size() && mappings_[i].start <= address ? mappings_[i].prot & ~kShared : -1;
}

std::vector<Mapping> AddressSpace::snapshot() {
  std::lock_guard guard(mutex_);
  return mappings_;
}

}  // namespace pyqemu::user
