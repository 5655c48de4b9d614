// Opens archives and checks what they say. The header is checked at once; of the rest, what a region consists
// of, when the region is wanted for the first time.
#include "archive.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "blake2b_tree.hpp"
#include "elf_sections.hpp"
#include "pack_format.hpp"

namespace pyqemu {
namespace {

constexpr uint64_t kLargest = 1u << 30;  // bytes of a file
constexpr uint64_t kMostGap = 64;        // between one region's code and the next one's

size_t page_up(size_t bytes) {
  return (bytes + Archive::kPage - 1) & ~size_t{Archive::kPage - 1};
}

// Elements first … first + count - 1 of a table; false if the table has fewer.
template <typename T>
bool part(std::span<const T> *out, std::span<const T> table, uint64_t first, uint64_t count) {
  if (first > table.size() || count > table.size() - first) return false;
  *out = table.subspan(first, count);
  return true;
}

bool inside(uint32_t offset, const RegionRec &region) {
  return offset - region.code < region.code_bytes;
}

// Whether the guest bytes at a module offset are among those that a region was made from.
bool made_from(uint32_t guest, std::span<const RangeRec> ranges) {
  auto behind = std::upper_bound(ranges.begin(), ranges.end(), guest,
                                 [](uint32_t wanted, const RangeRec &range) { return wanted < range.guest; });
  return behind != ranges.begin() && guest - behind[-1].guest < behind[-1].bytes;
}

bool equal(const Blake2b::Digest &digest, const uint8_t *mac) {
  return memcmp(digest.data(), mac, digest.size()) == 0;
}

}  // namespace

std::unique_ptr<Archive> Archive::open(int fd, const ArchiveKey &key, std::span<const uint8_t, 32> digest,
                                       const char **error) {
  std::unique_ptr<Archive> archive(new Archive);
  struct stat &info = archive->status_;
  *error = "the archive is not a file, or has a wrong size";
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size < 64 ||
      static_cast<uint64_t>(info.st_size) > kLargest)
    return nullptr;
  const size_t bytes = static_cast<size_t>(info.st_size);
  void *file = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
  *error = "the archive cannot be mapped";
  if (file == MAP_FAILED) return nullptr;
  archive->file_ = {static_cast<const uint8_t *>(file), bytes};
  archive->fd_ = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  *error = archive->load(key, digest);
  return *error == nullptr ? std::move(archive) : nullptr;
}

Archive::~Archive() {
  if (fd_ >= 0) close(fd_);
  if (!file_.empty()) munmap(const_cast<uint8_t *>(file_.data()), file_.size());
}

const char *Archive::load(const ArchiveKey &key, std::span<const uint8_t, 32> digest) {
  auto take = [](void *archive, const ElfSection &section) {
    return static_cast<Archive *>(archive)->take_section(section);
  };
  if (const char *problem = for_each_section(file_, take, this)) return problem;
  if (const char *problem = check_header(digest)) return problem;
  key_ = key;
  ArchiveHeader copy = *header_;
  memset(copy.mac, 0, sizeof copy.mac);
  if (!equal(Blake2bTree(key_).add(&copy, sizeof copy).finish(), header_->mac))
    return "the archive was made with another key";
  if (!is_in_order()) return "the archive's regions are damaged";
  checked_ = std::vector<std::atomic<State>>(regions_.size());
  return nullptr;
}

bool Archive::take_section(const ElfSection &section) {
  if (section.name == ".text") return text_offset_ = section.offset, text_ = section.bytes, true;
  if (section.name == ".pq.context") return take(&contexts_, section.bytes);
  if (section.name == ".pq.index") return take(&index_, section.bytes);
  if (section.name == ".pq.region") return take(&regions_, section.bytes);
  if (section.name == ".pq.entry") return take(&entries_, section.bytes);
  if (section.name == ".pq.range") return take(&ranges_, section.bytes);
  if (section.name == ".pq.bytes") return bytes_ = section.bytes, true;
  if (section.name == ".pq.exit") return take(&exits_, section.bytes);
  if (section.name == ".pq.fault") return take(&faults_, section.bytes);
  if (section.name == ".pq.str") return take(&strings_, section.bytes);
  if (section.name != ".pq.archive") return true;
  std::span<const ArchiveHeader> one;
  if (!take(&one, section.bytes) || one.size() != 1) return false;
  header_ = one.data();
  return true;
}

