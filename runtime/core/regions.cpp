// Where archives lie, and which region is for an address.
#include "regions.hpp"

#include <algorithm>

namespace pyqemu {
namespace {

bool usable(const MappedArchive &archive, uint64_t pc, const DecodeContext &context) {
  const ArchiveHeader &header = archive.archive->header();
  return !archive.gone && archive.covers(pc) && header.features == context.features;
}

}  // namespace

Regions::~Regions() {
  for (uint32_t i = 0; i < count_.load(); i++) delete at(i);
}

MappedArchive *Regions::add(std::unique_ptr<Archive> archive, uint64_t origin) {
  const uint32_t count = count_.load();
  if (archives_ == nullptr) archives_ = std::make_unique<std::atomic<MappedArchive *>[]>(kMost);
  const size_t bytes = archive->mapped_bytes();
  const uint32_t place = count < kMost ? free_place(bytes) : kNone;
  if (place == kNone) return nullptr;
  if (!archive->map(cache_.address(place))) {
    cache_.free_zone(place, bytes);
    return nullptr;
  }
  auto *mapped = new MappedArchive;
  mapped->origin = origin;
  mapped->text = place;
  mapped->end = static_cast<uint32_t>(place + bytes);
  mapped->installed.assign(archive->region_count(), kNone);
  mapped->unfit.assign(archive->region_count(), false);
  mapped->archive = std::move(archive);
  __atomic_store_n(cache_.table_element(mapped->table()), origin, __ATOMIC_RELEASE);
  archives_[count].store(mapped, std::memory_order_release);
  count_.store(count + 1);
  return mapped;
}

bool Regions::has(const Archive &archive, uint64_t origin) const {
  for (uint32_t i = 0; i < count_.load(); i++) {
    const MappedArchive &other = *at(i);
    if (!other.gone && other.origin == origin && other.archive->is_same(archive)) return true;
  }
  return false;
}

// First fit, as an offset; kNone if there is no room.
uint32_t Regions::free_place(size_t bytes) const {
  uint64_t place = cache_.size();
  for (uint32_t i = 0; i < count_.load();) {
    const MappedArchive &other = *at(i++);
    if (place >= other.end || place + bytes <= other.text) continue;
    place = other.end;
    i = 0;
  }
  return place + bytes <= cache_.zone_end() ? static_cast<uint32_t>(place) : kNone;
}

// A region that turns out to be damaged is not looked at again.
RegionChoice Regions::choose(uint64_t pc, const DecodeContext &context) {
  ContextRec values;
  std::copy(context.values, context.values + 4, values.values);
  for (uint32_t i = count_.load(); i-- > 0;) {
    MappedArchive &mapped = *at(i);
    if (!usable(mapped, pc, context)) continue;
    const uint64_t offset = pc - mapped.origin;
    const uint32_t number = mapped.archive->find(offset, values);
    if (number == kNone || mapped.unfit[number]) continue;
    const std::optional<RegionParts> parts = mapped.archive->region(number);
    const bool enters = parts && std::any_of(parts->entries.begin(), parts->entries.end(),
                                             [&](const EntryRec &e) { return e.guest == offset; });
    if (enters) return {&mapped, number};
    refuse({&mapped, number});
  }
  return {};
}

void Regions::refuse(const RegionChoice &choice) {
  choice.archive->unfit[choice.number] = true;
  refused++;
}

bool Regions::overlaps(const InstalledRegion &region, uint64_t first, uint64_t last) {
  const uint64_t origin = region.archive->origin;
  const RegionParts parts = region.parts();
  for (const RangeRec &range : parts.ranges)
    if (origin + range.guest <= last && origin + range.guest + range.bytes - 1 >= first) return true;
  return false;
}

void Regions::clear() {
  installed.clear();
  uint32_t kept = 0;
  for (uint32_t i = 0; i < count_.load(); i++) {
    MappedArchive *mapped = at(i);
    if (mapped->gone) {
      cache_.free_zone(mapped->text, mapped->end - mapped->text);
      delete mapped;
      continue;
    }
    mapped->installed.assign(mapped->installed.size(), kNone);
    archives_[kept++].store(mapped);
  }
  count_.store(kept);
}

const FaultRec *Regions::fault(uintptr_t host_pc, const MappedArchive **archive) const {
  if (!cache_.in_zone(host_pc)) return nullptr;
  const uint32_t offset = cache_.offset(host_pc);
  for (uint32_t i = 0, count = count_.load(); i < count; i++) {
    *archive = at(i);
    if (offset >= (*archive)->text && offset < (*archive)->table())
      return (*archive)->archive->fault(offset - (*archive)->text);
  }
  return nullptr;
}

}  // namespace pyqemu
