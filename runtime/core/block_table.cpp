// Hash tables of blocks, and the search by host address.
#include "block_table.hpp"

#include <algorithm>
#include <bit>
#include <span>

namespace pyqemu {
namespace {

constexpr size_t kBytesPerBlock = 96;  // less than any block takes in the code cache

}  // namespace

bool BlockTable::reserve(size_t code_cache_bytes, uint32_t pc_shift) {
  size_t count = std::bit_ceil(code_cache_bytes / kBytesPerBlock + 1024);
  pc_shift_ = pc_shift;
  table_size_.store(kFirstTable, std::memory_order_relaxed);
  return blocks.reserve(count) && slots.reserve(count * 2) && insns.reserve(count * 8) &&
         contexts.reserve(count * 8) && copies.reserve(count * 64) && entries_.reserve(count * 4) &&
         pages_.reserve(count * 2) && used_pages_.reserve(count);
}

bool BlockTable::room(uint32_t insns_wanted, uint32_t slots_wanted, uint32_t blocks_wanted) const {
  // A block may open two pages; each is a block's, so pages never outnumber what the array of blocks allows
  // twice over.
  return blocks.room() >= blocks_wanted && slots.room() >= slots_wanted && insns.room() >= insns_wanted &&
         copies.room() >= insns_wanted * sizeof(uint64_t) && used_pages_.room() >= size_t{2} * blocks_wanted;
}

uint32_t BlockTable::find(uint64_t pc, uint32_t context) const {
  const Table table = this->table();
  for (size_t at = place(pc, context);; at++) {
    uint32_t entry = table[at].load(std::memory_order_acquire);
    if (entry == 0) return kNone;
    if (entry == kDead) continue;
    const Block &block = blocks[entry - 1];
    if (block.guest_pc == pc && block.context == context) return entry - 1;
  }
}

uint32_t BlockTable::add(const Block &from) {
  const uint32_t index = blocks.size();
  blocks.touch(index + 1);
  Block &block = blocks[index];
  block.guest_pc = from.guest_pc;
  block.context = from.context;
  block.entry = from.entry;
  block.host = from.host;
  block.host_bytes = from.host_bytes;
  block.guest_bytes = from.guest_bytes;
  block.insn_count = from.insn_count;
  block.first_insn = from.first_insn;
  block.first_slot = from.first_slot;
  block.slot_count = from.slot_count;
  block.incoming = kNone;
  block.copy = from.copy;
  block.dead.store(0, std::memory_order_relaxed);
  const uint64_t pages[2] = {from.guest_pc >> kPageBits, (from.guest_pc + from.guest_bytes - 1) >> kPageBits};
  for (int k = 0; k < (pages[0] == pages[1] ? 1 : 2); k++) {
    Page *entry = page(pages[k], true);
    block.next_in_page[k] = entry->first;
    entry->first = index;
  }
  if (from.copy != kNone) {
    block.next_changeable = changeable;
    changeable = index;
  }
  blocks.extend(1);  // from here on handlers see it
  if (blocks.size() > (table().mask + 1) / 2) grow();
  enter(table(), index);
  return index;
}

// The first free place will do, as the block is not there.
void BlockTable::enter(Table table, uint32_t index) {
  size_t at = place(blocks[index].guest_pc, blocks[index].context);
  while (table[at].load(std::memory_order_relaxed) != 0 && table[at].load(std::memory_order_relaxed) != kDead)
    at++;
  table[at].store(index + 1, std::memory_order_release);
}

// Readers of the smaller table may miss what is added from now on; they look again under the lock.
void BlockTable::grow() {
  const uint32_t size = table_size_.load(std::memory_order_relaxed) * 2;
  const Table larger{entries_.data() + size, size - 1};
  entries_.touch(size * size_t{2});
  for (uint32_t i = 0; i + 1 < blocks.size(); i++)
    if (blocks[i].dead.load(std::memory_order_relaxed) == 0) enter(larger, i);
  table_size_.store(size, std::memory_order_release);
}

void BlockTable::kill(uint32_t index) {
  Block &block = blocks[index];
  block.dead.store(1, std::memory_order_relaxed);
  const Table table = this->table();
  for (size_t at = place(block.guest_pc, block.context);; at++) {
    uint32_t entry = table[at].load(std::memory_order_relaxed);
    if (entry == 0) return;
    if (entry == index + 1) return free_entry(at);
  }
}

// A free place must not end a search for what lies behind it, unless nothing does.
void BlockTable::free_entry(size_t at) {
  const Table table = this->table();
  table[at].store(kDead, std::memory_order_release);
  if (table[at + 1].load(std::memory_order_relaxed) != 0) return;
  for (; table[at].load(std::memory_order_relaxed) == kDead; at--)
    table[at].store(0, std::memory_order_release);
}

void BlockTable::clear() {
  blocks.clear(false);
  slots.clear(false);
  insns.clear(false);
  contexts.clear(false);
  copies.clear(false);
  for (uint32_t i = 0; i < used_pages_.size(); i++) pages_[used_pages_[i]] = {};
  used_pages_.clear(false);
  entries_.clear(true);
  table_size_.store(kFirstTable, std::memory_order_release);
  changeable = kNone;
}

BlockTable::Page *BlockTable::page(uint64_t number, bool make) {
  const size_t mask = pages_.capacity() - 1;
  for (size_t at = scatter(number >> kPageGroupBits, number, kPageGroupBits) & mask;; at = (at + 1) & mask) {
    Page &entry = pages_[at];
    if (entry.number == number + 1) return &entry;
    if (entry.number != 0) continue;
    if (!make) return nullptr;
    entry = {number + 1, kNone};
    used_pages_.push(static_cast<uint32_t>(at));
    return &entry;
  }
}

// The block whose code contains `host`, and the mark of the instruction; null if there is none.
const Block *BlockTable::find_insn(uint32_t host, uint32_t *insn) const {
  uint32_t low = 0, high = blocks.size();
  while (low < high) {  // the first block that does not begin after `host`: each lies below the one before
    uint32_t middle = low + (high - low) / 2;
    if (blocks[middle].host > host)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == blocks.size()) return nullptr;
  const Block &block = blocks[low];
  if (host - block.host >= block.host_bytes) return nullptr;
  const uint32_t offset = host - block.host, last = block.first_insn + block.insn_count;
  *insn = block.first_insn;
  while (*insn + 1 < last && insns[*insn + 1].host <= offset) ++*insn;
  return &block;
}

bool BlockTable::guest_pc(uint32_t host, uint64_t *pc) const {
  uint32_t insn;
  const Block *block = find_insn(host, &insn);
  if (block != nullptr) *pc = block->guest_pc + insns[insn].guest;
  return block != nullptr;
}

uint32_t BlockTable::guest_context(uint32_t host) const {
  uint32_t insn;
  if (contexts.size() == 0 || find_insn(host, &insn) == nullptr) return kNone;
  const std::span all(contexts.data(), contexts.size());
  const auto found = std::ranges::lower_bound(all, insn, {}, &ContextMark::insn);
  return found != all.end() && found->insn == insn ? found->context : kNone;
}

}  // namespace pyqemu