const char *Archive::check_header(std::span<const uint8_t, 32> digest) const {
  if (header_ == nullptr || header_->magic != kArchiveMagic) return "the file is not an archive";
  if (header_->version != kArchiveVersion) return "the archive has another version than this program";
  if (memcmp(header_->digest, digest.data(), digest.size()) != 0)
    return "the archive was made for another pack";
  if (text_offset_ % kPage != 0 || text_.size() % kPage != 0 || text_.size() != header_->text_bytes ||
      text_.empty() || header_->support > header_->text_bytes)
    return "the archive's code has a wrong size or alignment";
  if (header_->exit_count != exits_.size()) return "the archive's exits are damaged";
  if (header_->extent == 0 || header_->extent > uint64_t{1} << 32)
    return "the archive's module has a wrong size";
  if (index_.size() < 2 || !std::has_single_bit(index_.size())) return "the archive's index has a wrong size";
  if (strings_.empty() || strings_.back() != 0) return "the archive's strings are damaged";
  return nullptr;
}

// Whether code and records are there region by region, so that none has anything of another one's: its exits
// would be chained, its faults left as the other's.
bool Archive::is_in_order() const {
  uint64_t code = header_->support, entry = 0, range = 0, byte = 0, exit = 0, fault = 0;
  for (const RegionRec &record : regions_) {
    if (record.code < code || record.code - code >= kMostGap || record.first_entry != entry ||
        record.first_range != range || record.first_byte != byte || record.first_exit != exit ||
        record.first_fault != fault)
      return false;
    code = uint64_t{record.code} + record.code_bytes;
    entry += record.entry_count;
    range += record.range_count;
    byte += record.byte_count;
    exit += record.exit_count;
    fault += record.fault_count;
  }
  return code <= text_.size() && text_.size() - code < kPage && entry == entries_.size() &&
         range == ranges_.size() && byte == bytes_.size() && exit == exits_.size() && fault == faults_.size();
}

