// Patches exits with one atomic store.
#include "chaining.hpp"

#include "host_code.hpp"

namespace pyqemu {

void redirect_exit(CodeCache &cache, uint32_t patch, uint32_t target) {
  if (patch >= cache.size())
    __atomic_store_n(cache.table_element(patch), cache.address(target), __ATOMIC_RELEASE);
  else
    host::patch_rel32(cache.writable(patch), static_cast<int32_t>(target) - static_cast<int32_t>(patch) - 4);
}

void move_entry(CodeCache &cache, BlockTable &blocks, uint32_t block, uint32_t entry) {
  Block &moved = blocks.blocks[block];
  __atomic_store_n(&moved.entry, entry, __ATOMIC_RELAXED);  // Block::any_entry
  for (uint32_t slot = moved.incoming; slot != kNone; slot = blocks.slots[slot].next_incoming)
    redirect_exit(cache, blocks.slots[slot].patch, entry);
}

void chain_exit(CodeCache &cache, BlockTable &blocks, uint32_t slot, uint32_t block) {
  ExitSlot &exit = blocks.slots[slot];
  Block &to = blocks.blocks[block];
  exit.to = block;
  exit.next_incoming = to.incoming;
  to.incoming = slot;
  redirect_exit(cache, exit.patch, to.entry);
}

void unchain_incoming(CodeCache &cache, BlockTable &blocks, uint32_t block) {
  for (uint32_t slot = blocks.blocks[block].incoming; slot != kNone;) {
    ExitSlot &exit = blocks.slots[slot];
    redirect_exit(cache, exit.patch, exit.stub);
    slot = exit.next_incoming;
    exit.to = exit.next_incoming = kNone;
  }
  blocks.blocks[block].incoming = kNone;
}

}  // namespace pyqemu
