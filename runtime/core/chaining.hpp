// Chaining: exits of blocks and regions that lead straight to other blocks. Under the engine's lock; other
// threads may be running the exits meanwhile.
#pragma once

#include <cstdint>

#include "block_table.hpp"
#include "code_cache.hpp"

namespace pyqemu {

// Makes the exit whose place is at `patch` (ExitSlot::patch) go to the code at `target`, an offset too.
void redirect_exit(CodeCache &cache, uint32_t patch, uint32_t target);

// Lets `block` be entered at `entry` from now on, by the exits that go there already as well.
void move_entry(CodeCache &cache, BlockTable &blocks, uint32_t block, uint32_t entry);

// Makes an exit go to `block`, or all that go there back to their stubs.
void chain_exit(CodeCache &cache, BlockTable &blocks, uint32_t slot, uint32_t block);
void unchain_incoming(CodeCache &cache, BlockTable &blocks, uint32_t block);

}  // namespace pyqemu
