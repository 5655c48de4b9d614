// Makes blocks: decodes guest code, picks stencils, copies them and fills their holes, and puts the whole
// into the code cache. Used under the engine's lock.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "block_table.hpp"
#include "code_cache.hpp"
#include "decoder.hpp"
#include "engine.hpp"
#include "fixed_code.hpp"
#include "guest_code.hpp"
#include "holes.hpp"
#include "numbered_stubs.hpp"
#include "pack_file.hpp"
#include "profile.hpp"
#include "value_form.hpp"

namespace pyqemu {

inline constexpr uint32_t kAllFlags = 0xffffffff;
inline constexpr uint32_t kCopyBytes = 64;  // of code that are copied at a time; few stencils have more
inline constexpr uint32_t kMaxBlockInsns = 512;
inline constexpr uint32_t kMaxInsnBytes = 8;
inline constexpr uint32_t kMaxFetchBytes = kMaxBlockInsns * kMaxInsnBytes;
// Room that a block needs at most: it ends before it grows beyond half of this.
inline constexpr uint32_t kBlockRoom = 65536;

class Translator {
 public:
  Translator(const PackTables &tables, const EngineOptions &options, CodeCache &cache, BlockTable &blocks,
             Decoder &decoder, Contexts &contexts, Profile &profile);

  // Prepares the stencils that every block needs; null, or what is wrong.
  const char *prepare();
  // Whether the next block certainly fits.
  bool room() const;
  // The new block's number; kNone if the bytes do not hold one instruction, or the pack is damaged (see
  // problem()).
  uint32_t translate(GuestCode &code, const DecodeContext &context);

  // The size of the instruction that `code` begins with, and the context behind it, if it is done. 0 if it is
  // not all there.
  uint32_t look_at(GuestCode &code, const DecodeContext &context, const DecodeContext **after);

  // Lets a block that was counted be entered behind its counter.
  void stop_counting(uint32_t block);

  // Exits that are elements of a table, from offset `table` (in the zone) on: lets them go to new stubs.
  // Gives the first slot.
  bool room_for_exits(uint32_t count) const;
  uint32_t add_exits(std::span<const uint64_t> targets, uint32_t table);

  // To be called when the code cache was emptied.
  void forget_stubs();

  // What is wrong with the pack, or null.
  const char *problem() const { return problem_; }

  uint64_t guest_insns() const { return guest_insns_; }
  uint64_t guest_bytes() const { return guest_bytes_; }
  uint64_t host_bytes() const { return host_bytes_; }
  uint64_t blocks_made() const { return blocks_made_; }

 private:
  // A width in which instructions come.
  struct Unit {
    uint8_t number = 0;
    bool is_plain = false;  // 4 bytes, the lowest first
    bool big_endian = false;
    uint8_t piece = 0;  // bytes; the first piece is the top of the word
    uint32_t bytes = 0;
  };

  // An instruction of the block (two, if they were fused).
  struct Item {
    const StencilRec *stencil;
    uint64_t word[2];
    uint16_t guest[2];  // bytes from the block's start
    uint8_t unit[2];
  };

  uint32_t decode_block(GuestCode &code, const DecodeContext &context);
  const StencilRec *decode_one(GuestCode &code, uint32_t at, const DecodeContext &context, Item *item,
                               uint32_t *bytes);
  const StencilRec *decode_rare(GuestCode &code, uint32_t at, const DecodeContext &context, Item *item,
                                uint32_t *bytes);
  // From the instruction at `guest` on, the context is another one.
  struct Change {
    uint16_t guest;
    const DecodeContext *context;
  };

