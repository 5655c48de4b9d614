// Optimised regions: archives that are added, regions that are installed when their first entry is wanted,
// and dropped when the guest's code changes. docs/decisions/code-cache-and-threads.md explains what holds.
#include <algorithm>

#include "engine_impl.hpp"
#include "host_code.hpp"

namespace pyqemu {

// Code that is already translated at places where the archive has entries makes room for these.
const char *EngineImpl::add_archive(int fd, const ArchiveKey &key, uint64_t origin) {
  if (!options_.regions || !options_.chain || options_.max_block_insns == 1 || options_.log != 0)
    return "optimised regions are not used";
  const char *error = nullptr;
  std::unique_ptr<Archive> archive = Archive::open(fd, key, tables_.header->digest, &error);
  if (archive == nullptr) return error;
  world_.lock();
  if (regions_->has(*archive, origin)) {
    world_.unlock();
    return nullptr;
  }
  const MappedArchive *mapped = regions_->add(std::move(archive), origin);
  bool retired = false;
  if (mapped != nullptr && blocks_.blocks.size() != 0)
    mapped->archive->for_each_entry([&](uint64_t guest) { retired |= make_way(origin + guest); });
  if (retired) world_.make_stale();
  world_.unlock();
  return mapped != nullptr ? nullptr : "there is no room for the archive, or its code may not be mapped";
}

// Takes what is at `pc`, in any context, out of the table of blocks; false if there was nothing.
bool EngineImpl::make_way(uint64_t pc) {
  bool any = false;
  for (uint32_t context = 0; context < contexts_.size(); context++) {
    const uint32_t block = blocks_.find(pc, context);
    if (block == kNone) continue;
    any = true;
    if (blocks_.blocks[block].is_region_entry())
      uninstall(blocks_.blocks[block].first_insn);
    else
      retire(block);
  }
  return any;
}

// The entry at `pc` of an optimised region, which is installed if it is not; kNone if there is none that
// fits.
uint32_t EngineImpl::find_region(Thread &thread, uint64_t pc) {
  bool flushed = false;
  for (;;) {
    world_.lock();
    const RegionChoice choice = regions_->choose(pc, *thread.context);
    if (choice.archive == nullptr) {
      world_.unlock();
      return kNone;
    }
    const RegionParts parts = *choice.archive->archive->region(choice.number);
    const std::vector<RangeRec> ranges(parts.ranges.begin(), parts.ranges.end());
    const uint64_t origin = choice.archive->origin, invalidations = invalidations_.load(),
                   epoch = epoch_.load();
    world_.unlock();
    world_.leave(thread);  // as for find_or_translate's checks
    const bool allowed = may_install(ranges, origin);
    world_.lock_and_enter(thread);
    uint32_t block = kNone;
    if (invalidations == invalidations_.load() && epoch == epoch_.load()) {
      const bool fits = allowed && has_code_of(choice);
      const bool room = fits && room_for(parts);
      if (room)
        block = install(choice, thread.context->id, pc);
      else if (fits && !flushed)
        flush(thread), flushed = true;
      else
        regions_->refuse(choice);
    }
    world_.unlock();
    if (block != kNone) return block;
  }
}

// Whether all of it may be executed, and none of it changed without invalidate() being called.
bool EngineImpl::may_install(std::span<const RangeRec> ranges, uint64_t origin) const {
  constexpr uint64_t kPage = uint64_t{1} << BlockTable::kPageBits;
  for (const RangeRec &range : ranges) {
    const uint64_t begin = origin + range.guest, end = begin + range.bytes;
    if (fetch_check_(begin, range.bytes, range.bytes) != range.bytes) return false;
    for (uint64_t at = begin; at < end; at = (at / kPage + 1) * kPage)
      if (change_check_(at, std::min(end - at, kPage - at % kPage), 1) != 0) return false;
  }
  return true;
}

bool EngineImpl::has_code_of(const RegionChoice &choice) const {
  const RegionParts parts = *choice.archive->archive->region(choice.number);
  const uint8_t *expected = parts.bytes.data();
  for (const RangeRec &range : parts.ranges) {
    if (!guest_code_is(choice.archive->origin + range.guest, {expected, range.bytes})) return false;
    expected += range.bytes;
  }
  return true;
}

bool EngineImpl::room_for(const RegionParts &parts) const {
  const auto exits = static_cast<uint32_t>(parts.exits.size());
  return translator_->room_for_exits(exits) &&
         blocks_.room(0, exits, static_cast<uint32_t>(parts.entries.size()));
}

// Gives the block that stands for the entry at `pc`. A region that was dropped since the last flush still has
// its exits.
uint32_t EngineImpl::install(const RegionChoice &choice, uint32_t context, uint64_t pc) {
  MappedArchive &archive = *choice.archive;
  const RegionParts parts = *archive.archive->region(choice.number);
  uint32_t &number = archive.installed[choice.number];
  if (number == kNone) {
    number = static_cast<uint32_t>(regions_->installed.size());
    regions_->installed.push_back({&archive, choice.number, context, add_exits(archive, parts), true});
  }
  const InstalledRegion &region = regions_->installed[number];
  regions_->installed[number].alive = true;
  installs_++;
  bool retired = false;
  for (const EntryRec &entry : parts.entries) {
    const uint32_t old = blocks_.find(archive.origin + entry.guest, context);
    if (old != kNone && blocks_.blocks[old].is_region_entry()) continue;  // another region's
    if (old != kNone) retire(old), retired = true;
    add_entry(archive, entry, number, context);
  }
  if (retired) world_.make_stale();
  for (uint32_t i = 0; i < parts.exits.size(); i++) {
    const ExitSlot &slot = blocks_.slots[region.first_slot + i];
    const uint32_t to = slot.to == kNone ? blocks_.find(slot.target, context) : kNone;
    if (to != kNone) chain_exit(*cache_, blocks_, region.first_slot + i, to);
  }
  return blocks_.find(pc, context);
}

uint32_t EngineImpl::add_exits(const MappedArchive &archive, const RegionParts &parts) {
  const uint64_t mask = ~uint64_t{0} >> (64 - tables_.header->address_bits);
  std::vector<uint64_t> targets;
  for (const ExitRec &exit : parts.exits)
    targets.push_back((archive.origin + static_cast<uint64_t>(exit.target)) & mask);
  const uint32_t first =
      archive.table() + (1 + parts.record->first_exit) * static_cast<uint32_t>(sizeof(uint64_t));
  return translator_->add_exits(targets, first);
}

void EngineImpl::add_entry(const MappedArchive &archive, const EntryRec &entry, uint32_t region,
                           uint32_t context) {
  Block block = {};
  block.guest_pc = archive.origin + entry.guest;
  block.context = context;
  block.entry = archive.text + entry.code;
  block.host = cache_->begin();
  block.guest_bytes = 1;
  block.first_insn = region;
  block.copy = kNone;
  blocks_.add(block);
}

// Nobody finds it any more; who is in it leaves at the next poll or exit.
void EngineImpl::uninstall(uint32_t number) {
  InstalledRegion &region = regions_->installed[number];
  region.alive = false;
  const RegionParts parts = region.parts();
  for (const EntryRec &entry : parts.entries) {
    const uint32_t block = blocks_.find(region.archive->origin + entry.guest, region.context);
    if (block != kNone && blocks_.blocks[block].is_region_entry() &&
        blocks_.blocks[block].first_insn == number)
      retire(block);
  }
}

}  // namespace pyqemu