bool Archive::is_same(const Archive &other) const {
  const struct stat &a = status_, &b = other.status_;
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
         a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

size_t Archive::mapped_bytes() const {
  return text_.size() + page_up((exits_.size() + 1) * sizeof(uint64_t));
}

bool Archive::map(uintptr_t address) {
  void *text = mmap(reinterpret_cast<void *>(address), text_.size(), PROT_READ | PROT_EXEC,
                    MAP_SHARED | MAP_FIXED, fd_, static_cast<off_t>(text_offset_));
  if (text == MAP_FAILED) return false;
  close(fd_);
  fd_ = -1;
  // What is hashed is what runs, and is mapped once.
  text_ = {static_cast<const uint8_t *>(text), text_.size()};
  void *table = reinterpret_cast<void *>(address + text_.size());
  return mmap(table, mapped_bytes() - text_.size(), PROT_READ | PROT_WRITE,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
}

uint32_t Archive::find(uint64_t guest, const ContextRec &context) const {
  const uint32_t size = static_cast<uint32_t>(index_.size());
  uint32_t place = index_place(static_cast<uint32_t>(guest), static_cast<uint32_t>(std::countr_zero(size)));
  for (uint32_t looked_at = 0; looked_at < size; looked_at++, place = (place + 1) & (size - 1)) {
    const IndexRec &record = index_[place];
    if (record.region == kNoRegion) break;
    if (record.guest == guest && record.region < regions_.size() && is_for(regions_[record.region], context))
      return record.region;
  }
  return kNone;
}

bool Archive::is_for(const RegionRec &region, const ContextRec &context) const {
  return region.context < contexts_.size() &&
         memcmp(&contexts_[region.context], &context, sizeof context) == 0;
}

std::optional<RegionParts> Archive::region(uint32_t number) {
  std::atomic<State> &state = checked_[number];
  RegionParts parts;
  const bool there = state.load() != State::kBad && find_parts(regions_[number], &parts);
  if (state.load() == State::kUnchecked) {
    const bool good = there && is_authentic(parts) && is_consistent(parts) &&
                      ((parts.record->flags & kUsesSupport) == 0 || support_is_good());
    state.store(good ? State::kGood : State::kBad);
  }
  return state.load() == State::kGood ? std::optional(parts) : std::nullopt;
}

bool Archive::find_parts(const RegionRec &record, RegionParts *parts) const {
  parts->record = &record;
  if (record.context >= contexts_.size()) return false;
  parts->context = &contexts_[record.context];
  return part(&parts->entries, entries_, record.first_entry, record.entry_count) &&
         part(&parts->ranges, ranges_, record.first_range, record.range_count) &&
         part(&parts->bytes, bytes_, record.first_byte, record.byte_count) &&
         part(&parts->exits, exits_, record.first_exit, record.exit_count) &&
         part(&parts->faults, faults_, record.first_fault, record.fault_count) &&
         record.code <= text_.size() && record.code_bytes <= text_.size() - record.code;
}

bool Archive::is_authentic(const RegionParts &parts) const {
  RegionRec copy = *parts.record;
  memset(copy.mac, 0, sizeof copy.mac);
  const Blake2b::Digest digest = Blake2bTree(key_)
                                     .add(header_->digest, sizeof header_->digest)
                                     .add(&copy, sizeof copy)
                                     .add(parts.context, sizeof *parts.context)
                                     .add(parts.entries)
                                     .add(parts.ranges)
                                     .add(parts.bytes)
                                     .add(parts.exits)
                                     .add(parts.faults)
                                     .add(text_.subspan(copy.code, copy.code_bytes))
                                     .finish();
  return equal(digest, parts.record->mac);
}

// Whoever has the key could still have made mistakes: entries and accesses are in the region's code and from
// the guest's that it was made from; ranges ascend, and lie in the module.
bool Archive::is_consistent(const RegionParts &parts) const {
  const RegionRec &record = *parts.record;
  uint64_t end = 0, bytes = 0;
  for (const RangeRec &range : parts.ranges) {
    if (range.guest < end || range.bytes == 0) return false;
    end = uint64_t{range.guest} + range.bytes;
    bytes += range.bytes;
  }
  if (end > header_->extent || bytes != parts.bytes.size() || bytes == 0) return false;
  for (const EntryRec &entry : parts.entries)
    if (!inside(entry.code, record) || !made_from(entry.guest, parts.ranges)) return false;
  for (const FaultRec &fault : parts.faults)
    if (!inside(fault.access, record) || !inside(fault.landing, record) ||
        !made_from(fault.guest, parts.ranges))
      return false;
  return (record.flags & ~kUsesSupport) == 0 &&
         std::is_sorted(parts.faults.begin(), parts.faults.end(),
                        [](const FaultRec &a, const FaultRec &b) { return a.access < b.access; });
}

bool Archive::support_is_good() {
  if (support_ == State::kUnchecked) {
    const Blake2b::Digest digest = Blake2bTree(key_).add(text_.first(header_->support)).finish();
    support_ = equal(digest, header_->support_mac) ? State::kGood : State::kBad;
  }
  return support_ == State::kGood;
}

const FaultRec *Archive::fault(uint32_t offset) const {
  const auto behind =
      std::upper_bound(regions_.begin(), regions_.end(), offset,
                       [](uint32_t wanted, const RegionRec &region) { return wanted < region.code; });
  if (behind == regions_.begin() || !inside(offset, behind[-1])) return nullptr;
  const RegionRec &region = behind[-1];
  std::span<const FaultRec> faults;
  if (checked_[static_cast<size_t>(&region - regions_.data())].load() != State::kGood ||
      !part(&faults, faults_, region.first_fault, region.fault_count))
    return nullptr;
  const auto found =
      std::lower_bound(faults.begin(), faults.end(), offset,
                       [](const FaultRec &fault, uint32_t wanted) { return fault.access < wanted; });
  return found != faults.end() && found->access == offset ? &*found : nullptr;
}

}  // namespace pyqemu
