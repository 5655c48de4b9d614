// The run loop: enters generated code, looks at why it came back, finds or makes the block that comes next,
// and connects the two.
#include "engine_impl.hpp"
#include "host_code.hpp"

namespace pyqemu {

StopKind EngineImpl::run(CpuHeader *cpu) {
  Thread &thread = thread_of(cpu);
  world_.enter(thread);
  StopKind stop = loop(thread);
  world_.leave(thread);
  return stop;
}

StopKind EngineImpl::loop(Thread &thread) {
  CpuHeader *cpu = thread.cpu;
  if (!refresh_context(thread)) return StopKind::kFailed;
  Taken taken;
  for (;;) {
    if (__atomic_load_n(&cpu->poll, __ATOMIC_SEQ_CST) != 0 && serve_poll(thread))
      return StopKind::kInterrupted;
    uint32_t block = find_or_translate(thread, cpu->pc);
    if (block == kNone) return error_.load() != nullptr ? StopKind::kFailed : StopKind::kBadFetch;
    if (options_.chain) connect(thread, taken, block);
    taken = {};
    taken.epoch = epoch_.load(std::memory_order_relaxed);
    switch (enter_(cpu, options_.membase, cache_->address(blocks_.blocks[block].any_entry()))) {
      case kExitDirect:
        taken.slot = static_cast<uint32_t>(cpu->exit_slot);
        cpu->pc = blocks_.slots[taken.slot].target;
        if (blocks_.slots[taken.slot].to == kStray) [[unlikely]] {
          take_context(cpu, blocks_.slots[taken.slot].next_incoming);
          taken.slot = kNone;
          if (!refresh_context(thread)) return StopKind::kFailed;
        }
        break;
      case kExitLookup:
        taken.looked_up = true;
        break;
      case kExitException:
        return StopKind::kException;
      case kExitHead:
        leave_head(thread, static_cast<uint32_t>(cpu->exit_slot));
        break;
      case kExitSync:
        if (!refresh_context(thread)) return StopKind::kFailed;
        if (tables_.header->icache_coherent == 0) drop_changed_code(thread);
        break;
      default:
        return StopKind::kInterrupted;
    }
  }
}

// A block was left at its head: because of the poll flag, or its counter.
void EngineImpl::leave_head(Thread &thread, uint32_t block) {
  thread.cpu->pc = blocks_.blocks[block].guest_pc;
  if (profile_.has_run_out(block)) report_hot(thread, block);
}

// From now on the block is entered behind its counter. The thread's jump cache may know the other way in.
void EngineImpl::report_hot(Thread &thread, uint32_t block) {
  const uint64_t pc = thread.cpu->pc;
  world_.lock();
  const bool first = profile_.run_out(block, pc, thread.context->id);
  const bool alive = blocks_.blocks[block].dead.load() == 0;
  if (alive) translator_->stop_counting(block);
  world_.unlock();
  if (alive) remember_target(thread, block);
  world_.leave(thread);
  if (first && hot_ != nullptr) hot_(hot_context_, thread.cpu, pc);
  world_.enter(thread);
}

// Lets indirect jumps to the thread's pc, where `block` is, find it.
void EngineImpl::remember_target(Thread &thread, uint32_t block) {
  const uint64_t pc = thread.cpu->pc;
  auto *entries = reinterpret_cast<JumpCacheEntry *>(reinterpret_cast<char *>(thread.cpu) + kJumpCacheOffset);
  const uint64_t place = (pc >> tables_.header->pc_shift) & (kJumpCacheEntries - 1);
  entries[place] = {pc, cache_->address(blocks_.blocks[block].any_entry())};
  if (thread.filled_count < Thread::kMostFilled)
    thread.filled[thread.filled_count] = static_cast<uint16_t>(place);
  if (thread.filled_count <= Thread::kMostFilled) thread.filled_count++;
}

// True if the thread was interrupted. On return the world may have been stopped and blocks may have gone.
bool EngineImpl::serve_poll(Thread &thread) {
  __atomic_store_n(&thread.cpu->poll, 0u, __ATOMIC_SEQ_CST);
  world_.leave(thread);
  world_.enter(thread);
  if (thread.stale.exchange(0) != 0) empty_jump_cache(thread);
  return thread.interrupted.exchange(0) != 0;
}

// Lets generated code go to `block` by itself the next time.
void EngineImpl::connect(Thread &thread, const Taken &taken, uint32_t block) {
  if (taken.looked_up) remember_target(thread, block);
  if (taken.slot == kNone) return;
  world_.lock();
  const bool current = taken.epoch == epoch_.load(std::memory_order_relaxed);
  if (current && blocks_.slots[taken.slot].to == kNone && blocks_.blocks[block].dead.load() == 0)
    chain_exit(*cache_, blocks_, taken.slot, block);
  world_.unlock();
}

// Lock-free if the block is there. kNone: cannot be fetched, or error_ is set.
uint32_t EngineImpl::find_or_translate(Thread &thread, uint64_t pc) {
  uint32_t block = blocks_.find(pc, thread.context->id);
  if (block != kNone) return block;
  const uint64_t unit = uint64_t{1} << tables_.header->pc_shift;
  if (pc % unit != 0) return kNone;
  if (regions_->any() && (block = find_region(thread, pc)) != kNone) return block;
  __builtin_prefetch(host_pointer(pc));  // guest code is mostly read for the first time
  const size_t in_page = (size_t{1} << BlockTable::kPageBits) - (pc & ((1u << BlockTable::kPageBits) - 1));
  // An instruction may reach into the next page; up to max_block_insns of at most 8 bytes are looked at.
  size_t wanted = size_t{options_.max_block_insns} * tables_.header->unit_bytes[0];
  for (int k = 1; k < 4; k++)
    if (tables_.header->root[k] != kNone) wanted = size_t{options_.max_block_insns} * 8;
  wanted = wanted < in_page + 8 - unit ? wanted : in_page + 8 - unit;
  wanted = wanted < kMaxFetchBytes ? wanted : kMaxFetchBytes;
  for (;;) {
    // Checks may take locks of their owner, under which he may stop the world: so they are made from the
    // outside.
    world_.leave(thread);
    const uint64_t before = invalidations_.load();
    const size_t available = fetch_check_(pc, wanted, wanted);
    const size_t changeable = change_check_(pc, wanted, wanted);
    world_.lock_and_enter(thread);
    if (available == 0) {
      world_.unlock();
      return kNone;
    }
    if (before == invalidations_.load()) {
      const uint64_t start = host::ticks();
      block = translate_locked(thread, pc, available, changeable);
      translate_ticks_ += host::ticks() - start;
      world_.unlock();
      return block;
    }
    world_.unlock();
  }
}

uint32_t EngineImpl::translate_locked(Thread &thread, uint64_t pc, size_t available, size_t changeable) {
  uint32_t block = blocks_.find(pc, thread.context->id);
  if (block != kNone || error_.load() != nullptr) return block;
  while (!translator_->room()) {
    flush(thread);
    if ((block = blocks_.find(pc, thread.context->id)) != kNone) return block;
  }
  const bool copied = tables_.header->icache_coherent == 0 && changeable != 0;
  GuestCode code(pc, static_cast<const uint8_t *>(host_pointer(pc)), available, fetched_, copied);
  block = translator_->translate(code, *thread.context);
  if (translator_->problem() != nullptr) error_.store(translator_->problem());
  return block;
}

// Sets thread.context from the CPU's variables. Another context means other code for the same addresses.
bool EngineImpl::refresh_context(Thread &thread) {
  DecodeContext wanted;
  for (uint32_t i = 0; i < tables_.header->context_count; i++) wanted.values[i] = thread.cpu->context[i];
  wanted.features = thread.features;
  const DecodeContext *old = thread.context, *other = thread.other_context;
  if (old != nullptr && *old == wanted) return true;
  if (other != nullptr && *other == wanted) {
    thread.context = other;
  } else {
    world_.lock();
    thread.context = contexts_.find(wanted);
    world_.unlock();
  }
  thread.other_context = old;
  if (thread.context == nullptr) {
    error_.store("the guest uses more contexts than the engine has room for");
    return false;
  }
  if (old != nullptr) empty_jump_cache(thread);
  return true;
}

// Sets the CPU's variables.
void EngineImpl::take_context(CpuHeader *cpu, uint32_t context) const {
  for (uint32_t i = 0; i < tables_.header->context_count; i++) cpu->context[i] = contexts_[context].values[i];
}

bool EngineImpl::step_over(CpuHeader *cpu) {
  Thread &thread = thread_of(cpu);
  world_.enter(thread);
  const bool known = refresh_context(thread);
  world_.leave(thread);
  if (!known) return false;
  const size_t available = fetch_check_(cpu->pc, kMaxInsnBytes, kMaxInsnBytes);
  world_.lock_and_enter(thread);
  GuestCode code(cpu->pc, static_cast<const uint8_t *>(host_pointer(cpu->pc)), available, fetched_, false);
  const DecodeContext *after = nullptr;
  const uint32_t bytes = translator_->look_at(code, *thread.context, &after);
  world_.unlock();
  world_.leave(thread);
  if (bytes == 0) return false;
  cpu->pc = (cpu->pc + bytes) & ~uint64_t{0} >> (64 - tables_.header->address_bits);
  take_context(cpu, after->id);
  return true;
}

// No entry has an address that is looked for in it. Where contexts change often, few have been filled
// meanwhile.
void EngineImpl::empty_jump_cache(Thread &thread) {
  auto *entries = reinterpret_cast<JumpCacheEntry *>(reinterpret_cast<char *>(thread.cpu) + kJumpCacheOffset);
  if (thread.filled_count <= Thread::kMostFilled) {
    for (uint32_t k = 0; k < thread.filled_count; k++) entries[thread.filled[k]].pc = ~uint64_t{0};
  } else {
    for (uint32_t i = 0; i < kJumpCacheEntries; i++) entries[i].pc = ~uint64_t{0};
  }
  entries[kJumpCacheEntries - 1].pc = 0;
  thread.filled_count = 0;
}

// Translates without running, for measurements and for warming up.
size_t EngineImpl::translate(CpuHeader *cpu, uint64_t pc) {
  Thread &thread = thread_of(cpu);
  world_.enter(thread);
  uint32_t block = refresh_context(thread) ? find_or_translate(thread, pc) : kNone;
  size_t bytes = block == kNone ? 0 : blocks_.blocks[block].guest_bytes;
  world_.leave(thread);
  return bytes;
}

}  // namespace pyqemu