  void add_unit(uint8_t number);
  const DecodeContext *after(const Item &item, uint64_t here, const DecodeContext &context, bool falls);
  const DecodeContext *change(const Item &item, uint64_t here, const DecodeContext &context, uint32_t end);
  const DecodeContext &context_of(const Item &item, const DecodeContext &first) const;
  void emit_changing(const GuestCode &code, const Block &block);
  void prepare_context(Item *item, uint64_t here, const DecodeContext &context);
  const StencilRec *synced(const StencilRec &stencil);
  void set_memory(const DecodeContext &context);
  void mark_exits(const StencilRec &stencil, uint32_t first_slot);
  void mark_exit(uint32_t slot, const DecodeContext &context);
  static uint64_t load_word(const uint8_t *from, const Unit &unit);
  bool put_guard(Item *item, uint64_t pc, const DecodeContext &context);
  void prefetch(const StencilRec &stencil) const;
  const StencilRec *fused(const StencilRec &first, const StencilRec &second) const;
  void fuse();
  void drop_dead_flags();
  void emit_block(const GuestCode &code, const DecodeContext &context, Block *block);
  void emit_head(uint64_t pc, uint32_t context);
  void emit_item(const GuestCode &code, const Item &item, const DecodeContext &context);
  uint32_t emit_whole(const Item &item, const uint32_t *values);
  void fill_more(uint8_t *copy, const Item &item);
  uint32_t emit_without_load(const Item &item, const uint32_t *values);
  void emit_rest(const GuestCode &code, const Item &item, const DecodeContext &context, uint32_t at);
  void emit_landing(const GuestCode &code, bool ends_block);
  uint64_t end_of_block(const GuestCode &code) const;
  void emit_others(const StencilRec &stencil, uint32_t at, const DecodeInputs inputs[2]);
  void emit_exits(const StencilRec &stencil, uint32_t at, const DecodeInputs &inputs);
  // Where relocations that are jumps to an exit lead: in the block, or outside.
  struct Jump {
    uint32_t target = 0;
    bool outside = false;
  };
  void emit_jumps(const StencilRec &stencil, uint32_t at, uint32_t next, const Jump *exits);
  uint32_t add_slot(uint64_t target, uint32_t patch);
  void emit_exit(uint64_t target, uint32_t field);
  uint32_t emit_trampoline(uint64_t target);
  void emit_tail_jump(uint64_t target);
  void align_exits(const StencilRec &stencil, uint32_t saved);
  void align_for_patch(uint32_t field);
  void copy(uint32_t at, const StencilRec &stencil, uint32_t from = 0);
  uint8_t *staged(uint32_t at) { return &staged_[at]; }
  void set_rel32(uint32_t field, uint32_t target);
  void lead_outside(uint32_t field, uint32_t target, uint32_t slot = kNone, int32_t addend = -4);
  uint32_t place();
  void link(uint32_t first_slot, uint32_t block);
  void log_block(const Block &block, const DecodeContext &context);

  const PackTables &tables_;
  const EngineOptions &options_;
  CodeCache &cache_;
  BlockTable &blocks_;
  Decoder &decoder_;
  Contexts &contexts_;
  Profile &profile_;
  FixedCode head_, count_down_;
  NumberedStubs exit_direct_, exit_head_;  // by slot, by block
  std::array<Unit, 4> units_;
  uint32_t unit_count_ = 0;
  static constexpr uint32_t kMaxItems = kMaxBlockInsns + 1;  // guards are among them
  std::array<Item, kMaxItems> items_;
  uint32_t item_count_ = 0, guard_count_ = 0, guest_length_ = 0;
  // Of blocks in which the context changes, or that are left in another one (contexts.hpp):
  bool changing_ = false;
  uint32_t change_count_ = 0;
  std::array<Change, kMaxItems> changes_;
  const DecodeContext *first_ = nullptr, *memory_ = nullptr;  // the block's, and what is stored at this point
  const DecodeContext *goes_ = nullptr, *falls_ = nullptr;    // that of what is emitted leads to
  std::array<uint32_t, kMaxSkips> skips_;                     // rel32 fields of the guard emitted last
  uint32_t skip_count_ = 0;
  // The store that the code before hot_ ends with.
  static constexpr uint64_t kNowhere = uint64_t{1} << 63;  // there is none
  struct {
    uint64_t place = kNowhere;  // modulo 2^32
    uint8_t reg = 0;
  } stored_;
  // A rel32 field of the block that leads outside: to `target` in the code cache, by exit `slot` if that is
  // not kNone.
  struct Outside {
    uint32_t field, target, slot;
    int32_t addend;
  };
  std::vector<Outside> outside_;
  uint32_t hot_ = 0;  // bytes of the block so far
  const char *problem_ = nullptr;
  uint64_t guest_insns_ = 0, guest_bytes_ = 0, host_bytes_ = 0, blocks_made_ = 0;
  // The block, until its size and so its place is known.
  std::array<uint8_t, kBlockRoom + kCopyBytes> staged_;
};

}  // namespace pyqemu
