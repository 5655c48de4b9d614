// An archive of optimised regions: opened, checked, and its code mapped (docs/archive.md). Knows nothing of
// where the guest's module lies, nor of what is installed.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "archive_format.hpp"
#include "engine.hpp"

namespace pyqemu {

// What a region consists of; its records are checked.
struct RegionParts {
  const RegionRec *record = nullptr;
  const ContextRec *context = nullptr;
  std::span<const EntryRec> entries;
  std::span<const RangeRec> ranges;
  std::span<const uint8_t> bytes;  // those of all ranges, one after the other
  std::span<const ExitRec> exits;
  std::span<const FaultRec> faults;
};

class Archive {
 public:
  static constexpr uint32_t kPage = 4096;  // text and table begin at multiples of this

  // Maps the tables of the file at `fd`, which may be closed afterwards. Null and *error if it is not an
  // archive made with `key` for the pack with `digest`.
  static std::unique_ptr<Archive> open(int fd, const ArchiveKey &key, std::span<const uint8_t, 32> digest,
                                       const char **error);
  ~Archive();
  Archive(const Archive &) = delete;
  Archive &operator=(const Archive &) = delete;

  const ArchiveHeader &header() const { return *header_; }
  // Whether both are of one file.
  bool is_same(const Archive &other) const;
  uint32_t region_count() const { return static_cast<uint32_t>(regions_.size()); }

  // Bytes of address space that text and table take.
  size_t mapped_bytes() const;
  // Maps text and table to `address`, where there is nothing that is needed; false if the system does not
  // allow it.
  bool map(uintptr_t address);

  // Calls f(guest offset) for each place where a region can be entered, as the index says.
  template <typename F>
  void for_each_entry(F f) const {
    for (const IndexRec &record : index_)
      if (record.region != kNoRegion) f(record.guest);
  }
  // A region that can be entered at module offset `guest` in a context, as the index says; kNone if there is
  // none.
  uint32_t find(uint64_t guest, const ContextRec &context) const;
  // The parts of a region; none if it is damaged or was not made with the key. The hash is computed at the
  // first call. Under the engine's lock.
  std::optional<RegionParts> region(uint32_t number);

  // The record of the access at `offset` of the text, in a region that region() has found good; null if there
  // is none. Async-signal-safe.
  const FaultRec *fault(uint32_t offset) const;

 private:
  enum class State : uint8_t { kUnchecked, kGood, kBad };
  Archive() = default;
  const char *load(const ArchiveKey &key, std::span<const uint8_t, 32> digest);
  bool take_section(const struct ElfSection &section);
  const char *check_header(std::span<const uint8_t, 32> digest) const;
  bool is_in_order() const;
  bool is_for(const RegionRec &region, const ContextRec &context) const;
  bool find_parts(const RegionRec &record, RegionParts *parts) const;
  bool is_authentic(const RegionParts &parts) const;
  bool is_consistent(const RegionParts &parts) const;
  bool support_is_good();

  int fd_ = -1;  // until the text is mapped
  struct stat status_ = {};
  ArchiveKey key_;
  std::span<const uint8_t> file_, text_;
  uint64_t text_offset_ = 0;  // in the file
  const ArchiveHeader *header_ = nullptr;
  std::span<const ContextRec> contexts_;
  std::span<const IndexRec> index_;
  std::span<const RegionRec> regions_;
  std::span<const EntryRec> entries_;
  std::span<const RangeRec> ranges_;
  std::span<const uint8_t> bytes_;
  std::span<const ExitRec> exits_;
  std::span<const FaultRec> faults_;
  std::span<const char> strings_;
  std::vector<std::atomic<State>> checked_;  // by number of the region
  State support_ = State::kUnchecked;
};

}  // namespace pyqemu
