// Dropping translations: of guest code that changed, and all of them when the code cache is full.
//
// A dropped block cannot be found any more and nothing is chained to it; its code stays until the next flush,
// because another thread may be in it.
#include "engine_impl.hpp"
#include "host_code.hpp"

namespace pyqemu {

void EngineImpl::invalidate(uint64_t address, size_t bytes) {
  world_.lock();
  invalidations_.fetch_add(1);
  const uint64_t before = dropped_;
  blocks_.for_range(address, bytes, [this](uint32_t block) { drop(block); });
  regions_->for_range(address, bytes, [this](uint32_t region) {
    uninstall(region);
    dropped_++;
  });
  if (dropped_ != before) world_.make_stale();
  world_.unlock();
}

void EngineImpl::retire(uint32_t block) {
  blocks_.kill(block);
  unchain_incoming(*cache_, blocks_, block);
}

void EngineImpl::drop(uint32_t block) {
  if (blocks_.blocks[block].is_region_entry())
    uninstall(blocks_.blocks[block].first_insn);
  else
    retire(block);
  dropped_++;
}

bool EngineImpl::guest_code_is(uint64_t address, std::span<const uint8_t> expected) const {
  uint8_t now[256];
  for (size_t at = 0; at < expected.size(); at += sizeof now) {
    const size_t count = expected.size() - at < sizeof now ? expected.size() - at : sizeof now;
    if (host::fetch_copy(now, host_pointer(address + at), count) != count ||
        memcmp(now, expected.data() + at, count) != 0)
      return false;
  }
  return true;
}

// At an isync: compares what may have been written since with what was translated.
void EngineImpl::drop_changed_code(Thread &thread) {
  world_.lock();
  const uint64_t before = dropped_;
  uint32_t *link = &blocks_.changeable;
  while (*link != kNone) {
    Block &block = blocks_.blocks[*link];
    const uint32_t index = *link;
    if (block.dead.load() == 0 &&
        !guest_code_is(block.guest_pc, {&blocks_.copies[block.copy], block.guest_bytes}))
      drop(index);
    if (block.dead.load() != 0)
      *link = block.next_changeable;
    else
      link = &block.next_changeable;
  }
  if (dropped_ != before) {
    world_.make_stale();
    thread.stale.store(0);
    empty_jump_cache(thread);
  }
  world_.unlock();
}

// With the lock held and the thread inside; the lock is given up meanwhile. Other threads may have filled it
// again.
void EngineImpl::flush(Thread &thread) {
  const uint64_t epoch = epoch_.load();
  world_.unlock();
  world_.leave(thread);
  world_.stop();
  world_.lock();
  if (epoch == epoch_.load()) {  // else another thread has done it
    clear_all();
    flushes_++;
  }
  thread.inside.store(1);
  world_.unlock();
  world_.resume();
  world_.lock();
}

void EngineImpl::clear_all() {
  blocks_.clear();
  regions_->clear();
  cache_->reset();
  translator_->forget_stubs();
  epoch_.fetch_add(1);
  world_.make_stale();
}

}  // namespace pyqemu
