// What is known of translated blocks: by guest address and context (to find code), by host address (to find
// the guest instruction of a fault), by guest page (to drop what was translated from it); and the exits by
// which blocks are chained.
//
// Written by one thread at a time, under the engine's lock. find() and guest_pc() take no lock and may run
// meanwhile; guest_pc() may run in a signal handler. Records stay where they are until clear(), which needs
// all threads at safe points.
#pragma once

#include <atomic>
#include <cstdint>

#include "pack_format.hpp"
#include "reserved_array.hpp"

namespace pyqemu {

// A direct exit of a block: an aligned rel32 that goes to its stub, or to the block it is chained to. Of a
// region: an element of its archive's table.
struct ExitSlot {
  uint64_t target;         // guest address
  uint32_t patch;          // code cache offset of the rel32; in the zone: of the element
  uint32_t stub;           // code cache offset
  uint32_t to;             // block that it is chained to, or kNone
  uint32_t next_incoming;  // next slot chained to the same block
};

// ExitSlot::to of an exit that leads to another context than the block's, `next_incoming`: never chained.
inline constexpr uint32_t kStray = kNone - 1;

struct Block {
  uint64_t guest_pc;
  uint32_t context;
  uint32_t entry;  // where its code begins, as an offset in the code cache or the zone
  uint32_t host,
      host_bytes;  // hot part, in the code cache; of a region's entry, no bytes: so places only decrease
  uint16_t guest_bytes;
  uint16_t insn_count;  // 0: an entry of a region
  uint32_t first_insn;  // in BlockTable::insns; of a region's entry: its number in Regions
  uint32_t first_slot, slot_count;
  uint32_t incoming;         // slots chained to this block
  uint32_t next_in_page[2];  // blocks of the page that it starts in; of the page that it ends in, if that is
                             // another
  uint32_t copy;             // in BlockTable::copies, its guest code, if that may change silently; else kNone
  uint32_t next_changeable;
  std::atomic<uint32_t> dead;

  bool is_region_entry() const { return insn_count == 0; }
  // `entry`, for threads without the lock: it may move (move_entry), and both places are right.
  uint32_t any_entry() const { return __atomic_load_n(&entry, __ATOMIC_RELAXED); }
};

// Where an instruction of a block begins: bytes from the block's start.
struct InsnMark {
  uint16_t host, guest;
};

// An instruction, by its mark, whose context is not what is stored while it is run.
struct ContextMark {
  uint32_t insn, context;
};

class BlockTable {
 public:
  static constexpr uint32_t kPageBits = 12;
  static constexpr uint64_t kPageBytes = 1 << kPageBits;

  // Room for what a code cache of that size can hold; false if there is no address space.
  bool reserve(size_t code_cache_bytes, uint32_t pc_shift);
  // Whether `blocks` more, with `slots` exits in all, fit.
  bool room(uint32_t insns, uint32_t slots, uint32_t blocks = 1) const;

  // The living block at `pc` in `context`, or kNone.
  uint32_t find(uint64_t pc, uint32_t context) const;
  // Adds a block whose code is complete.
  uint32_t add(const Block &block);
  // Takes a block out of the table by address. Its code and its incoming exits are the caller's business.
  void kill(uint32_t block);
  void clear();

  // The guest address of the instruction whose code contains code cache offset `host`; false if there is
  // none.
  bool guest_pc(uint32_t host, uint64_t *pc) const;
  // The context of that instruction if it may not be what is stored, else kNone.
  uint32_t guest_context(uint32_t host) const;

  // Calls f(index) for each living block that shares a byte with [address, address + bytes); f may kill it.
  template <typename F>
  void for_range(uint64_t address, size_t bytes, F f);

  ReservedArray<Block> blocks;
  ReservedArray<ExitSlot> slots;
  ReservedArray<InsnMark> insns;
  ReservedArray<ContextMark> contexts;  // in order
  ReservedArray<uint8_t> copies;
  uint32_t changeable = kNone;  // first of the blocks that have a copy

 private:
  struct Page {
    uint64_t number;  // + 1; 0: free
    uint32_t first;
  };
  static constexpr uint32_t kDead = 0xffffffff;
  static constexpr uint32_t kRegionBits = 4;     // log2 of the code units that stay together
  static constexpr uint32_t kFirstTable = 4096;  // entries
  static constexpr uint32_t kPageGroupBits = 8;  // log2 of the pages that do

  // A hash table, open addressed; `at` may be any number.
  struct Table {
    std::atomic<uint32_t> *entries;
    size_t mask;
    std::atomic<uint32_t> &operator[](size_t at) const { return entries[at & mask]; }
  };
  // The present one. It grows with the number of blocks: a small table spares cache misses and page faults.
  Table table() const {
    const uint32_t size = table_size_.load(std::memory_order_acquire);
    return {entries_.data() + size, size - size_t{1}};
  }

  // Where to look first. Regions of guest code are scattered over the table, but inside a region neighbours
  // stay neighbours: that spares cache misses.
  size_t place(uint64_t pc, uint32_t context) const {
    const uint64_t unit = pc >> pc_shift_;
    return scatter((unit >> kRegionBits) + (uint64_t{context} << 48), unit, kRegionBits);
  }
  static size_t scatter(uint64_t region, uint64_t inside, uint32_t bits) {
    return static_cast<size_t>((region * 0x9e3779b97f4a7c15u >> 32) << bits |
                               (inside & ((uint64_t{1} << bits) - 1)));
  }
  const Block *find_insn(uint32_t host, uint32_t *insn) const;
  void enter(Table table, uint32_t index);
  void grow();
  void free_entry(size_t at);
  Page *page(uint64_t number, bool make);
  template <typename F>
  void for_page(const Page &page, uint64_t first, uint64_t last, F f);

  // 0, block + 1, or kDead; the table of n entries is n … 2n-1, so that readers may go on in a smaller one.
  ReservedArray<std::atomic<uint32_t>> entries_;
  std::atomic<uint32_t> table_size_{0};
  ReservedArray<Page> pages_;
  ReservedArray<uint32_t> used_pages_;
  uint32_t pc_shift_ = 0;
};

template <typename F>
void BlockTable::for_page(const Page &page, uint64_t first, uint64_t last, F f) {
  for (uint32_t index = page.first; index != kNone;) {
    const Block &block = blocks[index];
    uint64_t end = block.guest_pc + block.guest_bytes - 1;
    uint32_t next = block.next_in_page[(block.guest_pc >> kPageBits) + 1 == page.number ? 0 : 1];
    if (block.dead.load(std::memory_order_relaxed) == 0 && block.guest_pc <= last && end >= first) f(index);
    index = next;
  }
}

template <typename F>
void BlockTable::for_range(uint64_t address, size_t bytes, F f) {
  if (bytes == 0) return;
  const uint64_t last = address + bytes - 1 < address ? ~uint64_t{0} : address + bytes - 1;
  const uint64_t first_page = address >> kPageBits, last_page = last >> kPageBits;
  if (last_page - first_page < used_pages_.size()) {
    for (uint64_t number = first_page; number <= last_page; number++)
      if (const Page *found = page(number, false)) for_page(*found, address, last, f);
  } else {
    for (uint32_t i = 0, count = used_pages_.size(); i < count; i++) {
      const Page &found = pages_[used_pages_[i]];
      if (found.number - 1 >= first_page && found.number - 1 <= last_page) for_page(found, address, last, f);
    }
  }
}

}  // namespace pyqemu
