// The archives of this process, each in its place behind the code cache, and the regions that are installed:
// entered in the table of blocks, with exits that can be chained.
//
// Under the engine's lock, but for `any` and `fault`. Archives are taken out at clear() only, which needs all
// threads at safe points.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "archive.hpp"
#include "code_cache.hpp"
#include "decoder.hpp"

namespace pyqemu {

// An archive for one place of its module.
struct MappedArchive {
  std::unique_ptr<Archive> archive;
  uint64_t origin = 0;              // guest address of module offset 0
  uint32_t text = 0, end = 0;       // offsets as the code cache counts
  bool gone = false;                // the module was unmapped
  std::vector<uint32_t> installed;  // by region: its number in Regions, or kNone
  std::vector<bool> unfit;          // by region: was found not to fit what the guest has there

  uint32_t table() const { return text + archive->header().text_bytes; }
  bool covers(uint64_t pc) const { return pc - origin < archive->header().extent; }
};

// A region that has, or had, its exits and entries since the last clear().
struct InstalledRegion {
  MappedArchive *archive;
  uint32_t number;  // in the archive
  uint32_t context;
  uint32_t first_slot;
  bool alive;  // its entries are in the table of blocks

  RegionParts parts() const { return *archive->archive->region(number); }
};

// A region that may be entered at an address, once it is known to fit.
struct RegionChoice {
  MappedArchive *archive = nullptr;
  uint32_t number = 0;
};

class Regions {
 public:
  explicit Regions(CodeCache &cache) : cache_(cache) {}
  ~Regions();

  // Gives the archive a place; null if there is none.
  MappedArchive *add(std::unique_ptr<Archive> archive, uint64_t origin);
  // Whether this very archive is there already, for the same place.
  bool has(const Archive &archive, uint64_t origin) const;
  // Whether there are any archives. Without the lock.
  bool any() const { return count_.load(std::memory_order_relaxed) != 0; }

  // A good region that can be entered at `pc` in the context. Newer archives come first.
  RegionChoice choose(uint64_t pc, const DecodeContext &context);
  // What was chosen does not fit; it is not chosen again before the guest's code there changes.
  void refuse(const RegionChoice &choice);
  // The guest's code at [address, address + bytes) is not what it was: gives what did not fit another chance,
  // and forgets archives whose module is gone. Calls drop(number) for each living region made from bytes
  // there.
  template <typename F>
  void for_range(uint64_t address, size_t bytes, F drop);
  void clear();

  // The record of the access at a host address, with the archive; null if there is none. Async-signal-safe.
  const FaultRec *fault(uintptr_t host_pc, const MappedArchive **archive) const;

  std::vector<InstalledRegion> installed;
  uint64_t refused = 0;  // regions that were damaged or did not fit

 private:
  static constexpr uint32_t kMost = 1024;  // archives

  MappedArchive *at(uint32_t i) const { return archives_[i].load(std::memory_order_acquire); }
  uint32_t free_place(size_t bytes) const;
  static bool overlaps(const InstalledRegion &region, uint64_t first, uint64_t last);

  CodeCache &cache_;
  std::unique_ptr<std::atomic<MappedArchive *>[]> archives_;  // made with the first one
  std::atomic<uint32_t> count_{0};
};

template <typename F>
void Regions::for_range(uint64_t address, size_t bytes, F drop) {
  if (bytes == 0 || !any()) return;
  const uint64_t last = address + bytes - 1 < address ? ~uint64_t{0} : address + bytes - 1;
  for (uint32_t i = 0; i < installed.size(); i++)
    if (installed[i].alive && overlaps(installed[i], address, last)) drop(i);
  for (uint32_t i = 0; i < count_.load(); i++) {
    MappedArchive &archive = *at(i);
    const uint64_t end = archive.origin + archive.archive->header().extent - 1;
    if (archive.origin > last || end < address) continue;
    archive.unfit.assign(archive.unfit.size(), false);
    archive.gone |= archive.origin >= address && end <= last;
  }
}

}  // namespace pyqemu
